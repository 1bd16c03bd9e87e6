-- Two marks that change with the schema (which transactions last wrote its rows of the catalog) and with its
-- statistics (when each table was last analyzed).
-- Needs no right.
with relations as (
    select c.oid, c.xmin
    from pg_catalog.pg_class as c
    where c.oid >= 16384 and c.relpersistence <> 't' and c.relkind <> 't'
), rows_of_the_catalog (what) as (
    select 'c' || r.oid || ' ' || r.xmin from relations as r
    union all
    select 'a' || a.attrelid || ' ' || a.attnum || ' ' || a.xmin
    from pg_catalog.pg_attribute as a join relations as r on r.oid = a.attrelid
    union all
    select 'i' || i.indexrelid || ' ' || i.xmin
    from pg_catalog.pg_index as i join relations as r on r.oid = i.indexrelid
    union all
    select 'k' || k.oid || ' ' || k.xmin from pg_catalog.pg_constraint as k where k.oid >= 16384
    union all
    select 't' || t.oid || ' ' || t.xmin
    from pg_catalog.pg_type as t where t.oid >= 16384 and t.typtype in ('d', 'e', 'r')
    union all
    select 'e' || e.oid || ' ' || e.xmin from pg_catalog.pg_enum as e where e.oid >= 16384
    union all
    select 'p' || p.oid || ' ' || p.xmin from pg_catalog.pg_proc as p where p.oid >= 16384
    union all
    select 's' || s.oid || ' ' || s.xmin from pg_catalog.pg_statistic_ext as s
    union all
    select 'w' || w.oid || ' ' || w.xmin from pg_catalog.pg_rewrite as w where w.oid >= 16384
    union all
    select 'x' || x.oid || ' ' || x.xmin from pg_catalog.pg_extension as x
)
select
    (
        select pg_catalog.count(*) || ':' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(what, 0)), 0)
        from rows_of_the_catalog
    ) as schema_state,
    (
        select coalesce(pg_catalog.sum(pg_catalog.hashtextextended(
            t.relid || ' ' || coalesce(t.last_analyze::text, '') || ' ' || coalesce(t.last_autoanalyze::text, ''), 0
        )), 0)::text
        from pg_catalog.pg_stat_all_tables as t
        where t.schemaname not in ('pg_catalog', 'information_schema', 'pg_toast')
            and (t.last_analyze is not null or t.last_autoanalyze is not null)
    ) as statistics_state
