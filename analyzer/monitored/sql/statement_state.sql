-- When the server started, its clock, whether it is a replica: tells whether counters compare with earlier ones.
-- Needs pg_stat_statements 1.8.
select
    pg_catalog.clock_timestamp() as taken_at,
    pg_catalog.pg_postmaster_start_time() as started_at,
    pg_catalog.pg_is_in_recovery() as is_in_recovery,
    null::timestamptz as stats_reset_at,
    null::int8 as deallocations
