-- What ANALYZE found out about columns: numbers only, no sample values.
-- Needs SELECT on the tables (pg_read_all_data); shows nothing of the others.
select
    s.schemaname as schema,
    s.tablename as table_name,
    s.attname as name,
    s.inherited as is_inherited,
    s.n_distinct::float8 as n_distinct,
    s.null_frac::float8 as null_frac,
    s.avg_width as avg_width_bytes,
    s.correlation::float8 as correlation,
    s.most_common_freqs::float8[] as most_common_freqs
from pg_catalog.pg_stats as s
where s.schemaname !~ '^pg_' and s.schemaname <> 'information_schema'
