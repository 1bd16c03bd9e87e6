-- The version of an extension in the connected database and the schema it was created in.
-- Needs no right.
select n.nspname as schema, e.extversion as version
from pg_catalog.pg_extension as e
join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
where e.extname = %(name)s
