-- Checkpoints since the statistics were reset.
-- Needs no right.
select
    c.num_timed as timed,
    c.num_requested as requested,
    c.write_time as write_time_ms,
    c.sync_time as sync_time_ms,
    c.buffers_written,
    c.stats_reset
from pg_catalog.pg_stat_checkpointer as c
