-- Which server process runs our transaction, and what its login is: for the watchdog and the gate.
-- Needs no right.
select
    pg_catalog.pg_backend_pid() as pid,
    a.backend_start,
    r.rolsuper as is_superuser,
    pg_catalog.pg_is_in_recovery() as is_in_recovery,
    pg_catalog.current_setting('max_parallel_workers_per_gather')::int as parallel_workers,
    pg_catalog.current_setting('temp_file_limit') as temp_file_limit
from pg_catalog.pg_stat_activity as a
join pg_catalog.pg_roles as r on r.rolname = current_user
where a.pid = pg_catalog.pg_backend_pid()
