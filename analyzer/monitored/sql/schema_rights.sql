-- Schemas of the database and what PUBLIC may in them.
-- Needs no right.
select
    n.nspname as name,
    r.rolname as owner,
    coalesce(bool_or(a.grantee = 0 and a.privilege_type = 'CREATE'), false) as public_may_create
from pg_catalog.pg_namespace as n
join pg_catalog.pg_roles as r on r.oid = n.nspowner
left join pg_catalog.aclexplode(n.nspacl) as a on true
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
group by n.nspname, r.rolname
order by n.nspname
