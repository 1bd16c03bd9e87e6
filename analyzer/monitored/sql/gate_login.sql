-- What our login is, and what it may change: a superuser, a member of a role that can write, the owner of a table or
-- somebody to whom writing was granted. What everybody may (grants to PUBLIC) is not counted.
-- Needs no right.
select
    current_user::text as login,
    r.rolsuper as is_superuser,
    (
        select m.rolname::text
        from pg_catalog.pg_roles as m
        where m.rolname = any (%(dangerous_roles)s::text[])
            and pg_catalog.pg_has_role(current_user, m.oid, 'member')
        order by 1
        limit 1
    ) as dangerous_role,
    (
        select pg_catalog.format('%%I.%%I', n.nspname, c.relname)
        from pg_catalog.pg_class as c
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'f', 'v', 'm')
            and c.relpersistence <> 't'
            and c.oid >= 16384
            and (
                pg_catalog.pg_has_role(c.relowner, 'usage')
                or c.relacl is not null and exists (
                    select 1
                    from pg_catalog.aclexplode(c.relacl) as a
                    where a.grantee <> 0
                        and a.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
                        and pg_catalog.pg_has_role(a.grantee, 'usage')
                )
            )
        limit 1
    ) as writable_table
from pg_catalog.pg_roles as r
where r.rolname = current_user
