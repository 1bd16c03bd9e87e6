-- Sample values of these columns as ANALYZE kept them, for the parameters of an EXPLAIN; they are never stored.
-- Needs SELECT on the tables (pg_read_all_data).
select
    s.schemaname as schema,
    s.tablename as table_name,
    s.attname as name,
    s.inherited as is_inherited,
    s.null_frac::float8 as null_frac,
    s.n_distinct::float8 as n_distinct,
    s.most_common_vals::text::text[] as most_common_values,
    s.most_common_freqs::float8[] as most_common_freqs,
    s.histogram_bounds::text::text[] as histogram_bounds,
    s.most_common_elems::text::text[] as most_common_elements,
    s.most_common_elem_freqs::float8[] as most_common_element_freqs
from pg_catalog.pg_stats as s
join rows from (
    pg_catalog.unnest(%(schemas)s::text[]),
    pg_catalog.unnest(%(tables)s::text[]),
    pg_catalog.unnest(%(columns)s::text[])
) as w (schema, table_name, name)
    on s.schemaname = w.schema and s.tablename = w.table_name and s.attname = w.name
-- The view is a security barrier: only conditions of its own with constants reach the catalog's indexes.
where s.tablename = any (%(tables)s::name[]) and s.attname = any (%(columns)s::name[])
