-- What our login may do on the server, and which session we got.
-- Needs no right.
select
    current_user::text as login,
    r.rolsuper as is_superuser,
    r.rolbypassrls as bypasses_row_security,
    r.rolcreaterole or r.rolcreatedb or r.rolreplication as has_admin_attribute,
    pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage') as reads_all_statistics,
    pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'usage') as reads_all_settings,
    array(
        select m.rolname::text
        from pg_catalog.pg_roles as m
        where m.rolname = any (%(dangerous_roles)s::text[])
            and not r.rolsuper
            and pg_catalog.pg_has_role(current_user, m.oid, 'member')
        order by 1
    ) as dangerous_roles,
    pg_catalog.pg_backend_pid() as backend_pid,
    pg_catalog.pg_is_in_recovery() as is_in_recovery,
    (select s.version from pg_catalog.pg_stat_ssl as s where s.pid = pg_catalog.pg_backend_pid() and s.ssl) as tls_version
from pg_catalog.pg_roles as r
where r.rolname = current_user
