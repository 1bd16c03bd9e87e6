-- Sizes with indexes and TOAST (as of the last VACUUM or ANALYZE), ages, and when tables were last cleaned up.
-- Needs no right.
with sizes as (
    select
        c.oid,
        c.reltoastrelid,
        c.relpages::int8 * pg_catalog.current_setting('block_size')::int8 as heap_bytes,
        coalesce(t.relpages, 0)::int8 * pg_catalog.current_setting('block_size')::int8 as toast_bytes,
        (
            select coalesce(sum(ic.relpages), 0)::int8 * pg_catalog.current_setting('block_size')::int8
            from pg_catalog.pg_index as i
            join pg_catalog.pg_class as ic on ic.oid = i.indexrelid
            where i.indrelid = c.oid or i.indrelid = c.reltoastrelid
        ) as index_bytes,
        case when c.relkind <> 'p' then greatest(
            pg_catalog.age(c.relfrozenxid), pg_catalog.age(t.relfrozenxid)
        ) end as frozen_xid_age,
        case when c.relkind <> 'p' then greatest(
            pg_catalog.mxid_age(c.relminmxid), pg_catalog.mxid_age(t.relminmxid)
        ) end as multixact_age
    from pg_catalog.pg_class as c
    left join pg_catalog.pg_class as t on t.oid = c.reltoastrelid and c.reltoastrelid <> 0
    where c.oid = any (%(oids)s::oid[]) and c.relkind in ('r', 'm', 'p')
)
select
    s.oid::int8 as table_oid,
    s.heap_bytes + s.toast_bytes + s.index_bytes as total_bytes,
    s.toast_bytes,
    s.frozen_xid_age::int8 as frozen_xid_age,
    s.multixact_age::int8 as multixact_age,
    pg_catalog.pg_stat_get_last_vacuum_time(s.oid) as last_vacuum,
    pg_catalog.pg_stat_get_last_autovacuum_time(s.oid) as last_autovacuum,
    pg_catalog.pg_stat_get_last_analyze_time(s.oid) as last_analyze,
    pg_catalog.pg_stat_get_last_autoanalyze_time(s.oid) as last_autoanalyze,
    pg_catalog.pg_stat_get_ins_since_vacuum(s.oid) as inserted_since_vacuum
from sizes as s
