-- The relations a statement names (along the application's search path), with everything below them: partitions,
-- children, and the tables behind views and in policies. Tells what kind each is, what we may do with it,
-- and a view's text, which is then judged as SQL.
-- Needs no right.
with recursive named as (
    select distinct on (w.schema, w.name) w.schema as wanted_schema, w.name as wanted_name, c.oid
    from rows from (
        pg_catalog.unnest(%(schemas)s::text[]),
        pg_catalog.unnest(%(names)s::text[])
    ) as w (schema, name)
    join pg_catalog.pg_class as c on c.relname = w.name
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    left join pg_catalog.unnest(%(search_path)s::text[]) with ordinality as p (name, position) on p.name = n.nspname
    where case when w.schema = '' then p.position is not null else n.nspname = w.schema end
    order by w.schema, w.name, p.position
),
-- Whose tables cannot get an index, a check or a rule of somebody else's while they are planned: a superuser's, those of
-- the database's owner, and of whoever is the only one beside superusers to own any.
owners as materialized (
    select r.oid, r.rolname, r.rolsuper,
        pg_catalog.pg_has_role(r.oid, d.datdba, 'MEMBER') or (
            select pg_catalog.count(distinct t.relowner) = 1
            from pg_catalog.pg_class as t
            join pg_catalog.pg_roles as x on x.oid = t.relowner and not x.rolsuper
            where t.oid >= 16384 and t.relkind in ('r', 'p', 'm', 'v', 'f')
        ) as is_trusted
    from pg_catalog.pg_roles as r
    cross join pg_catalog.pg_database as d
    where d.datname = pg_catalog.current_database()
        and r.oid in (select t.relowner from pg_catalog.pg_class as t where t.oid >= 16384)
),
closure as (
    select oid from named
    union
    select b.oid
    from closure as c
    cross join lateral (
        select i.inhrelid as oid from pg_catalog.pg_inherits as i where i.inhparent = c.oid
        union all
        select d.refobjid
        from pg_catalog.pg_rewrite as r
        join pg_catalog.pg_depend as d
            on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            and d.objid = r.oid
            and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        join pg_catalog.pg_class as v on v.oid = r.ev_class and v.relkind = 'v'
        where r.ev_class = c.oid
        union all
        select d.refobjid
        from pg_catalog.pg_policy as p
        join pg_catalog.pg_depend as d
            on d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
            and d.objid = p.oid
            and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        join pg_catalog.pg_class as t on t.oid = p.polrelid and t.relrowsecurity
        where p.polrelid = c.oid
    ) as b
)
select
    n.nspname as schema,
    c.relname as name,
    c.oid::bigint as oid,
    c.relkind::text as kind,
    c.relnatts as columns,
    case when not o.rolsuper and not o.is_trusted then o.rolname::text end as untrusted_owner,
    exists (
        select 1
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and a.atttypid = 1700 and a.atttypmod = -1
    ) as has_long_numbers,
    -- most common values that the planner's statistics of a column, or of an expression in an index, may hold. No
    -- ::int4 of the setting, as a cast from text may be the database's own
    pg_catalog.current_setting('default_statistics_target') as usual_values,
    (
        select pg_catalog.max(a.attstattarget)
        from pg_catalog.pg_attribute as a
        where a.attrelid = any (
            array(select i.indexrelid from pg_catalog.pg_index as i where i.indrelid = c.oid) || c.oid
        ) and a.attnum > 0 and not a.attisdropped
    ) as most_values,
    c.relpersistence = 't' as is_temporary,
    c.oid < 16384 as is_system,
    c.relrowsecurity as has_row_security,
    c.relrowsecurity and pg_catalog.row_security_active(c.oid) as is_row_security_active,
    case when c.relkind = 'v' then pg_catalog.pg_get_viewdef(c.oid) end as view_sql,
    w.fdwname as wrapper,
    -- as defGetBoolean() reads it: on, TRUE and 1 as well
    exists (
        select 1
        from pg_catalog.unnest(coalesce(f.ftoptions, '{}') || coalesce(s.srvoptions, '{}')) as o (option)
        where pg_catalog.lower(o.option) like 'use\_remote\_estimate=%%'
            and pg_catalog.lower(pg_catalog.split_part(o.option, '=', 2)) not in ('false', 'off', '0')
    ) as asks_remote_server,
    array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attname = any (%(attributes)s::text[]) and not a.attisdropped
    ) as attributes,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') as may_look_into_schema,
    pg_catalog.has_any_column_privilege(c.oid, 'SELECT') as may_read,
    pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE')
        or pg_catalog.has_table_privilege(c.oid, 'DELETE') as may_change,
    (
        select pg_catalog.array_agg(m.wanted_schema) from named as m where m.oid = c.oid
    ) as wanted_schemas,
    (
        select pg_catalog.array_agg(m.wanted_name) from named as m where m.oid = c.oid
    ) as wanted_names
from (select distinct oid from closure) as k
join pg_catalog.pg_class as c on c.oid = k.oid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join owners as o on o.oid = c.relowner and c.oid >= 16384
left join pg_catalog.pg_foreign_table as f on f.ftrelid = c.oid
left join pg_catalog.pg_foreign_server as s on s.oid = f.ftserver
left join pg_catalog.pg_foreign_data_wrapper as w on w.oid = s.srvfdw
order by n.nspname, c.relname
