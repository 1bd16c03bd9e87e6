-- The level of the root page of these B-trees; one page of each is read.
-- Needs a superuser and pageinspect.
select i.oid, (
    select m.level::int4
    from {schema}.bt_metap(pg_catalog.format('%%I.%%I', n.nspname, c.relname)) as m
) as level
from pg_catalog.unnest(%(oids)s::int8[]) as i (oid)
join pg_catalog.pg_class as c on c.oid = i.oid::oid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
