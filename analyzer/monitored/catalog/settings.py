"""Reads the server's settings that planning and the preflight depend on."""

from analyzer.monitored.connection import MonitoredConnection

PLANNING = (
    "block_size", "constraint_exclusion", "cpu_index_tuple_cost", "cpu_operator_cost", "cpu_tuple_cost",
    "cursor_tuple_fraction", "default_statistics_target", "effective_cache_size", "effective_io_concurrency",
    "enable_async_append", "enable_bitmapscan", "enable_distinct_reordering", "enable_gathermerge",
    "enable_group_by_reordering", "enable_hashagg", "enable_hashjoin", "enable_incremental_sort",
    "enable_indexonlyscan", "enable_indexscan", "enable_material", "enable_memoize", "enable_mergejoin",
    "enable_nestloop", "enable_parallel_append", "enable_parallel_hash", "enable_partition_pruning",
    "enable_partitionwise_aggregate", "enable_partitionwise_join", "enable_presorted_aggregate",
    "enable_self_join_elimination", "enable_seqscan", "enable_sort", "enable_tidscan", "from_collapse_limit",
    "geqo", "geqo_effort", "geqo_threshold", "hash_mem_multiplier", "jit", "jit_above_cost",
    "jit_inline_above_cost", "jit_optimize_above_cost", "join_collapse_limit", "lc_collate",
    "maintenance_work_mem", "max_parallel_workers", "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size", "min_parallel_table_scan_size", "parallel_leader_participation",
    "parallel_setup_cost", "parallel_tuple_cost", "plan_cache_mode", "random_page_cost",
    "recursive_worktable_factor", "seq_page_cost", "shared_buffers", "work_mem",
)  # fmt: skip
WATCHING = (
    "autovacuum", "autovacuum_analyze_scale_factor", "autovacuum_analyze_threshold", "autovacuum_freeze_max_age",
    "autovacuum_multixact_freeze_max_age", "autovacuum_vacuum_insert_threshold", "autovacuum_vacuum_scale_factor",
    "compute_query_id", "data_checksums", "fsync", "full_page_writes", "max_connections",
    "pg_stat_statements.max", "pg_stat_statements.save", "pg_stat_statements.track",
    "pg_stat_statements.track_planning", "pg_stat_statements.track_utility", "server_encoding",
    "server_version_num", "shared_preload_libraries", "synchronous_commit", "temp_file_limit",
    "track_activities", "track_activity_query_size", "track_counts", "track_io_timing",
)  # fmt: skip


def read_settings(conn: MonitoredConnection) -> dict[str, str]:
    """Values in each setting's base unit (pages, kB, ms: as pg_settings shows them); unknown names are absent.

    They are those of our own session, so ALTER ROLE ... SET for the application's role does not show. JIT and
    parallel query, which our transactions turn off for themselves, are as they are without that.
    """
    with conn.transaction_read_only(planner_as_configured=True):
        rows = conn.run("settings", {"names": [*PLANNING, *WATCHING]}, action="reading the settings")
    return {row.name: row.setting for row in rows if row.setting is not None}
