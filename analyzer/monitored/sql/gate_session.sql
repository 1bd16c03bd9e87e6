-- Which server process runs our transaction, and with which limits: for the watchdog and the gate.
-- Needs no right.
select
    pg_catalog.pg_backend_pid() as pid,
    a.backend_start,
    pg_catalog.pg_is_in_recovery() as is_in_recovery,
    pg_catalog.current_setting('max_parallel_workers_per_gather')::int as parallel_workers,
    pg_catalog.current_setting('temp_file_limit') as temp_file_limit,
    pg_catalog.current_setting('work_mem') as work_mem,
    pg_catalog.current_setting('hash_mem_multiplier')::float8 as hash_mem_multiplier
from pg_catalog.pg_stat_activity as a
where a.pid = pg_catalog.pg_backend_pid()
