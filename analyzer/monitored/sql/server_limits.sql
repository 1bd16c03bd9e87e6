-- How many connections the server takes, how many client sessions it has, and where a standby's WAL receiver and replay are.
-- Needs pg_read_all_stats (in pg_monitor): without it other roles' sessions cannot be told from the server's processes.
select
    pg_catalog.current_setting('max_connections')::int4 as max_connections,
    pg_catalog.current_setting('superuser_reserved_connections')::int4
        + coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int4 as reserved_connections,
    pg_catalog.current_setting('archive_mode') as archive_mode,
    (
        select case when s.setting::int8 >= 0 then s.setting::int8 * 1048576 end
        from pg_catalog.pg_settings as s
        where s.name = 'max_slot_wal_keep_size'
    ) as max_slot_wal_keep_bytes,
    pg_catalog.pg_is_in_recovery() as is_replica,
    pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(), '0/0')::int8 as received_bytes,
    case when pg_catalog.pg_is_in_recovery()
        then pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), '0/0')::int8
    end as replayed_bytes,
    a.client_sessions,
    a.hidden_sessions
from (
    select
        pg_catalog.count(*) filter (where a.backend_type = 'client backend') as client_sessions,
        pg_catalog.count(*) filter (where a.query = '<insufficient privilege>') as hidden_sessions
    from pg_catalog.pg_stat_activity as a
) as a
