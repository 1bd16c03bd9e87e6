-- Indexes of these tables. Expressions, predicates and definitions are left out for tables that are locked: asking
-- for them opens the table and would wait for an ACCESS EXCLUSIVE lock to go.
-- Needs no right.
select
    i.indexrelid::int8 as oid,
    i.indrelid::int8 as table_oid,
    n.nspname as schema,
    c.relname as name,
    am.amname as method,
    i.indkey::int2[] as column_numbers,
    i.indnkeyatts::int4 as key_columns,
    i.indclass::oid[] as opclass_oids,
    i.indcollation::oid[] as collations,
    i.indoption::int2[] as options,
    i.indpred is not null as is_partial,
    i.indexprs is not null as has_expressions,
    case when not locked.is_locked and i.indexprs is not null then array(
        select pg_catalog.pg_get_indexdef(i.indexrelid, k.position::int4, false)
        from pg_catalog.unnest(i.indkey::int2[]) with ordinality as k (number, position)
        where k.number = 0
        order by k.position
    ) end as expressions,
    case when not locked.is_locked and i.indpred is not null then
        pg_catalog.pg_get_expr(i.indpred, i.indrelid) end as predicate,
    case when not locked.is_locked then pg_catalog.pg_get_indexdef(i.indexrelid) end as definition,
    i.indisunique as is_unique,
    i.indisprimary as is_primary,
    i.indisvalid as is_valid,
    i.indisready and i.indislive as is_ready,
    i.indisreplident as is_replica_identity,
    i.indisclustered as is_clustered,
    exists (
        select from pg_catalog.pg_constraint as k
        where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
    ) as backs_constraint,
    case
        when c.relkind = 'I' then null
        when c.relpages > 0 then c.relpages::int8 * pg_catalog.current_setting('block_size')::int8
        when locked.is_locked or c.oid = any (%(locked)s::oid[]) then null
        else pg_catalog.pg_relation_size(c.oid)
    end as size_bytes,
    pg_catalog.pg_stat_get_numscans(i.indexrelid) as scans,
    pg_catalog.pg_stat_get_tuples_returned(i.indexrelid) as rows_read,
    c.reloptions as storage_options,
    coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) as nulls_not_distinct,
    parent.inhparent::int8 as parent_oid,
    -- other roles' builds show without what they are on to a login that may not read statistics
    case
        when i.indisvalid and i.indisready then false
        when exists (
            select from pg_catalog.pg_stat_progress_create_index as b
            -- REINDEX TABLE CONCURRENTLY builds all of a table's, and shows one of them at a time
            where b.index_relid = i.indexrelid or b.relid = i.indrelid
        ) then true
        when exists (select from pg_catalog.pg_stat_progress_create_index as b where b.relid is null) then null
        else false
    end as is_being_built
from pg_catalog.pg_index as i
join pg_catalog.pg_class as c on c.oid = i.indexrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_am as am on am.oid = c.relam
left join pg_catalog.pg_inherits as parent on parent.inhrelid = i.indexrelid
cross join lateral (select i.indrelid = any (%(locked)s::oid[]) as is_locked) as locked
where i.indrelid = any (%(oids)s::oid[])
order by i.indrelid, c.relname
