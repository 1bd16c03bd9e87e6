-- What ALTER DATABASE ... SET and ALTER ROLE ... SET say in this database, for all roles.
-- Needs no right.
select
    r.rolname as role,
    s.setdatabase <> 0 as is_for_database,
    pg_catalog.split_part(c.line, '=', 1) as name,
    pg_catalog.substr(c.line, pg_catalog.strpos(c.line, '=') + 1) as value
from pg_catalog.pg_db_role_setting as s
left join pg_catalog.pg_roles as r on r.oid = s.setrole
cross join lateral pg_catalog.unnest(s.setconfig) as c (line)
where (s.setrole = 0 or r.oid is not null)
    and (s.setdatabase = 0 or s.setdatabase = (
        select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database()
    ))
order by s.setdatabase <> 0, r.rolname nulls first
