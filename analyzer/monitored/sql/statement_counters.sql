-- Counters of every entry, cumulative and without texts; queryid 0 of those hidden from us. No column is NULL.
-- Needs pg_stat_statements 1.8; pg_read_all_stats (in pg_monitor) to see the entries of other roles.
copy (
select
    s.userid as role_oid,
    s.dbid as database_oid,
    coalesce(s.queryid, 0) as queryid,
    true as toplevel,
    s.plans,
    s.total_plan_time as total_plan_time_ms,
    s.calls,
    s.total_exec_time as total_exec_time_ms,
    s.rows,
    s.shared_blks_hit as shared_hit_blocks,
    s.shared_blks_read as shared_read_blocks,
    s.shared_blks_dirtied as shared_dirtied_blocks,
    s.shared_blks_written as shared_written_blocks,
    s.local_blks_hit as local_hit_blocks,
    s.local_blks_read as local_read_blocks,
    s.local_blks_dirtied as local_dirtied_blocks,
    s.local_blks_written as local_written_blocks,
    s.temp_blks_read as temp_read_blocks,
    s.temp_blks_written as temp_written_blocks,
    s.blk_read_time as shared_read_time_ms,
    s.blk_write_time as shared_write_time_ms,
    s.wal_records,
    s.wal_fpi as wal_full_page_images,
    s.wal_bytes::int8 as wal_bytes,
    s.min_plan_time as min_plan_time_ms,
    s.max_plan_time as max_plan_time_ms,
    s.stddev_plan_time as stddev_plan_time_ms,
    s.min_exec_time as min_exec_time_ms,
    s.max_exec_time as max_exec_time_ms,
    s.stddev_exec_time as stddev_exec_time_ms
from {schema}.pg_stat_statements(false) as s
limit {limit}
) to stdout (format binary)
