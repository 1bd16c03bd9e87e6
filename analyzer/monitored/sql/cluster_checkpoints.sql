-- Checkpoints since the statistics were reset.
-- Needs no right.
select
    b.checkpoints_timed as timed,
    b.checkpoints_req as requested,
    b.checkpoint_write_time as write_time_ms,
    b.checkpoint_sync_time as sync_time_ms,
    b.buffers_checkpoint as buffers_written,
    b.stats_reset
from pg_catalog.pg_stat_bgwriter as b
