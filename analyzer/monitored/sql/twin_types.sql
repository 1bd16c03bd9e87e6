-- Types that come with extensions, and base types that somebody made of C functions: what a planner elsewhere may lack.
-- Without arrays, which come with their elements' types.
-- Needs no right.
select
    coalesce(e.extname, '')::text as extension,
    n.nspname as schema,
    t.typname as name,
    t.typlen::int4 as size_bytes,
    t.typbyval as is_by_value
from pg_catalog.pg_type as t
join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
left join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_type'::regclass and d.objid = t.oid and d.deptype = 'e'
    and d.refclassid = 'pg_catalog.pg_extension'::regclass
left join pg_catalog.pg_extension as e on e.oid = d.refobjid
where t.oid >= 16384
    and t.typisdefined
    and (t.typtype = 'b' or (e.oid is not null and t.typtype in ('c', 'd', 'e', 'r')))
    and not exists (select from pg_catalog.pg_type as s where s.typarray = t.oid)
    and n.nspname !~ '^pg_(toast|temp)'
order by n.nspname, t.typname
