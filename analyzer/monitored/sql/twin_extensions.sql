-- Installed extensions with their schemas.
-- Needs no right.
select e.extname as name, n.nspname as schema, e.extversion as version
from pg_catalog.pg_extension as e
join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
order by e.extname
