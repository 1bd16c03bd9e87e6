-- Sequences of the database and the column each belongs to.
-- Needs no right.
select
    c.oid::int8 as oid,
    n.nspname as schema,
    c.relname as name,
    pg_catalog.format_type(s.seqtypid, null) as type_name,
    coalesce(pg_catalog.has_sequence_privilege(c.oid, 'SELECT'), false) as is_readable,
    null::int8 as last_value,
    s.seqstart as start,
    s.seqincrement as increment,
    s.seqmin as min_value,
    s.seqmax as max_value,
    s.seqcache as cache,
    s.seqcycle as is_cycled,
    d.refobjid::int8 as table_oid,
    a.attname as column,
    coalesce(d.deptype = 'i', false) as is_identity
from pg_catalog.pg_sequence as s
join pg_catalog.pg_class as c on c.oid = s.seqrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype in ('a', 'i')
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjsubid > 0
left join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where c.relpersistence <> 't'
    and n.nspname !~ '^pg_'
    and n.nspname <> 'information_schema'
    and not exists (
        select from pg_catalog.pg_depend as e
        where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
order by n.nspname, c.relname
limit %(limit)s
