-- Columns of these relations.
-- Needs no right.
select
    a.attrelid::int8 as table_oid,
    a.attname as name,
    a.attnum::int4 as number,
    pg_catalog.format_type(a.atttypid, a.atttypmod) as type_name,
    a.atttypid::int8 as type_oid,
    a.attnotnull as not_null,
    a.attgenerated <> '' as is_generated
from pg_catalog.pg_attribute as a
where a.attrelid = any (%(oids)s::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
