-- How full pg_stat_statements is, and how many entries it hides from our login.
-- Needs pg_stat_statements 1.8.
select
    pg_catalog.count(*) as entries,
    pg_catalog.count(*) filter (where s.queryid is null) as hidden
from {schema}.pg_stat_statements(false) as s
