"""Waiting in tests for what other processes do: by looking, never by a time that a busy machine does not keep."""

import time
from collections.abc import Callable
from typing import TypeVar

from tests.environment import IN_VAIN_S
from tests.servers import ScratchDatabase

LOOK_AGAIN_S = 0.05
Result = TypeVar("Result")


def wait_for(look: Callable[[], Result]) -> Result:
    """What ``look`` gives as soon as it is something."""
    deadline = time.monotonic() + IN_VAIN_S
    while not (result := look()):
        assert time.monotonic() < deadline, f"waited {IN_VAIN_S} s in vain"
        time.sleep(LOOK_AGAIN_S)
    return result


def wait_for_scans(database: ScratchDatabase, index: str, scans: int) -> None:
    """A session tells its scans when it ends, and before 15 a process of its own adds them up."""
    with database.connect() as connection:
        sql = "select 1 from pg_stat_user_indexes where indexrelname = %s and idx_scan >= %s"
        wait_for(lambda: connection.execute(sql, (index, scans)).fetchone())
