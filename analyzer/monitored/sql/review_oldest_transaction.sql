-- How long the oldest transaction of this database has been open, other sessions' alone.
-- Needs pg_read_all_stats to see other roles'.
select
    max(extract(epoch from pg_catalog.clock_timestamp() - a.xact_start))::float8 as oldest_transaction_s
from pg_catalog.pg_stat_activity as a
where a.datname = pg_catalog.current_database()
    and a.pid <> pg_catalog.pg_backend_pid()
    and a.backend_type = 'client backend'
