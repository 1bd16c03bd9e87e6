-- Tables, partitioned and foreign tables and views of the database, with their estimated size and activity. Sizes come
-- from relpages; only tables never vacuumed are measured, unless locked (pg_relation_size would wait for the lock).
-- Needs no right.
select
    c.oid::int8 as oid,
    n.nspname as schema,
    c.relname as name,
    c.relkind::text as kind,
    c.reltuples::float8 as rows,
    case
        when c.relkind = 'v' or c.relkind = 'f' or c.relkind = 'p' then null
        when c.relpages > 0 then c.relpages::int8 * pg_catalog.current_setting('block_size')::int8
        when c.oid = any (%(locked)s::oid[]) then null
        else pg_catalog.pg_relation_size(c.oid)
    end as size_bytes,
    c.relispartition as is_partition,
    parent.inhparent::int8 as parent_oid,
    array(
        select h.inhparent::int8
        from pg_catalog.pg_inherits as h
        where h.inhrelid = c.oid and not c.relispartition
        order by h.inhseqno
    ) as inherits,
    case
        when c.relkind = 'p' and c.oid <> all (%(locked)s::oid[]) then pg_catalog.pg_get_partkeydef(c.oid)
    end as partition_key,
    -- its text is written with locks on what it reads
    case
        when c.relkind = 'm' and c.oid <> all (%(locked)s::oid[]) and not exists (
            select from pg_catalog.pg_rewrite as r
            join pg_catalog.pg_depend as d
                on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
            where r.ev_class = c.oid and d.refobjid = any (%(locked)s::oid[])
        ) then pg_catalog.pg_get_viewdef(c.oid)
    end as view_sql,
    c.relrowsecurity as has_row_security,
    c.relforcerowsecurity as forces_row_security,
    c.relpersistence::text as persistence,
    c.relreplident::text as replica_identity,
    c.reloptions as storage_options,
    array(
        select a.privilege_type::text from pg_catalog.aclexplode(c.relacl) as a where a.grantee = 0 order by 1
    ) as public_privileges,
    -- as pg_stats decides whether to show a table's columns
    coalesce(
        pg_catalog.has_any_column_privilege(c.oid, 'select') and not pg_catalog.row_security_active(c.oid), false
    ) as is_readable,
    pg_catalog.pg_stat_get_numscans(c.oid) as seq_scans,
    pg_catalog.pg_stat_get_tuples_returned(c.oid) as seq_rows_read,
    pg_catalog.pg_stat_get_tuples_inserted(c.oid) as inserted_rows,
    pg_catalog.pg_stat_get_tuples_updated(c.oid) as updated_rows,
    pg_catalog.pg_stat_get_tuples_deleted(c.oid) as deleted_rows,
    pg_catalog.pg_stat_get_tuples_hot_updated(c.oid) as hot_updated_rows,
    pg_catalog.pg_stat_get_live_tuples(c.oid) as live_rows,
    pg_catalog.pg_stat_get_dead_tuples(c.oid) as dead_rows,
    pg_catalog.pg_stat_get_mod_since_analyze(c.oid) as modified_since_analyze
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join pg_catalog.pg_inherits as parent on parent.inhrelid = c.oid and c.relispartition
where c.relkind in ('r', 'p', 'm', 'f', 'v')
    and c.relpersistence <> 't'
    and n.nspname !~ '^pg_'
    and n.nspname <> 'information_schema'
    and not exists (
        select from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
    )
order by n.nspname, c.relname
limit %(limit)s
