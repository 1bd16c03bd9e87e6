-- Which functions, types and relations of these names there are, in whichever schema.
-- Needs no right.
select 'function' as what, n.nspname as schema, p.proname as name
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where p.proname = any (%(names)s::name[])
union
select 'type', n.nspname, t.typname
from pg_catalog.pg_type as t
join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
where t.typname = any (%(names)s::name[])
union
select 'relation', n.nspname, c.relname
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relname = any (%(names)s::name[])
