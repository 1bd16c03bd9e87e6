-- Signatures of the functions and aggregates that come with these extensions, without those that work on pseudo-types.
-- Needs no right.
select
    e.extname as extension,
    n.nspname as schema,
    p.proname as name,
    pg_catalog.pg_get_function_arguments(p.oid) as arguments,
    pg_catalog.pg_get_function_result(p.oid) as result,
    p.provolatile::text as volatility,
    p.proparallel::text as parallel,
    p.proisstrict as is_strict,
    p.procost::float8 as cost,
    p.prokind = 'a' as is_aggregate
from pg_catalog.pg_extension as e
join pg_catalog.pg_depend as d
    on d.refclassid = 'pg_catalog.pg_extension'::regclass and d.refobjid = e.oid and d.deptype = 'e'
    and d.classid = 'pg_catalog.pg_proc'::regclass
join pg_catalog.pg_proc as p on p.oid = d.objid
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where e.extname = any (%(names)s::text[])
    and p.prokind in ('f', 'a')
    and not exists (
        select from pg_catalog.unnest(p.proargtypes::oid[] || p.prorettype) as t (oid)
        join pg_catalog.pg_type as y on y.oid = t.oid
        where y.typtype = 'p' and y.typname not in ('record', 'void')
    )
order by n.nspname, p.proname, 4
