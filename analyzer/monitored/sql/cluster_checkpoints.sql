-- Checkpoints since the statistics were reset.
-- Needs no right.
select
    b.checkpoints_timed as timed,
    b.checkpoints_req as requested,
    b.stats_reset
from pg_catalog.pg_stat_bgwriter as b
