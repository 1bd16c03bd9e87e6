-- Row security policies of these tables. Conditions are left out for tables that are locked.
-- Needs no right.
select
    p.polrelid::int8 as table_oid,
    p.polname as name,
    p.polpermissive as is_permissive,
    case p.polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' when 'd' then 'DELETE'
        else 'ALL' end as command,
    array(
        select coalesce(r.rolname::text, 'public')
        from pg_catalog.unnest(p.polroles) as o (oid)
        left join pg_catalog.pg_roles as r on r.oid = o.oid
        order by 1
    ) as roles,
    case when p.polrelid <> all (%(locked)s::oid[]) then pg_catalog.pg_get_expr(p.polqual, p.polrelid) end as using,
    case
        when p.polrelid <> all (%(locked)s::oid[]) then pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
    end as check
from pg_catalog.pg_policy as p
where p.polrelid = any (%(oids)s::oid[])
order by p.polrelid, p.polname
