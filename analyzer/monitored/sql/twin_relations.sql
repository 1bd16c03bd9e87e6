-- Tables, materialized views, foreign tables and indexes outside the system's schemas: their blocks on disk (relpages
-- where a lock would have to be waited for), whether the login may read them, and whether row security hides their
-- statistics from it.
-- Needs no right.
select
    c.oid::int8 as oid,
    n.nspname as schema,
    c.relname as name,
    c.relkind::text as kind,
    am.amname as method,
    i.indrelid::int8 as table_oid,
    case
        when c.relkind not in ('r', 'm', 'i') then greatest(c.relpages, 0)
        when c.oid = any (%(locked)s::oid[]) or i.indrelid = any (%(locked)s::oid[]) then greatest(c.relpages, 0)
        else pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8
    end::int8 as blocks,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(
        coalesce(i.indrelid, c.oid), 'SELECT'
    ) as is_readable,
    coalesce(i.indisvalid and i.indisready and i.indislive, true) as is_usable,
    c.relrowsecurity and pg_catalog.row_security_active(c.oid) as hides_statistics
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join pg_catalog.pg_am as am on am.oid = c.relam
left join pg_catalog.pg_index as i on i.indexrelid = c.oid
where c.relkind in ('r', 'm', 'p', 'f', 'i', 'I')
    and c.relpersistence <> 't'
    and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
order by c.oid
