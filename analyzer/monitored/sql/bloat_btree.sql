-- How full a B-tree is, by pgstatindex, which reads all of it. Nothing where that is more than so many bytes. Without a leaf page
-- its density is null.
-- Needs EXECUTE on pgstatindex (pg_stat_scan_tables, in pg_monitor).
select
    pg_catalog.now() as measured_at,
    f.index_size as size_bytes,
    f.leaf_pages,
    f.internal_pages,
    nullif(f.avg_leaf_density, 'NaN') / 100 as leaf_density_ratio
from pg_catalog.pg_class as c
cross join lateral {schema}.pgstatindex(c.oid::pg_catalog.regclass) as f
where c.oid = %(oid)s
    and c.relpages::int8 * pg_catalog.current_setting('block_size')::int8 <= %(most_bytes)s
