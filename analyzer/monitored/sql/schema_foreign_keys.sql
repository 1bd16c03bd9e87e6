-- Foreign keys of these tables, with the operator that compares the columns on both sides.
-- Needs no right.
select
    k.conrelid::int8 as table_oid,
    k.conname as name,
    k.conkey::int2[] as column_numbers,
    k.confrelid::int8 as referenced_oid,
    rn.nspname as referenced_schema,
    rc.relname as referenced_table,
    array(
        select a.attname::text
        from pg_catalog.unnest(k.confkey) with ordinality as r (number, position)
        join pg_catalog.pg_attribute as a on a.attrelid = k.confrelid and a.attnum = r.number
        order by r.position
    ) as referenced_columns,
    k.confdeltype::text as on_delete,
    k.confupdtype::text as on_update,
    k.conpfeqop::oid[] as operators,
    k.convalidated as is_validated,
    k.conparentid <> 0 as is_inherited,
    coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::bool, true) as is_enforced,
    exists (
        select from pg_catalog.pg_trigger as t
        where t.tgconstraint = k.oid and t.tgrelid = k.conrelid and t.tgenabled = 'D'
    ) as is_disabled,
    k.condeferrable as is_deferrable,
    not exists (
        select from pg_catalog.pg_trigger as t
        where t.tgenabled in ('D', 'R') and t.tgconstraint = any (array(
            select k.oid union all select part.oid from pg_catalog.pg_constraint as part where part.conparentid = k.oid
        ))
    ) as is_checked
from pg_catalog.pg_constraint as k
join pg_catalog.pg_class as rc on rc.oid = k.confrelid
join pg_catalog.pg_namespace as rn on rn.oid = rc.relnamespace
where k.contype = 'f' and k.conrelid = any (%(oids)s::oid[])
order by k.conrelid, k.conname
