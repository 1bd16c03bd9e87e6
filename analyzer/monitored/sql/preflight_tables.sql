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
    ) as unreadable_schemas,
    coalesce(
        pg_catalog.array_agg(distinct t.schema order by t.schema) filter (where not t.is_open), '{}'
    ) as closed_schemas,
    coalesce(
        pg_catalog.array_agg(array[t.schema, t.name] order by t.schema, t.name)
            filter (where not t.is_granted and t.number <= %(most_named)s), '{}'
    ) as tables_not_granted
from (
    select
        n.nspname::text as schema,
        c.relname::text as name,
        p.is_open,
        p.is_granted,
        p.is_open and p.is_granted as is_readable,
        pg_catalog.row_number() over (partition by p.is_granted order by n.nspname, c.relname) as number,
        pg_catalog.has_table_privilege(c.oid, 'insert, update, delete, truncate') as is_writable,
        c.relrowsecurity as has_row_security
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    cross join lateral (
        select
            pg_catalog.has_schema_privilege(n.oid, 'usage') as is_open,
            pg_catalog.has_table_privilege(c.oid, 'select') as is_granted
    ) as p
    where c.relkind in ('r', 'p', 'm')
        and c.relpersistence <> 't'
        and n.nspname !~ '^pg_'
        and n.nspname <> 'information_schema'
) as t
