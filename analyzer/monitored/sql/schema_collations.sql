-- Collations in the indexes of these tables: the version each was made with, and what the operating system or ICU has now.
-- Needs no right. The database's own collation has no version here: cluster_databases.sql reads it.
select
    n.nspname as schema,
    c.collname as name,
    c.oid::int8 as oid,
    c.collprovider::text as provider,
    c.collversion as version,
    pg_catalog.pg_collation_actual_version(c.oid) as version_now
from pg_catalog.pg_collation as c
join pg_catalog.pg_namespace as n on n.oid = c.collnamespace
where c.collversion is not null
    and c.oid in (
        select pg_catalog.unnest(i.indcollation::oid[])
        from pg_catalog.pg_index as i
        where i.indrelid = any (%(oids)s::oid[])
    )
order by n.nspname, c.collname
