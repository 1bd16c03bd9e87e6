-- Who owns tables and is neither a superuser, nor the database's owner or a member of it, where there are several such.
-- Statements on their tables are not sent to be planned: an owner could put code on a table at that moment.
-- Needs no right.
select r.rolname::text as owner, pg_catalog.count(*) as tables
from pg_catalog.pg_class as c
join pg_catalog.pg_roles as r on r.oid = c.relowner and not r.rolsuper
cross join pg_catalog.pg_database as d
where d.datname = pg_catalog.current_database()
    and c.oid >= 16384
    and c.relkind in ('r', 'p', 'm', 'v', 'f')
    and not pg_catalog.pg_has_role(r.oid, d.datdba, 'MEMBER')
    and exists (
        select 1
        from pg_catalog.pg_class as o
        join pg_catalog.pg_roles as x on x.oid = o.relowner and not x.rolsuper
        where o.oid >= 16384 and o.relkind in ('r', 'p', 'm', 'v', 'f') and o.relowner <> c.relowner
    )
group by r.rolname
order by 2 desc, 1
limit 10
