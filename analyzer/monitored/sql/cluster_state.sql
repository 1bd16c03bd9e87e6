-- The server's version, clock and start, whether it is a replica, and the standbys that stream from it at the moment, by
-- application_name and address: without subscribers, base backups and pg_receivewal, which run no query. Whether the
-- login may read pg_hba.conf's rules, and how passwords are kept.
-- Needs pg_read_all_stats (in pg_monitor) to tell standbys' names; without it whatever streams counts as one.
select
    pg_catalog.now() as taken_at,
    pg_catalog.current_setting('server_version') as server_version,
    pg_catalog.current_database() as database,
    session_user as login,
    pg_catalog.pg_postmaster_start_time() as started_at,
    pg_catalog.pg_is_in_recovery() as is_replica,
    array(
        select pg_catalog.concat_ws(' at ', nullif(r.application_name, ''), pg_catalog.host(r.client_addr))
        from pg_catalog.pg_stat_replication as r
        where
            (r.state is null or r.replay_lsn is not null)
            and not exists (
                select from pg_catalog.pg_replication_slots as s
                where s.active_pid = r.pid and s.slot_type = 'logical'
            )
        order by 1
        limit 100
    ) as standbys,
    pg_catalog.has_table_privilege('pg_catalog.pg_hba_file_rules', 'select')
    and pg_catalog.has_function_privilege('pg_catalog.pg_hba_file_rules()', 'execute') as reads_rules,
    pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select') as reads_passwords
