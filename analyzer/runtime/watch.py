"""Keeps parts running until a signal comes, then stops them in the reverse order of their start.

A part that ends by itself is started again after 1, 2, 4, 8 and 16 s; when it ends a sixth time within ten
minutes everything is stopped and ``run`` says why. Ctrl-C, SIGTERM and SIGHUP stop in order; a second one
shortens the wait. Logs are cut at 20 MB, one old piece is kept.
"""

import contextlib
import os
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import FrameType

from analyzer.runtime.parts import ChildProcess, RunningPart
from analyzer.runtime.processes import RuntimeFailure, last_lines

RESTART_DELAYS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
RESTART_WINDOW_S = 600.0
LOG_LIMIT_BYTES = 20_000_000
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A stop signal came while the parts were being started."""


class PartsWatch:
    """The parts, in the order of their start. ``say`` takes one line for the person at the terminal."""

    def __init__(self, say: Callable[[str], None], *, patience_s: float = 10.0) -> None:
        self.parts: list[RunningPart] = []
        self._say = say
        self._patience_s = patience_s
        self._stop = threading.Event()
        self._starting = True
        self._ended_at: dict[str, deque[float]] = {}
        self._start_again_at: dict[str, float] = {}

    def start(self, part: RunningPart) -> None:
        """Start a part and keep it running from now on."""
        self.parts.append(part)
        part.start()

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Our signal handlers; whatever happens inside, all parts are stopped at the end."""
        old = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        try:
            yield
        except Interrupted:
            pass
        finally:
            try:
                self._starting = False
                self.stop_all()
            finally:
                for number, handler in old.items():
                    signal.signal(number, handler)

    def run(self) -> int:
        """Watch until a stop signal (0) or until a part cannot be kept running (1)."""
        self._starting = False
        next_log_check = time.monotonic() + 60
        while not self._stop.wait(0.25):
            now = time.monotonic()
            for part in self.parts:
                if not self._keep_running(part, now):
                    return 1
            if now > next_log_check:
                next_log_check = now + 60
                self._cut_logs()
        return 0

    def stop_all(self) -> None:
        """Last started, first stopped; all children are asked at once, so they end side by side."""
        self._stop.clear()
        for part in reversed(self.parts):
            if isinstance(part, ChildProcess):
                part.ask_to_stop()
        deadline = time.monotonic() + self._patience_s
        while self.parts:
            part = self.parts.pop()
            patience_s = 1.0 if self._stop.is_set() else max(1.0, deadline - time.monotonic())
            try:
                part.stop(patience_s)
            except Exception as problem:  # the others must be stopped all the same
                self._say(f"{part.name} did not stop: {problem}")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._starting:
            self._starting = False
            raise Interrupted
        self._stop.set()

    def _keep_running(self, part: RunningPart, now: float) -> bool:
        if part.is_running:
            return True
        if part.name in self._start_again_at:
            if now >= self._start_again_at[part.name]:
                del self._start_again_at[part.name]
                try:
                    part.start()
                    self._say(f"{part.name} runs again.")
                except RuntimeFailure as failure:
                    self._say(str(failure))
            return True
        ended = self._ended_at.setdefault(part.name, deque())
        while ended and now - ended[0] > RESTART_WINDOW_S:
            ended.popleft()
        ended.append(now)
        why = self._why(part)
        if len(ended) > len(RESTART_DELAYS_S):
            self._say(f"{why} It ended {len(ended)} times within {RESTART_WINDOW_S / 60:.0f} minutes; stopping.")
            return False
        delay_s = RESTART_DELAYS_S[len(ended) - 1]
        self._start_again_at[part.name] = now + delay_s
        self._say(f"{why} Starting it again in {delay_s:.0f} s.")
        return True

    def _why(self, part: RunningPart) -> str:
        code = part.exit_code if isinstance(part, ChildProcess) else None
        if code is None:
            how = "ended"
        elif code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        else:
            how = f"ended with exit code {code}"
        tail = "".join(f"    {line}\n" for line in last_lines(part.log_file, 6).splitlines())
        return f"{part.name} {how}; the end of {part.log_file}:\n{tail}"

    def _cut_logs(self) -> None:
        for part in self.parts:
            with contextlib.suppress(OSError):
                if part.log_file.stat().st_size > LOG_LIMIT_BYTES:
                    shutil.copyfile(part.log_file, part.log_file.with_suffix(".log.1"))
                    os.truncate(part.log_file, 0)  # the child appends, so it goes on at the new end
