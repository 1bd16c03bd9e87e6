-- The extensions of the database and how long its statistics have been counting.
-- Needs no right.
select
    pg_catalog.current_database() as database,
    pg_catalog.now() as taken_at,
    (extract(epoch from pg_catalog.now() - s.stats_reset) / 86400)::float8 as days_since_stats_reset,
    array(select e.extname::text from pg_catalog.pg_extension as e order by 1) as extensions,
    pg_catalog.pg_is_in_recovery() as is_replica
from pg_catalog.pg_stat_database as s
where s.datname = pg_catalog.current_database()
