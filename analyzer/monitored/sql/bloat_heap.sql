-- What a table's heap holds, by pgstattuple_approx: it reads the pages that VACUUM has not marked as all visible, and of
-- the others the map of free space. Nothing where more than so many bytes would be read.
-- Needs EXECUTE on pgstattuple_approx (pg_stat_scan_tables, in pg_monitor).
select
    pg_catalog.now() as measured_at,
    f.table_len as size_bytes,
    f.approx_free_space::int8 as free_bytes,
    f.dead_tuple_count as dead_rows,
    case when f.approx_tuple_count > 0 then f.approx_tuple_len / f.approx_tuple_count end::float8 as row_bytes
from pg_catalog.pg_class as c
cross join lateral {schema}.pgstattuple_approx(c.oid::pg_catalog.regclass) as f
where c.oid = %(oid)s
    and (c.relpages - c.relallvisible)::int8 * pg_catalog.current_setting('block_size')::int8 <= %(most_bytes)s
