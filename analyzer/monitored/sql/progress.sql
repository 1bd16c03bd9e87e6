-- Maintenance at work: how far each VACUUM, ANALYZE, CREATE INDEX, CLUSTER and VACUUM FULL has come.
-- Needs pg_read_all_stats (in pg_monitor) to see the commands of other roles.
select
    p.pid,
    p.command,
    p.datname as database,
    case when p.datname = pg_catalog.current_database() then (
        select n.nspname || '.' || c.relname
        from pg_catalog.pg_class as c
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where c.oid = p.relid
    ) end as relation,
    p.relid::int8 as relation_oid,
    p.phase,
    p.done::int8 as done,
    p.total::int8 as total,
    p.unit,
    a.backend_type = 'autovacuum worker' as is_autovacuum,
    extract(epoch from pg_catalog.clock_timestamp() - a.query_start)::float8 as running_s
from (
    select
        v.pid, 'VACUUM' as command, v.datname, v.relid, v.phase,
        case when v.phase = 'vacuuming heap' then v.heap_blks_vacuumed when v.phase = 'scanning heap' then v.heap_blks_scanned end,
        case when v.phase in ('vacuuming heap', 'scanning heap') then v.heap_blks_total end,
        'blocks'
    from pg_catalog.pg_stat_progress_vacuum as v
    union all
    select
        i.pid, i.command, i.datname, i.relid, i.phase,
        case when i.blocks_total > 0 then i.blocks_done when i.tuples_total > 0 then i.tuples_done
            when i.lockers_total > 0 then i.lockers_done end,
        case when i.blocks_total > 0 then i.blocks_total when i.tuples_total > 0 then i.tuples_total
            when i.lockers_total > 0 then i.lockers_total end,
        case when i.blocks_total > 0 then 'blocks' when i.tuples_total > 0 then 'rows' else 'lockers' end
    from pg_catalog.pg_stat_progress_create_index as i
    union all
    select
        z.pid, 'ANALYZE', z.datname, z.relid, z.phase,
        case when z.phase = 'acquiring sample rows' then z.sample_blks_scanned end,
        case when z.phase = 'acquiring sample rows' then z.sample_blks_total end,
        'blocks'
    from pg_catalog.pg_stat_progress_analyze as z
    union all
    select
        c.pid, c.command, c.datname, c.relid, c.phase,
        case when c.phase = 'seq scanning heap' then c.heap_blks_scanned end,
        case when c.phase = 'seq scanning heap' then c.heap_blks_total end,
        'blocks'
    from pg_catalog.pg_stat_progress_cluster as c
) as p (pid, command, datname, relid, phase, done, total, unit)
left join pg_catalog.pg_stat_activity as a on a.pid = p.pid
order by p.command, p.pid
limit 200
