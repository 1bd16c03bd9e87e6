-- Domains, the type below all domains of each, the domain that it is made of, and whether values are checked.
-- Needs no right.
with recursive below (domain_oid, type_oid, type_modifier, has_constraints) as (
    select d.oid, d.oid, -1, false from pg_catalog.pg_type as d where d.typtype = 'd'
    union all
    select
        b.domain_oid, d.typbasetype, case when b.type_modifier >= 0 then b.type_modifier else d.typtypmod end,
        b.has_constraints or d.typnotnull
            or exists (select from pg_catalog.pg_constraint as k where k.contypid = d.oid and k.contype = 'c')
    from below as b
    join pg_catalog.pg_type as d on d.oid = b.type_oid and d.typtype = 'd'
)
select
    d.typname as name,
    pg_catalog.format_type(b.type_oid, b.type_modifier) as base_type,
    b.has_constraints,
    coalesce(
        (
            select pg_catalog.format_type(o.oid, null)
            from pg_catalog.pg_type as o
            where o.oid = d.typbasetype and o.typtype = 'd'
        ),
        ''
    ) as over
from below as b
join pg_catalog.pg_type as d on d.oid = b.domain_oid
join pg_catalog.pg_type as t on t.oid = b.type_oid and t.typtype <> 'd'
join pg_catalog.pg_namespace as n on n.oid = d.typnamespace and n.nspname <> 'information_schema'
order by d.typname
limit 10000
