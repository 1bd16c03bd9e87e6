-- Triggers of these tables, without those that keep foreign keys. Their arguments may be
-- secret and are not read.
-- Needs no right.
select
    t.tgrelid::int8 as table_oid,
    t.tgname as name,
    n.nspname as function_schema,
    p.proname as function_name,
    (t.tgtype & 1) <> 0 as is_for_each_row,
    case when (t.tgtype & 2) <> 0 then 'BEFORE' when (t.tgtype & 64) <> 0 then 'INSTEAD OF' else 'AFTER' end as when,
    (t.tgtype & 4) <> 0 as on_insert,
    (t.tgtype & 8) <> 0 as on_delete,
    (t.tgtype & 16) <> 0 as on_update,
    (t.tgtype & 32) <> 0 as on_truncate,
    t.tgenabled::text as enabled
from pg_catalog.pg_trigger as t
join pg_catalog.pg_proc as p on p.oid = t.tgfoid
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where not t.tgisinternal and t.tgrelid = any (%(oids)s::oid[])
order by t.tgrelid, t.tgname
