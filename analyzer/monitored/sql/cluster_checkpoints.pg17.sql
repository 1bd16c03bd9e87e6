-- Checkpoints since the statistics were reset.
-- Needs no right.
select
    c.num_timed as timed,
    c.num_requested as requested,
    c.stats_reset
from pg_catalog.pg_stat_checkpointer as c
