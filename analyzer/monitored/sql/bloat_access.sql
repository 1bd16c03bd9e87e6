-- Which functions of pgstattuple the login may call: those in C that the extension itself brought, that belong to a
-- superuser and stand in the extension's schema. Nothing where it is not installed.
-- Needs no right.
select
    n.nspname as schema,
    pg_catalog.bool_or(p.proname = 'pgstattuple_approx') as may_measure_heaps,
    pg_catalog.bool_or(p.proname = 'pgstatindex') as may_measure_btrees
from pg_catalog.pg_extension as e
join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
join pg_catalog.pg_depend as d
    on d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.refobjid = e.oid and d.deptype = 'e'
        and d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
join pg_catalog.pg_proc as p on p.oid = d.objid and p.pronamespace = e.extnamespace
join pg_catalog.pg_roles as r on r.oid = p.proowner
join pg_catalog.pg_language as l on l.oid = p.prolang
where e.extname = 'pgstattuple'
    and r.rolsuper
    and l.lanname = 'c'
    and p.probin = '$libdir/pgstattuple'
    and not p.prosecdef
    and p.proname in ('pgstattuple_approx', 'pgstatindex')
    and p.pronargs = 1
    and p.proargtypes[0] = 'pg_catalog.regclass'::pg_catalog.regtype
    and pg_catalog.has_schema_privilege(n.oid, 'usage')
    and pg_catalog.has_function_privilege(p.oid, 'execute')
group by n.nspname
