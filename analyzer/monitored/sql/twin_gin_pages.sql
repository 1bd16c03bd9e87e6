-- What the metapage of these GIN indexes says of their pages and entries; one page of each is read.
-- Needs a superuser and pageinspect.
select
    i.oid,
    m.n_pending_pages::int8 as pending_pages,
    m.n_total_pages::int8 as total_pages,
    m.n_entry_pages::int8 as entry_pages,
    m.n_data_pages::int8 as data_pages,
    m.n_entries::int8 as entries
from pg_catalog.unnest(%(oids)s::int8[]) as i (oid)
join pg_catalog.pg_class as c on c.oid = i.oid::oid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
cross join lateral {schema}.gin_metapage_info(
    {schema}.get_raw_page(pg_catalog.format('%%I.%%I', n.nspname, c.relname), 0)
) as m
