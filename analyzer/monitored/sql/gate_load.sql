-- How busy the server is now, our own sessions left out.
-- Needs pg_read_all_stats (in pg_monitor): without it the sessions of other roles show no state.
select
    count(*) filter (where a.state = 'active') as active_sessions,
    count(*) filter (where a.state is null and a.query = '<insufficient privilege>') as hidden_sessions,
    count(*) filter (
        where a.state = 'active'
            and a.wait_event_type = 'Lock'
            and pg_catalog.clock_timestamp() - a.query_start > pg_catalog.make_interval(secs => %(lock_wait_s)s)
    ) as lock_waiters,
    case
        when pg_catalog.pg_is_in_recovery()
            and pg_catalog.pg_last_wal_receive_lsn() is distinct from pg_catalog.pg_last_wal_replay_lsn()
        then extract(
            epoch from pg_catalog.clock_timestamp()
                - coalesce(pg_catalog.pg_last_xact_replay_timestamp(), pg_catalog.pg_postmaster_start_time())
        )::float8
        when not pg_catalog.pg_is_in_recovery()
        then (select max(extract(epoch from r.replay_lag))::float8 from pg_catalog.pg_stat_replication as r)
    end as replication_lag_s
from pg_catalog.pg_stat_activity as a
where a.backend_type = 'client backend'
    and a.pid <> pg_catalog.pg_backend_pid()
    and a.application_name <> %(application_name)s
