-- Constraints of these tables other than foreign keys. Definitions are left out for tables that are locked: asking for
-- them opens the table.
-- Needs no right.
select
    k.conrelid::int8 as table_oid,
    k.conname as name,
    k.contype::text as kind,
    array(
        select a.attname::text
        from pg_catalog.unnest(k.conkey) with ordinality as r (number, position)
        join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = r.number
        order by r.position
    ) as columns,
    case
        when k.conrelid <> all (%(locked)s::oid[]) then pg_catalog.pg_get_constraintdef(k.oid)
    end as definition,
    k.convalidated as is_validated,
    coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::bool, true) as is_enforced,
    k.condeferrable as is_deferrable,
    not k.conislocal as is_inherited
from pg_catalog.pg_constraint as k
where k.contype in ('c', 'p', 'u', 'x', 'n') and k.conrelid = any (%(oids)s::oid[])
order by k.conrelid, k.conname
