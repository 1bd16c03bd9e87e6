-- Roles without PostgreSQL's own, what they may, and their settings; those in the connected database count more.
-- Needs no right.
select
    r.rolname as name,
    r.rolcanlogin as can_log_in,
    r.rolsuper as is_superuser,
    r.rolcreaterole as creates_roles,
    r.rolcreatedb as creates_databases,
    r.rolreplication as replicates,
    r.rolbypassrls as bypasses_row_security,
    (
        select pg_catalog.array_agg(c.setting order by s.setdatabase <> 0)
        from pg_catalog.pg_db_role_setting as s, pg_catalog.unnest(s.setconfig) as c (setting)
        where
            s.setrole = r.oid
            and s.setdatabase in (
                0, (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
            )
    ) as settings,
    array(
        select g.rolname::text
        from pg_catalog.pg_auth_members as m
        join pg_catalog.pg_roles as g on g.oid = m.roleid
        where m.member = r.oid
        order by 1
    ) as member_of
from pg_catalog.pg_roles as r
where r.rolname !~ '^pg_'
order by r.rolname
limit 5000
