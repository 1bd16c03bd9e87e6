-- How the archiving of WAL goes.
-- Needs no right.
select
    a.failed_count,
    a.last_failed_wal,
    extract(epoch from pg_catalog.clock_timestamp() - a.last_failed_time)::float8 as last_failed_s,
    extract(epoch from pg_catalog.clock_timestamp() - a.last_archived_time)::float8 as last_archived_s
from pg_catalog.pg_stat_archiver as a
