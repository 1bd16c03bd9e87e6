-- CHECK constraints and foreign keys of these tables. Their text is written without opening a table.
-- Needs no right.
select
    k.conrelid::int8 as table_oid,
    k.conname as name,
    k.contype::text as kind,
    pg_catalog.pg_get_constraintdef(k.oid) as definition,
    k.convalidated as is_validated
from pg_catalog.pg_constraint as k
where k.contype in ('c', 'f') and k.conrelid = any (%(oids)s::oid[])
order by k.conrelid, k.conname
