-- Which server answers, and in which of its databases: the start of its postmaster, by the microsecond, is another for a
-- replica and for a restored copy, which have the system identifier of their original.
-- Needs no right.
select
    pg_catalog.pg_postmaster_start_time() as started_at,
    d.oid as database_oid,
    d.datname as database
from pg_catalog.pg_database as d
where d.datname = pg_catalog.current_database()
