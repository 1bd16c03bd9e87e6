-- Standbys and subscribers that read this server's WAL, and how far behind they are.
-- Needs pg_read_all_stats (in pg_monitor): without it nothing but their existence is shown.
select
    r.pid,
    r.application_name,
    r.state,
    r.sync_state,
    pg_catalog.pg_wal_lsn_diff(
        case
            when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
            else pg_catalog.pg_current_wal_lsn()
        end,
        r.replay_lsn
    )::int8 as lag_bytes,
    extract(epoch from r.replay_lag)::float8 as replay_lag_s
from pg_catalog.pg_stat_replication as r
order by r.application_name, r.pid
limit 1000
