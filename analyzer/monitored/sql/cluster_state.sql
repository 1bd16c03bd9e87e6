-- The server's version, clock and start, and whether it is a replica.
-- Needs no right.
select
    pg_catalog.now() as taken_at,
    pg_catalog.current_setting('server_version') as server_version,
    pg_catalog.current_database() as database,
    pg_catalog.pg_postmaster_start_time() as started_at,
    pg_catalog.pg_is_in_recovery() as is_replica
