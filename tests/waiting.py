"""Waiting in tests for what other processes do: by looking, never by a time that a busy machine does not keep."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tests.environment import IN_VAIN_S

if TYPE_CHECKING:
    from tests.servers import ScratchDatabase

LOOK_AGAIN_S = 0.05
Result = TypeVar("Result")


def wait_for(
    look: Callable[[], Result],
    state: Callable[[], str] = str,
    *,
    timeout_s: float = IN_VAIN_S,
    every_s: float = LOOK_AGAIN_S,
) -> Result:
    """What ``look`` gives as soon as it is something; ``state``: what the failure says of how things stand."""
    deadline = time.monotonic() + timeout_s
    while not (result := look()):
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain {state()}"
        time.sleep(every_s)
    return result


def wait_for_scans(database: "ScratchDatabase", index: str, scans: int) -> None:
    """A session tells its scans when it ends, and before 15 a process of its own adds them up."""
    with database.connect() as connection:
        sql = "select 1 from pg_stat_user_indexes where indexrelname = %s and idx_scan >= %s"
        wait_for(lambda: connection.execute(sql, (index, scans)).fetchone())
