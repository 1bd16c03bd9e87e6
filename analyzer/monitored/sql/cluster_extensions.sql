-- The database's extensions and the versions that the server's files would give.
-- Needs no right.
select
    e.extname as name,
    e.extversion as version,
    a.default_version as available_version,
    n.nspname as schema
from pg_catalog.pg_extension as e
join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
left join pg_catalog.pg_available_extensions as a on a.name = e.extname
order by e.extname
