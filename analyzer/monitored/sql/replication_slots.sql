-- Replication slots: whether somebody reads them, how much WAL they keep, and what they keep VACUUM from removing.
-- Needs no right.
select
    s.slot_name as name,
    s.slot_type,
    s.database,
    s.active as is_active,
    s.wal_status,
    s.safe_wal_size as safe_wal_bytes,
    pg_catalog.pg_wal_lsn_diff(
        case
            when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
            else pg_catalog.pg_current_wal_lsn()
        end,
        s.restart_lsn
    )::int8 as retained_bytes,
    pg_catalog.age(s.xmin) as xid_age,
    pg_catalog.age(s.catalog_xmin) as catalog_xid_age,
    null::float8 as inactive_s
from pg_catalog.pg_replication_slots as s
order by s.slot_name
limit 1000
