-- CREATE STATISTICS of these tables.
-- Needs no right.
select
    n.nspname as schema,
    s.stxname as name,
    s.stxrelid::int8 as table_oid,
    array(
        select a.attname::text
        from pg_catalog.unnest(s.stxkeys::int2[]) with ordinality as k (number, position)
        join pg_catalog.pg_attribute as a on a.attrelid = s.stxrelid and a.attnum = k.number
        order by k.position
    ) as columns,
    pg_catalog.array_to_string(s.stxkind, '') as kinds,
    (pg_catalog.to_jsonb(s) ->> 'stxexprs') is not null as has_expressions
from pg_catalog.pg_statistic_ext as s
join pg_catalog.pg_namespace as n on n.oid = s.stxnamespace
where s.stxrelid = any (%(oids)s::oid[])
order by n.nspname, s.stxname
