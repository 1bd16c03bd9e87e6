-- Functions, operators, casts and types that a statement may reach and that are not PostgreSQL's own or a known
-- extension's, or are volatile: by name, over all schemas and overloads, the worst of them. One row per doubt.
-- Needs no right.
with members as materialized (
    select d.classid, d.objid
    from pg_catalog.pg_depend as d
    join pg_catalog.pg_extension as e on e.oid = d.refobjid
    where d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        and d.deptype = 'e'
        and e.extname = any (%(extensions)s::text[])
),
-- oids below 16384 are made by initdb; a known extension's function counts if only a superuser can have written it
judged as not materialized (
    select
        p.oid,
        p.proname,
        case
            when p.oid < 16384 or (
                (p.prolang in (12, 13) or r.rolsuper)
                and exists (
                    select 1 from members as m
                    where m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and m.objid = p.oid
                )
            ) then case
                when p.provolatile in ('i', 's') or p.proname = any (%(harmless)s::text[]) then ''
                else 'volatile'
            end
            else 'foreign'
        end as doubt
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_roles as r on r.oid = p.proowner
),
columns_in_play as (
    select distinct coalesce(nullif(t.typelem, 0), t.oid) as oid
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_type as t on t.oid = a.atttypid
    where a.attrelid = any (%(relations)s::oid[]) and a.attnum > 0 and not a.attisdropped
),
types_named as (
    select distinct t.oid, w.name
    from rows from (
        pg_catalog.unnest(%(type_schemas)s::text[]),
        pg_catalog.unnest(%(types)s::text[])
    ) as w (schema, name)
    join pg_catalog.pg_type as t on t.typname in (w.name, '_' || w.name)
    join pg_catalog.pg_namespace as n on n.oid = t.typnamespace and (w.schema = '' or w.schema = n.nspname)
),
types_in_play as (
    select oid from columns_in_play
    union
    select oid from types_named
)
select 'function' as kind, j.proname::text as name, j.doubt
from rows from (
    pg_catalog.unnest(%(function_schemas)s::text[]),
    pg_catalog.unnest(%(functions)s::text[])
) as w (schema, name)
join pg_catalog.pg_proc as p on p.proname = w.name
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace and (w.schema = '' or w.schema = n.nspname)
join judged as j on j.oid = p.oid
where j.doubt <> ''
union
-- x in t.x: a function on a row type. Real columns come first for the server, here both are looked at.
select 'function', j.proname::text, j.doubt
from judged as j
join pg_catalog.pg_proc as p on p.oid = j.oid
join pg_catalog.pg_type as t on t.oid = p.proargtypes[0]
where p.proname = any (%(attributes)s::text[])
    and p.pronargs >= 1
    and t.typtype in ('c', 'p')
    and j.doubt = 'foreign'
    and not exists (
        select 1 from pg_catalog.pg_attribute as a
        where a.attrelid = any (%(relations)s::oid[]) and a.attname = p.proname and not a.attisdropped
    )
union
select 'operator', o.oprname::text, j.doubt
from rows from (
    pg_catalog.unnest(%(operator_schemas)s::text[]),
    pg_catalog.unnest(%(operators)s::text[])
) as w (schema, name)
join pg_catalog.pg_operator as o on o.oprname = w.name
join pg_catalog.pg_namespace as n on n.oid = o.oprnamespace and (w.schema = '' or w.schema = n.nspname)
join judged as j on j.oid in (o.oprcode, o.oprrest, o.oprjoin)
where j.doubt <> ''
    -- comparisons of an extension's or a user's own type do not meet columns of other types, unless one is cast to it
    and not (
        o.oprname in ('=', '<>', '<', '>', '<=', '>=')
        and w.schema = ''
        and exists (
            select 1
            from pg_catalog.pg_type as t
            where t.oid in (o.oprleft, o.oprright)
                and t.oid >= 16384
                and t.oid not in (select oid from types_in_play)
                and not exists (
                    select 1 from pg_catalog.pg_cast as k where k.casttarget = t.oid and k.castcontext = 'i'
                )
        )
    )
union
select 'cast', pg_catalog.format_type(k.castsource, null) || ' to ' || pg_catalog.format_type(k.casttarget, null), j.doubt
from pg_catalog.pg_cast as k
join judged as j on j.oid = k.castfunc
where j.doubt <> ''
    -- a cast of a user's type needs a value of that type
    and case
        when k.castsource >= 16384 then k.castsource in (select oid from types_in_play)
        when k.casttarget >= 16384 then k.casttarget in (select oid from types_in_play)
        else k.castsource in (select oid from types_in_play) or k.casttarget in (select oid from types_in_play)
    end
union
-- a cast to a domain runs its checks, one to a row type those of its columns
select 'type', n.name, case t.typtype when 'd' then 'domain' else 'row' end
from types_named as n
join pg_catalog.pg_type as e on e.oid = n.oid
join pg_catalog.pg_type as t on t.oid = coalesce(nullif(e.typelem, 0), e.oid)
where (
    t.typtype = 'd'
    and t.oid >= 16384
    and (
        exists (select 1 from pg_catalog.pg_constraint as c where c.contypid = t.oid)
        or exists (select 1 from pg_catalog.pg_type as b where b.oid = t.typbasetype and b.typtype <> 'b')
    )
) or (t.typtype = 'c' and t.oid >= 16384 and n.name = any (%(row_types)s::text[]))
union
select 'type', pg_catalog.format_type(t.oid, null), 'foreign'
from types_in_play as i
join pg_catalog.pg_type as t on t.oid = i.oid
where t.typtype = 'b'
    and t.typelem = 0
    and t.oid >= 16384
    and not exists (
        select 1 from members as m
        where m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and m.objid = t.oid
    )
order by 1, 2, 3
