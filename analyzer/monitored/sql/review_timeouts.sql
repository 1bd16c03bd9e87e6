-- lock_timeout as it is set for roles or this database.
-- Needs no right.
select
    coalesce(r.rolname, '') as role,
    s.setdatabase <> 0 as is_of_database,
    pg_catalog.split_part(c.setting, '=', 2) as setting
from pg_catalog.pg_db_role_setting as s
left join pg_catalog.pg_roles as r on r.oid = s.setrole
cross join lateral pg_catalog.unnest(s.setconfig) as c (setting)
where c.setting like 'lock\_timeout=%%'
    and (s.setdatabase = 0 or s.setdatabase = (
        select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database()
    ))
order by 1, 2
