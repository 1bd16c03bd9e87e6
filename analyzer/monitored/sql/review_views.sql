-- Views and materialized views that read these tables, by column; '' where a view reads none, as count(*) does.
-- Needs no right.
select distinct
    d.refobjid::int8 as table_oid,
    coalesce(a.attname, '') as column_name,
    n.nspname as schema,
    v.relname as view_name
from pg_catalog.pg_depend as d
join pg_catalog.pg_rewrite as r
    on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and r.oid = d.objid
join pg_catalog.pg_class as v on v.oid = r.ev_class and v.relkind in ('v', 'm')
join pg_catalog.pg_namespace as n on n.oid = v.relnamespace
left join pg_catalog.pg_attribute as a on d.refobjsubid > 0 and a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.refobjid = any (%(oids)s::oid[]) and d.refobjid <> v.oid
order by 1, 2, 3, 4
limit 10000
