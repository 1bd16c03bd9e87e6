-- When the server started, its clock, whether it is a replica, the last reset of the statement counters, evictions.
-- Needs pg_stat_statements 1.9.
select
    pg_catalog.clock_timestamp() as taken_at,
    pg_catalog.pg_postmaster_start_time() as started_at,
    pg_catalog.pg_is_in_recovery() as is_in_recovery,
    i.stats_reset as stats_reset_at,
    i.dealloc as deallocations
from {schema}.pg_stat_statements_info as i
