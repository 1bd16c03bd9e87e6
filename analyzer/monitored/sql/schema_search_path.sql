-- Where unqualified names lead: search_path as set for the database and for roles, and the schemas there are.
-- Needs no right.
select
    'setting' as kind,
    s.setdatabase <> 0 as is_for_database,
    r.rolname as role,
    pg_catalog.substr(c.entry, pg_catalog.strpos(c.entry, '=') + 1) as value
from pg_catalog.pg_db_role_setting as s
left join pg_catalog.pg_roles as r on r.oid = s.setrole
cross join pg_catalog.unnest(s.setconfig) as c (entry)
where c.entry like 'search_path=%%'
    and s.setdatabase in (0, (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database()))
    and r.rolname is distinct from current_user
union all
select 'schema', false, r.rolname, n.nspname
from pg_catalog.pg_namespace as n
left join pg_catalog.pg_roles as r on r.rolname = n.nspname
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
