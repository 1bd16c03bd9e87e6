-- Columns of these relations. A domain's declared type is that of the type below all domains; a collation compares
-- bytes where it is C, POSIX or one of the built-in provider's (17+), or the database's default and that is.
-- Needs no right.
with recursive declared (domain_oid, type_oid, type_modifier) as (
    select d.oid, d.typbasetype, d.typtypmod from pg_catalog.pg_type as d where d.typtype = 'd'
    union all
    select k.domain_oid, d.typbasetype, case when k.type_modifier >= 0 then k.type_modifier else d.typtypmod end
    from declared as k
    join pg_catalog.pg_type as d on d.oid = k.type_oid and d.typtype = 'd'
),
bytewise (collation_oid) as (
    select c.oid
    from pg_catalog.pg_collation as c
    where c.collprovider = 'b' or (c.collprovider = 'c' and c.collcollate in ('C', 'POSIX'))
    union all
    select 'pg_catalog.default'::pg_catalog.regcollation::oid
    from pg_catalog.pg_database as d
    where d.datname = pg_catalog.current_database() and case
        coalesce(pg_catalog.to_jsonb(d) ->> 'datlocprovider', 'c')
        when 'b' then true when 'c' then d.datcollate in ('C', 'POSIX') else false
    end
)
select
    a.attrelid::int8 as table_oid,
    a.attname as name,
    a.attnum::int4 as number,
    pg_catalog.format_type(a.atttypid, a.atttypmod) as type_name,
    a.atttypid::int8 as type_oid,
    a.attnotnull as not_null,
    a.attgenerated <> '' as is_generated,
    pg_catalog.format_type(k.type_oid, k.type_modifier) as declared_type,
    exists (select from bytewise as b where b.collation_oid = a.attcollation) as compares_bytes,
    coalesce(t.typtype, own.typtype)::text as type_kind,
    coalesce(t.typcategory, own.typcategory)::text as type_category,
    a.attidentity::text as identity,
    -- a default's text is written with a lock on the table
    case
        when a.atthasdef and a.attrelid <> all (%(locked)s::oid[]) then pg_catalog.pg_get_expr(d.adbin, d.adrelid)
    end as default,
    a.attlen::int4 as length_bytes,
    a.attalign::text as alignment,
    a.attstorage::text as storage,
    nullif(a.attstattarget::int4, -1) as statistics_target
from pg_catalog.pg_attribute as a
join pg_catalog.pg_type as own on own.oid = a.atttypid
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum and a.atthasdef
left join (
    declared as k join pg_catalog.pg_type as t on t.oid = k.type_oid and t.typtype <> 'd'
) on k.domain_oid = a.atttypid
where a.attrelid = any (%(oids)s::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
