"""What the gate allows an EXPLAIN to cost, and where each number comes from; docs/security.md has the whole gate."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExplainLimits:
    """Times in ms unless named otherwise; ``cores`` None: not told by the server's owner."""

    # judgement: a person at a terminal would have stopped it; and a lock queue must not form behind us
    statement_timeout_ms: int = 10_000
    lock_timeout_ms: int = 100
    # judgement: planning takes milliseconds; functions that act while planning are cut off here
    plan_timeout_ms: int = 3_000
    # judgement: about reading 10 GB in sequence, 8 kB a page at seq_page_cost 1
    cost_ceiling: float = 1.3e6
    # judgement: sorting or hashing more takes longer than the timeout
    rows_ceiling: float = 10e6
    # statements that ran longer than this share of the timeout are likely to hit it
    timeout_share_ratio: float = 0.5
    # PostgreSQL's default of max_parallel_workers_per_gather
    max_parallel_workers: int = 2
    # the temp_file_limit of the role SQL that the preflight prints
    temp_bytes_ceiling: int = 1024**3
    # judgement: what an aggregate keeps of its rows (string_agg, array_agg), which no setting of the server limits
    memory_bytes_ceiling: int = 256 * 1024**2
    # judgement: a busier server has no room for guests
    cores: int | None = None
    assumed_cores: int = 8
    active_per_core_ratio: float = 0.7
    lock_wait_s: float = 5.0
    # judgement: a replica this far behind has enough to do
    replication_lag_s: float = 30.0
    # after the timeout, which functions may swallow
    cancel_after_s: float = 2.0
    terminate_after_s: float = 5.0
    # clock readings per row slow a fast scan 2.9 times (measured), but exclusive times need them
    timing: bool = True

    @property
    def active_sessions_ceiling(self) -> float:
        return (self.cores or self.assumed_cores) * self.active_per_core_ratio


# Extensions whose functions may be executed: no SQL given as text, no files, no other servers, no waiting.
TRUSTED_EXTENSIONS = (
    "btree_gin", "btree_gist", "citext", "cube", "earthdistance", "fuzzystrmatch", "hstore", "intarray", "isn", "ltree",
    "pg_trgm", "pgcrypto", "postgis", "postgis_raster", "seg", "tsm_system_rows", "unaccent", "uuid-ossp", "vector",
)  # fmt: skip
# Those whose functions in SQL name every schema, so that nobody's function can stand in the way of one in their bodies.
EXTENSIONS_WITH_SCHEMAS = ("citext",)
# Volatile, but without effect outside the row they are called for.
HARMLESS_VOLATILE = (
    "random", "random_normal", "clock_timestamp", "gen_random_uuid", "timeofday", "uuidv4", "uuidv7",
    "timezone",  # volatile before 14 by an oversight (pg_proc.dat)
    "uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "gen_random_bytes",
)  # fmt: skip
