-- Columns that can be replaced by others: nothing depends on them but a default and NOT NULL, and they have no rights,
-- comment, settings or sequence of their own. Their defaults open the table: without those that are locked.
-- Needs no right.
select
    a.attrelid::int8 as table_oid,
    a.attname as name,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid) as default_expression
from pg_catalog.pg_attribute as a
join pg_catalog.pg_class as c on c.oid = a.attrelid and c.relkind = 'r' and not c.relispartition
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = any (%(oids)s::oid[]) and a.attrelid <> all (%(locked)s::oid[])
    and a.attnum > 0 and not a.attisdropped and a.attinhcount = 0
    and a.attidentity = '' and a.attgenerated = '' and a.attacl is null and a.attoptions is null
    and coalesce(a.attstattarget, -1) = -1
    and not exists (select from pg_catalog.pg_inherits as h where a.attrelid in (h.inhrelid, h.inhparent))
    and not exists (
        select from pg_catalog.pg_description as t
        where t.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and t.objoid = a.attrelid
            and t.objsubid = a.attnum
    )
    and not exists (
        select from pg_catalog.pg_depend as k
        where k.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and k.refobjid = a.attrelid
            and k.refobjsubid = a.attnum and k.classid <> 'pg_catalog.pg_attrdef'::pg_catalog.regclass
            and not exists (
                select from pg_catalog.pg_constraint as n
                where k.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and n.oid = k.objid
                    and n.contype = 'n'
            )
    )
order by 1, 2
