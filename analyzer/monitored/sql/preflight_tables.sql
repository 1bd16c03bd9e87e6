-- How many tables our login may read (EXPLAIN and pg_stats need that) or write (it should not), and where not.
-- Needs no right.
select
    pg_catalog.count(*) as tables,
    pg_catalog.count(*) filter (where t.is_readable) as readable,
    pg_catalog.count(*) filter (where t.is_writable) as writable,
    pg_catalog.count(*) filter (where t.has_row_security) as with_row_security,
    coalesce(pg_catalog.array_agg(distinct t.schema order by t.schema), '{}') as schemas,
    coalesce(
        pg_catalog.array_agg(distinct t.schema order by t.schema) filter (where not t.is_readable), '{}'
    ) as unreadable_schemas
from (
    select
        n.nspname::text as schema,
        pg_catalog.has_schema_privilege(n.oid, 'usage')
            and pg_catalog.has_table_privilege(c.oid, 'select') as is_readable,
        pg_catalog.has_table_privilege(c.oid, 'insert, update, delete, truncate') as is_writable,
        c.relrowsecurity as has_row_security
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm')
        and c.relpersistence <> 't'
        and n.nspname !~ '^pg_'
        and n.nspname <> 'information_schema'
) as t
