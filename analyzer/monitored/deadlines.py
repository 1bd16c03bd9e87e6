"""Something to do when a piece of work is not finished in time, without a thread for each piece.

A sample runs half a dozen statements of a millisecond; starting and waking a thread for each took longer than they did.
"""

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator


class Deadlines:
    """One thread for all; it sleeps to the first deadline it knows of, not past it, and work that ends leaves it be."""

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # a child has no such thread, and maybe a lock nobody frees

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[object, tuple[float, Callable[[], None]]] = {}
        self._wakes_at = math.inf  # of the monotonic clock; it sleeps until told when nothing is due
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def within(self, seconds: float, otherwise: Callable[[], None]) -> Iterator[None]:
        """Runs ``otherwise``, which must be quick, when the body takes longer; never after the body has ended."""
        key, at = object(), time.monotonic() + seconds
        with self._changed:
            self._due[key] = at, otherwise
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            elif at < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._due.pop(key, None)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for key, (at, otherwise) in list(self._due.items()):
                    if at <= now:
                        del self._due[key]
                        otherwise()
                self._wakes_at = min((at for at, _ in self._due.values()), default=math.inf)
                self._changed.wait(None if self._wakes_at == math.inf else max(0.0, self._wakes_at - time.monotonic()))


deadlines = Deadlines()
