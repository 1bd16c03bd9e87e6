-- Views that read these tables with row security by their owner's rights, and that others than the owner may read.
-- Who reads such a view sees the rows that the view's owner sees. Not counted: the login that asks.
-- Needs no right.
select distinct
    vn.nspname as schema,
    v.relname as name,
    pg_catalog.pg_get_userbyid(v.relowner) as owner,
    v.relkind = 'm' as is_materialized,
    t.oid::int8 as table_oid,
    -- why row security does not hold for the view's owner
    coalesce(r.rolsuper, false) as owner_is_superuser,
    coalesce(r.rolbypassrls, false) as owner_bypasses,
    coalesce(r.rolsuper or r.rolbypassrls, false)
        or (not t.relforcerowsecurity and pg_catalog.pg_has_role(v.relowner, t.relowner, 'USAGE')) as sees_all_rows,
    exists (
        select from pg_catalog.aclexplode(v.relacl) as a where a.privilege_type = 'SELECT' and a.grantee = 0
    ) as is_public,
    array(
        select o.rolname::text
        from pg_catalog.aclexplode(v.relacl) as a join pg_catalog.pg_roles as o on o.oid = a.grantee
        where a.privilege_type = 'SELECT' and a.grantee <> v.relowner and o.rolname <> current_user
            and not o.rolsuper and not o.rolbypassrls
            and (t.relforcerowsecurity or not pg_catalog.pg_has_role(o.oid, t.relowner, 'USAGE'))
        order by 1
    ) as readers
from pg_catalog.pg_class as t
join pg_catalog.pg_depend as d on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = t.oid
join pg_catalog.pg_rewrite as w on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and w.oid = d.objid
join pg_catalog.pg_class as v on v.oid = w.ev_class and v.oid <> t.oid
join pg_catalog.pg_namespace as vn on vn.oid = v.relnamespace
left join pg_catalog.pg_roles as r on r.oid = v.relowner
where t.oid = any (%(oids)s::oid[])
    and t.relrowsecurity
    and v.relkind in ('v', 'm')
    and not exists (
        select from pg_catalog.unnest(v.reloptions) as o
        where o operator(pg_catalog.~*) '^security_invoker=(t|tr|tru|true|y|ye|yes|on|1)$'
    )
order by 1, 2, 5
