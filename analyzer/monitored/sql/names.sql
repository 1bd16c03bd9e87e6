-- Names of databases and roles by oid, to show beside the counters.
-- Needs no right.
select 'database' as kind, d.oid::int8 as oid, d.datname::text as name
from pg_catalog.pg_database as d
union all
select 'role', r.oid::int8, r.rolname::text
from pg_catalog.pg_roles as r
