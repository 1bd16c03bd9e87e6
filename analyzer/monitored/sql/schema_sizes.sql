-- What the files of the 200 largest of these tables measure, without those that are locked or have a locked index: both
-- are opened, and would be waited for.
-- Needs no right.
with largest as (
    select
        c.oid,
        c.reltoastrelid,
        c.relpages::int8
            + coalesce((select t.relpages from pg_catalog.pg_class as t where t.oid = c.reltoastrelid), 0)
            + coalesce((
                select sum(ic.relpages)
                from pg_catalog.pg_index as i
                join pg_catalog.pg_class as ic on ic.oid = i.indexrelid
                where i.indrelid = c.oid
            ), 0) as pages
    from pg_catalog.pg_class as c
    where c.oid = any (%(oids)s::oid[])
        and c.relkind in ('r', 'm')
        and c.oid <> all (%(locked)s::oid[])
        and c.reltoastrelid <> all (%(locked)s::oid[])
        and not exists (
            select from pg_catalog.pg_index as i
            where i.indrelid in (c.oid, c.reltoastrelid) and i.indexrelid = any (%(locked)s::oid[])
        )
    order by pages desc
    limit 200
),
measured as (
    select
        l.oid,
        pg_catalog.pg_table_size(l.oid) as table_bytes,
        case when l.reltoastrelid <> 0 then pg_catalog.pg_total_relation_size(l.reltoastrelid) else 0 end as toast_bytes,
        pg_catalog.pg_indexes_size(l.oid) as index_bytes
    from largest as l
)
select
    m.oid::int8 as table_oid,
    m.table_bytes - m.toast_bytes as heap_bytes,
    m.toast_bytes,
    m.index_bytes
from measured as m
where m.table_bytes is not null and m.toast_bytes is not null and m.index_bytes is not null
