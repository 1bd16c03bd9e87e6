"""What one visit to a monitored server brings back: pure data, between ``monitored`` and ``store``."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

# By it our own statements are told from others' in pg_stat_statements and pg_stat_activity. It stands behind
# the first word, because 18 keeps no comment before it (seen on 18.6; 13 and 15 keep both).
OWN_MARKER = "/* pgloupe */"


def is_ours(statement: str | None) -> bool:
    """Whether pgLoupe sent a statement."""
    return statement is not None and OWN_MARKER in statement[:60]


# pg_stat_statements' counters in our words: pgss name -> name here, for every version 1.8 to 1.12. Blocks and counts
# are whole numbers; times are ms. Where a version lacks one, its column of ``StatementReading.counters`` is NaN.
SUMS: tuple[str, ...] = (
    "plans", "total_plan_time_ms",
    "calls", "total_exec_time_ms", "rows",
    "shared_hit_blocks", "shared_read_blocks", "shared_dirtied_blocks", "shared_written_blocks",
    "local_hit_blocks", "local_read_blocks", "local_dirtied_blocks", "local_written_blocks",
    "temp_read_blocks", "temp_written_blocks",
    "shared_read_time_ms", "shared_write_time_ms",  # blk_read_time, blk_write_time before 1.11
    "local_read_time_ms", "local_write_time_ms",  # 1.11
    "temp_read_time_ms", "temp_write_time_ms",  # 1.10
    "wal_records", "wal_full_page_images", "wal_bytes", "wal_buffers_full",  # the last: 1.12
    "jit_functions", "jit_generation_time_ms",  # 1.10, as the rest of jit
    "jit_inlining_count", "jit_inlining_time_ms",
    "jit_optimization_count", "jit_optimization_time_ms",
    "jit_emission_count", "jit_emission_time_ms",
    "jit_deform_count", "jit_deform_time_ms",  # 1.11
    "parallel_workers_to_launch", "parallel_workers_launched",  # 1.12
)  # fmt: skip
# Not sums: the extremes since (min/max) reset and the standard deviation, from which the interval's own is computed.
GAUGES: tuple[str, ...] = (
    "min_plan_time_ms", "max_plan_time_ms", "stddev_plan_time_ms",
    "min_exec_time_ms", "max_exec_time_ms", "stddev_exec_time_ms",
)  # fmt: skip
COUNTERS: tuple[str, ...] = SUMS + GAUGES

KEY_DTYPE = np.dtype(
    [("role_oid", "i8"), ("database_oid", "i8"), ("queryid", "i8"), ("toplevel", "?")]
)  # toplevel is always True before 1.9
Key = tuple[int, int, int, bool]  # one of KEY_DTYPE


@dataclass(frozen=True, slots=True)
class ServerState:
    """Which server answered, and whether its counters can be compared with earlier ones."""

    taken_at: datetime  # the server's clock: compares with nothing but itself
    server_version_num: int
    started_at: datetime  # pg_postmaster_start_time()
    statements_version: str  # "1.10", of the extension in the connected database
    stats_reset_at: datetime | None  # pg_stat_statements_info, 14+
    deallocations: int | None  # 14+
    is_in_recovery: bool = False


@dataclass(frozen=True, slots=True)
class StatementReading:
    """Cumulative counters of every entry of pg_stat_statements, without texts.

    ``keys`` has KEY_DTYPE and n elements; ``counters`` is float64, n x len(COUNTERS), NaN where not offered;
    ``stats_since`` is float64 epoch seconds per entry, NaN before 1.11. ``hidden_roles``: oids of the roles whose
    entries are there and may not be seen; None: not known. ``is_cut``: there were more entries than were asked for.
    ``read_at_s``: ``time.monotonic()`` of this process when it was taken; None of one made by hand.
    """

    state: ServerState
    keys: NDArray[np.void]
    counters: NDArray[np.float64]
    stats_since: NDArray[np.float64]
    offered: tuple[str, ...]  # the COUNTERS this version has
    read_time_ms: float
    hidden_roles: frozenset[int] | None = None
    read_at_s: float | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class StatementText:
    """``text`` is None where the server shows none; it is as the server gave it, not redacted yet."""

    role_oid: int
    database_oid: int
    queryid: int
    toplevel: bool
    text: str | None


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """One backend in pg_stat_activity. ``text`` may hold real values: never stored as it is."""

    pid: int
    backend_start: datetime | None
    xact_start: datetime | None
    query_start: datetime | None
    state_change: datetime | None
    state: str | None
    wait_event_type: str | None
    wait_event: str | None
    role_oid: int | None
    database_oid: int | None
    application_name: str
    queryid: int | None  # 14+ with compute_query_id
    text: str | None
    is_truncated: bool = False
    blocked_by: tuple[int, ...] = field(default=())
    waits_since: datetime | None = None  # for a lock; 14+


@dataclass(frozen=True, slots=True)
class NamesByOid:
    """Names of databases and roles by oid, for showing."""

    databases: dict[int, str]
    roles: dict[int, str]


@dataclass(frozen=True, slots=True)
class PreflightItem:
    """One thing looked at before and while monitoring, with the SQL that mends it."""

    name: str
    status: str  # ok, warning, missing
    detail: str
    sql: str = ""
