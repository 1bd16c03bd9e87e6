-- Functions, operators, casts and operator classes of the database's users that stand in for PostgreSQL's own: of the
-- same name, or for its own types. What may mean them is never sent to be planned, so that they are worth knowing.
-- Needs no right.
with users_functions as (
    select p.oid, p.proname, n.nspname, p.prokind
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where p.oid >= 16384
        and n.nspname !~ '^pg_'
        and n.nspname <> 'information_schema'
        and not exists (
            select 1
            from pg_catalog.pg_depend as d
            where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'
        )
)
select s.what, pg_catalog.count(*) over () as number
from (
    select case u.prokind when 'a' then 'the aggregate ' else 'the function ' end
        || u.oid::pg_catalog.regprocedure::text as what
    from users_functions as u
    where exists (
        select 1 from pg_catalog.pg_proc as b where b.proname = u.proname and b.oid < 16384
    )
    union all
    select 'the operator ' || o.oid::pg_catalog.regoperator::text
    from pg_catalog.pg_operator as o
    join users_functions as u on u.oid = o.oprcode
    where exists (
        select 1 from pg_catalog.pg_operator as b where b.oprname = o.oprname and b.oid < 16384
    )
    union all
    select 'the cast from ' || pg_catalog.format_type(k.castsource, null) || ' to '
        || pg_catalog.format_type(k.casttarget, null)
    from pg_catalog.pg_cast as k
    join users_functions as u on u.oid = k.castfunc
    where k.castsource < 16384 and k.casttarget < 16384
    union all
    select 'the default operator class ' || pg_catalog.format('%%I.%%I', n.nspname, c.opcname) || ' for '
        || pg_catalog.format_type(c.opcintype, null)
    from pg_catalog.pg_opclass as c
    join pg_catalog.pg_namespace as n on n.oid = c.opcnamespace
    where c.opcdefault
        and c.oid >= 16384
        and c.opcintype < 16384
        and not exists (
            select 1
            from pg_catalog.pg_depend as d
            where d.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
        )
) as s
order by s.what
limit 5
