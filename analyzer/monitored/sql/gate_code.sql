-- What code a statement can reach, by executing or planning it, that is not PostgreSQL's own or a known extension's:
-- through the names in it, each at its worst over the overloads along the application's search_path, and through the
-- tables and types it reads, down to the ground: indexes, checks, partition keys, policies, generated columns, domains,
-- fields, elements, casts. One row per thing found; those with a text are expressions, to be judged as SQL.
-- Needs no right.
with recursive members as materialized (
    -- whose owner is a superuser: an extension's own owner may put other things into it
    select d.classid, d.objid, e.extname::text as extension, coalesce(t.typtype = 'd', false) as is_domain
    from pg_catalog.pg_depend as d
    join pg_catalog.pg_extension as e on e.oid = d.refobjid
    left join pg_catalog.pg_proc as p
        on d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and p.oid = d.objid
    left join pg_catalog.pg_type as t
        on d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and t.oid = d.objid
    left join pg_catalog.pg_operator as o
        on d.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass and o.oid = d.objid
    left join pg_catalog.pg_opclass as c
        on d.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass and c.oid = d.objid
    left join pg_catalog.pg_roles as r on r.oid = coalesce(p.proowner, t.typowner, o.oprowner, c.opcowner)
    where d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        and d.deptype = 'e'
        and e.extname = any (%(extensions)s::text[])
        and (r.rolsuper or d.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass)
),
-- Oids below 16384 are made by initdb. A known extension's function counts if only a superuser can have written it, and
-- if no name in its body is looked up along search_path: bodies in C, parsed ones (14+), those known to name schemas.
-- So do the constructors that CREATE TYPE ... AS RANGE makes: PostgreSQL's code, and what their type leads to is looked at.
constructors as not materialized (
    select p.oid
    from pg_catalog.pg_proc as p
    where p.prolang = 12
        and p.prosrc in (
            'range_constructor2', 'range_constructor3',
            'multirange_constructor0', 'multirange_constructor1', 'multirange_constructor2'
        )
),
judged as not materialized (
    select
        p.oid,
        case
            when p.oid >= 16384 and p.oid not in (select oid from constructors) and not exists (
                select 1
                from members as m
                where m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                    and m.objid = p.oid
                    and (
                        p.prolang <> 14
                        or m.extension = any (%(extensions_with_schemas)s::text[])
                        or pg_catalog.jsonb_typeof(pg_catalog.to_jsonb(p) -> 'prosqlbody') = 'string'
                    )
            ) then 'foreign'
            when not pg_catalog.has_function_privilege(p.oid, 'EXECUTE') then 'forbidden'
            when p.provolatile not in ('i', 's') and p.proname <> all (%(harmless)s::text[]) then 'volatile'
            -- what types read and write their values with: which type's is told by an argument
            when p.proargtypes::oid[] && array[2275, 2281]::oid[] then 'internal'
            else ''
        end as doubt
    from pg_catalog.pg_proc as p
),
path as (
    select n.oid, n.nspname, p.position
    from pg_catalog.unnest(%(search_path)s::text[]) with ordinality as p (name, position)
    join pg_catalog.pg_namespace as n on n.nspname = p.name
),
wanted_functions as (
    select w.name, p.oid, n.nspname::text as schema, w.is_attribute
    from rows from (
        pg_catalog.unnest(%(function_schemas)s::text[]),
        pg_catalog.unnest(%(functions)s::text[]),
        pg_catalog.unnest(%(argument_counts)s::int[]),
        pg_catalog.unnest(%(are_attributes)s::bool[])
    ) as w (schema, name, arguments, is_attribute)
    join pg_catalog.pg_proc as p on p.proname = w.name
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where case when w.schema = '' then n.oid in (select oid from path) else n.nspname = w.schema end
        and (
            w.arguments < 0
            or p.provariadic <> 0
            or p.prokind = 'a'
            or w.arguments between p.pronargs - p.pronargdefaults and p.pronargs
        )
        and not (p.prokind = 'a' and w.arguments = 0 and p.pronargs > 0)
),
wanted_operators as (
    select w.schema as wanted_schema, o.oid, n.nspname::text as schema
    from rows from (
        pg_catalog.unnest(%(operator_schemas)s::text[]),
        pg_catalog.unnest(%(operators)s::text[])
    ) as w (schema, name)
    join pg_catalog.pg_operator as o on o.oprname = w.name
    join pg_catalog.pg_namespace as n on n.oid = o.oprnamespace
    where case when w.schema = '' then n.oid in (select oid from path) else n.nspname = w.schema end
),
wanted_types as (
    select distinct on (w.schema, w.name) w.schema as wanted_schema, w.name, t.oid, n.nspname::text as schema
    from rows from (
        pg_catalog.unnest(%(type_schemas)s::text[]),
        pg_catalog.unnest(%(types)s::text[])
    ) as w (schema, name)
    join pg_catalog.pg_type as t on t.typname = w.name
    join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
    left join path as p on p.oid = n.oid
    where case when w.schema = '' then p.position is not null else n.nspname = w.schema end
    order by w.schema, w.name, p.position
),
-- a partition is planned with the keys of those above it
with_parents as (
    select w.oid from pg_catalog.unnest(%(relations)s::oid[]) as w (oid)
    union
    select i.inhparent
    from with_parents as w
    join pg_catalog.pg_inherits as i on i.inhrelid = w.oid
),
relations as (
    select c.oid, c.reltype, c.relkind, c.relrowsecurity,
        pg_catalog.format('%%I.%%I', n.nspname, c.relname) as label
    from with_parents as w
    join pg_catalog.pg_class as c on c.oid = w.oid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
),
-- things of the tables that planning or executing works with
parts (classid, objid, label, text) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass::oid, r.oid, 'the partition key of ' || r.label,
        pg_catalog.pg_get_expr(p.partexprs, r.oid)
    from relations as r
    join pg_catalog.pg_partitioned_table as p on p.partrelid = r.oid
    union all
    select 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid, 'the index ' || i.indexrelid::pg_catalog.regclass,
        pg_catalog.concat_ws(
            ', ', pg_catalog.pg_get_expr(i.indexprs, r.oid), pg_catalog.pg_get_expr(i.indpred, r.oid)
        )
    from relations as r
    join pg_catalog.pg_index as i on i.indrelid = r.oid
    union all
    select 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, 'a check of ' || r.label,
        pg_catalog.pg_get_expr(k.conbin, r.oid)
    from relations as r
    join pg_catalog.pg_constraint as k on k.conrelid = r.oid and k.contype = 'c'
    union all
    select 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, 'a policy of ' || r.label,
        pg_catalog.pg_get_expr(p.polqual, r.oid)
    from relations as r
    join pg_catalog.pg_policy as p on p.polrelid = r.oid
    where r.relrowsecurity
    union all
    select 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid, 'a generated column of ' || r.label,
        pg_catalog.pg_get_expr(d.adbin, r.oid)
    from relations as r
    join pg_catalog.pg_attrdef as d on d.adrelid = r.oid
    join pg_catalog.pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum and a.attgenerated <> ''
    union all
    select 'pg_catalog.pg_rewrite'::pg_catalog.regclass, w.oid, 'the view ' || r.label, null
    from relations as r
    join pg_catalog.pg_rewrite as w on w.ev_class = r.oid
    where r.relkind = 'v'
    union all
    select 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid, 'the extended statistics of ' || r.label, null
    from relations as r
    join pg_catalog.pg_statistic_ext as s on s.stxrelid = r.oid
),
read_types as (
    select distinct a.atttypid as oid, 'the column ' || r.label || '.' || a.attname as label
    from relations as r
    join pg_catalog.pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    where a.atttypid >= 16384
    union all
    select r.reltype, 'the rows of ' || r.label
    from relations as r
    where r.reltype >= 16384
),
reached (classid, objid, label) as (
    select p.classid, p.objid, p.label from parts as p
    union
    select t.classid, t.oid, t.label
    from (
        select 'pg_catalog.pg_type'::pg_catalog.regclass::oid as classid, c.oid, c.label from read_types as c
        union all
        select 'pg_catalog.pg_type'::pg_catalog.regclass, w.oid, 'the type ' || w.name
        from wanted_types as w
        where w.oid >= 16384
        union all
        select 'pg_catalog.pg_type'::pg_catalog.regclass, p.prorettype, 'the function ' || p.proname
        from wanted_functions as w
        join pg_catalog.pg_proc as p on p.oid = w.oid
        where p.prorettype >= 16384
        union all
        select 'pg_catalog.pg_type'::pg_catalog.regclass, o.oprresult, 'the operator ' || o.oprname
        from wanted_operators as w
        join pg_catalog.pg_operator as o on o.oid = w.oid
        where o.oprresult >= 16384 and o.oprleft < 16384 and o.oprright < 16384
    ) as t
    union
    select e.classid, e.objid, r.label
    from reached as r
    cross join lateral (
        -- of tables only what their partition key refers to, of other things all
        select d.refclassid as classid, d.refobjid as objid
        from pg_catalog.pg_depend as d
        where d.classid = r.classid
            and d.objid = r.objid
            and d.refobjid >= 16384
            and d.refclassid in (
                'pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass,
                'pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_opclass'::pg_catalog.regclass
            )
            and (d.classid <> 'pg_catalog.pg_class'::pg_catalog.regclass or d.objsubid = 0)
        union all
        select 'pg_catalog.pg_type'::pg_catalog.regclass, b.oid
        from pg_catalog.pg_type as t
        -- down to its ground, and up to what can be made of it without being named: an array
        cross join lateral (
            values (t.typelem), (t.typbasetype), (t.typarray)
        ) as b (oid)
        where r.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and t.oid = r.objid and b.oid >= 16384
        union all
        select 'pg_catalog.pg_type'::pg_catalog.regclass, a.atttypid
        from pg_catalog.pg_type as t
        join pg_catalog.pg_attribute as a on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        where r.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
            and t.oid = r.objid
            and t.typtype = 'c'
            and a.atttypid >= 16384
        union all
        select 'pg_catalog.pg_type'::pg_catalog.regclass, g.rngtypid
        from pg_catalog.pg_range as g
        where r.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and g.rngsubtype = r.objid
        union all
        select 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid
        from pg_catalog.pg_constraint as k
        where r.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and k.contypid = r.objid
    ) as e
    -- what an extension's domain checks was looked up when it was installed
    where not exists (
        select 1 from members as m where m.classid = r.classid and m.objid = r.objid and not m.is_domain
    )
),
own as (
    select r.classid, r.objid, r.label
    from reached as r
    where r.objid >= 16384
        and not exists (select 1 from members as m where m.classid = r.classid and m.objid = r.objid)
),
types as (
    select distinct r.objid as oid, r.label
    from reached as r
    where r.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
)
-- The names in the text. ``apart``: of types that no value here can have, so that it is not what the text means.
select distinct 'function' as kind, w.name::text as name, w.schema, j.doubt, w.is_attribute, null::text as label,
    -- an argument that names a table, a type or a text search configuration: looked up along search_path
    case when p.proargtypes::oid[] && array[24, 2202, 2203, 2204, 2205, 2206, 4089, 4096, 4191]::oid[]
        or p.proargtypes::oid[] && array[3734, 3769]::oid[] and (
            exists (select 1 from pg_catalog.pg_ts_config as c where c.oid >= 16384)
            or exists (select 1 from pg_catalog.pg_ts_dict as c where c.oid >= 16384)
        )
        or p.proname ~ '^(has_|to_reg|row_security|pg_get_)' then 'takes names' end as text,
    exists (
        select 1
        from pg_catalog.unnest(p.proargtypes::oid[]) as a (oid)
        join pg_catalog.pg_type as t on t.oid = a.oid
        where a.oid >= 16384
            and t.typtype <> 'd'
            and a.oid not in (select oid from types)
            and not exists (
                select 1 from pg_catalog.pg_cast as k where k.casttarget = a.oid and k.castcontext = 'i'
            )
    ) as apart
from wanted_functions as w
join judged as j on j.oid = w.oid
join pg_catalog.pg_proc as p on p.oid = w.oid
union all
select 'operator', o.oprname::text, w.schema,
    case
        when o.oid < 16384 or exists (
            select 1 from members as m
            where m.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass and m.objid = o.oid
        ) then coalesce(
            (select j.doubt from judged as j where j.oid = o.oprcode and j.doubt in ('foreign', 'volatile')), ''
        )
        -- between two of PostgreSQL's own types that its own operators cannot compare, this is the only one that can: the
        -- server, which is given no path to it, says so when the statement means it
        when w.wanted_schema = ''
            and o.oprname in ('=', '<>', '<', '>', '<=', '>=')
            and o.oprleft between 1 and 16383
            and o.oprright < 16384
            and not exists (
                select 1
                from pg_catalog.pg_operator as b
                where b.oprname = o.oprname
                    and b.oid < 16384
                    and (b.oprleft = o.oprleft or exists (
                        select 1 from pg_catalog.pg_cast as k
                        where k.castsource = o.oprleft and k.casttarget = b.oprleft and k.castcontext = 'i'
                    ))
                    and (b.oprright = o.oprright or exists (
                        select 1 from pg_catalog.pg_cast as k
                        where k.castsource = o.oprright and k.casttarget = b.oprright and k.castcontext = 'i'
                    ))
            )
        then 'only'
        else 'foreign'
    end,
    false, null, nullif(w.wanted_schema, ''),
    exists (
        select 1
        from pg_catalog.unnest(array[o.oprleft, o.oprright]) as a (oid)
        join pg_catalog.pg_type as t on t.oid = a.oid
        where a.oid >= 16384
            and t.typtype <> 'd'
            and w.wanted_schema = ''
            and a.oid not in (select oid from types)
            and not exists (
                select 1 from pg_catalog.pg_cast as k where k.casttarget = a.oid and k.castcontext = 'i'
            )
    )
from wanted_operators as w
join pg_catalog.pg_operator as o on o.oid = w.oid
where w.schema <> 'pg_catalog' or exists (select 1 from judged as j where j.oid = o.oprcode and j.doubt <> '')
union all
select distinct 'operator', o.oprname::text, w.schema, '', false, null, w.wanted_schema, false
from wanted_operators as w
join pg_catalog.pg_operator as o on o.oid = w.oid
where w.schema = 'pg_catalog'
union all
-- a column of names: what it is compared with is looked up along search_path
select distinct 'column of names', '', '', '', false, null, null, false
from relations as r
join pg_catalog.pg_attribute as a on a.attrelid = r.oid
where a.atttypid = any (array[24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191]::oid[])
union all
select 'named type', w.name, w.schema, '', false, null, w.wanted_schema, false
from wanted_types as w
-- what they and the tables lead to
union all
select 'function', p.proname::text, '', 'foreign', false, o.label, null, false
from own as o
join pg_catalog.pg_proc as p on o.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and p.oid = o.objid
union all
select 'operator', p.oprname::text, '', 'foreign', false, o.label, null, false
from own as o
join pg_catalog.pg_operator as p on o.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass and p.oid = o.objid
union all
-- of a type that is read or named, not of the row types and arrays that come with tables
select 'type', pg_catalog.format_type(t.oid, null), '', 'untrusted', false, o.label, r.rolname::text, false
from own as o
join pg_catalog.pg_type as t on o.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and t.oid = o.objid
join pg_catalog.pg_roles as r on r.oid = t.typowner and not r.rolsuper
cross join pg_catalog.pg_database as d
where d.datname = pg_catalog.current_database()
    and not pg_catalog.pg_has_role(r.oid, d.datdba, 'MEMBER')
    and exists (
        select 1
        from pg_catalog.pg_class as c
        join pg_catalog.pg_roles as x on x.oid = c.relowner and not x.rolsuper
        where c.oid >= 16384 and c.relkind in ('r', 'p', 'm', 'v', 'f') and c.relowner <> r.oid
    )
union all
select 'operator class', p.opcname::text, '', 'foreign', false, o.label, null, false
from own as o
join pg_catalog.pg_opclass as p on o.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass and p.oid = o.objid
union all
select 'type', pg_catalog.format_type(t.oid, null), '', 'foreign', false, o.label, null, false
from own as o
join pg_catalog.pg_type as t on o.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and t.oid = o.objid
where t.typtype = 'b' and (t.typelem = 0 or t.typlen >= 0)
union all
select 'operator class', p.opcname::text, '', 'foreign', false, t.label, null, false
from pg_catalog.pg_opclass as p
left join types as t on t.oid = p.opcintype
where p.opcdefault
    and p.oid >= 16384
    -- sorts and comparisons name no operator class, and a value of a type of PostgreSQL's own may be anywhere
    and (t.oid is not null or p.opcintype < 16384)
    and not exists (
        select 1 from members as m where m.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass and m.objid = p.oid
    )
union all
select 'cast', pg_catalog.format_type(k.castsource, null) || ' to ' || pg_catalog.format_type(k.casttarget, null), '',
    case
        when k.oid < 16384 or k.castfunc in (select oid from constructors) or exists (
            select 1 from members as m
            where m.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass and m.objid = k.oid
        ) then (select j.doubt from judged as j where j.oid = k.castfunc)
        else 'foreign'
    end,
    false, null, null, false
from pg_catalog.pg_cast as k
where k.castfunc <> 0
    and k.oid >= 16384
    and (
        k.castsource in (select oid from types)
        or k.casttarget in (select oid from types)
        or k.castsource < 16384 and k.casttarget < 16384
    )
union all
select 'expression', '', '', '', false, p.label, p.text, false
from parts as p
where p.text <> ''
union all
select 'expression', '', '', '', false, o.label, pg_catalog.pg_get_expr(k.conbin, 0), false
from own as o
join pg_catalog.pg_constraint as k
    on o.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and k.oid = o.objid and k.contypid <> 0
where k.conbin is not null
union all
select 'statistics', '', '', '', false, o.label, pg_catalog.pg_get_statisticsobjdef(o.objid), false
from own as o
where o.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
order by 1, 4 desc, 2, 3, 6
