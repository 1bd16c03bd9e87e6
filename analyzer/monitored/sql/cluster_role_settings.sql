-- What ALTER ROLE ... SET and ALTER DATABASE ... SET chose, of all databases; no role or no database is all of them.
-- Needs no right.
select
    d.datname as database,
    r.rolname as role,
    s.setconfig as settings
from pg_catalog.pg_db_role_setting as s
left join pg_catalog.pg_database as d on d.oid = s.setdatabase
left join pg_catalog.pg_roles as r on r.oid = s.setrole
where (s.setdatabase = 0 or d.oid is not null) and (s.setrole = 0 or r.oid is not null)
order by 1, 2
limit 10000
