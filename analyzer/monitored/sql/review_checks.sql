-- CHECK constraints of these tables. Their text is written without opening a table.
-- Needs no right.
select
    k.conrelid::int8 as table_oid,
    k.conname as name,
    pg_catalog.pg_get_constraintdef(k.oid) as definition,
    k.convalidated as is_validated
from pg_catalog.pg_constraint as k
where k.contype = 'c' and k.conrelid = any (%(oids)s::oid[])
order by k.conrelid, k.conname
