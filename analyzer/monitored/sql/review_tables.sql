-- Of these tables: pages of the TOAST table as of its last VACUUM or ANALYZE, whether it is unlogged, and which
-- partition is the default one of a partitioned table.
-- Needs no right.
select
    c.oid::int8 as oid,
    coalesce(t.relpages, 0)::int8 * pg_catalog.current_setting('block_size')::int8 as toast_bytes,
    c.relpersistence = 'u' as is_unlogged,
    p.partdefid::int8 as default_partition_oid
from pg_catalog.pg_class as c
left join pg_catalog.pg_class as t on t.oid = c.reltoastrelid
left join pg_catalog.pg_partitioned_table as p on p.partrelid = c.oid
where c.oid = any (%(oids)s::oid[])
