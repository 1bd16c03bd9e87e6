-- What CREATE STATISTICS objects found out about columns together: numbers of distinct groups and dependencies, no values.
-- Needs SELECT on the tables on PostgreSQL 13, to own them from 14 on; of the others it tells that they are hidden.
select
    n.nspname as schema,
    x.stxname as name,
    x.stxkeys::int2[] as keys,
    null::bool as is_inherited,
    s.n_distinct::text as n_distinct,
    s.dependencies::text as dependencies,
    s.most_common_freqs is not null as has_common_values,
    s.statistics_name is not null or pg_catalog.pg_has_role(x.stxowner, 'USAGE') as is_readable
from pg_catalog.pg_statistic_ext as x
join pg_catalog.pg_namespace as n on n.oid = x.stxnamespace
left join pg_catalog.pg_stats_ext as s on s.statistics_schemaname = n.nspname and s.statistics_name = x.stxname
order by 1, 2
