-- Functions and procedures that no extension brought, and what they may. Their texts are not read.
-- Needs no right.
select
    n.nspname as schema,
    p.proname as name,
    pg_catalog.pg_get_function_identity_arguments(p.oid) as arguments,
    l.lanname as language,
    p.prosecdef as is_security_definer,
    p.provolatile::text as volatility,
    p.proparallel::text as parallel,
    r.rolname as owner,
    r.rolsuper as owner_is_superuser,
    p.proacl is null or exists (
        select from pg_catalog.aclexplode(p.proacl) as a where a.grantee = 0 and a.privilege_type = 'EXECUTE'
    ) as is_public,
    array(
        select o.rolname::text
        from pg_catalog.aclexplode(p.proacl) as a join pg_catalog.pg_roles as o on o.oid = a.grantee
        where a.privilege_type = 'EXECUTE' and not o.rolsuper and not pg_catalog.pg_has_role(o.oid, p.proowner, 'USAGE')
        order by 1
    ) as runners,
    -- run by whoever sets a trigger off: EXECUTE is asked for when that is made
    p.oid in (
        select t.tgfoid from pg_catalog.pg_trigger as t
        union all
        select e.evtfoid from pg_catalog.pg_event_trigger as e
    ) as is_trigger,
    p.proconfig as settings,
    exists (
        select from pg_catalog.pg_proc as b
        where b.proname = p.proname and b.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
    ) as is_named_as_built_in,
    -- BEGIN ATOMIC or RETURN, from 14 on
    (pg_catalog.to_jsonb(p) ->> 'prosqlbody') is not null as has_sql_body
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
join pg_catalog.pg_language as l on l.oid = p.prolang
join pg_catalog.pg_roles as r on r.oid = p.proowner
where n.nspname !~ '^pg_'
    and n.nspname <> 'information_schema'
    and not exists (
        select from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'
    )
order by n.nspname, p.proname, 3
limit %(limit)s
