-- Sessions and standbys whose snapshot or transaction keeps VACUUM from removing row versions, the oldest first.
-- Needs pg_read_all_stats (in pg_monitor) to see the sessions of other roles.
select
    a.pid,
    a.backend_type,
    a.usename as role,
    a.datname as database,
    a.application_name,
    a.state,
    extract(epoch from pg_catalog.clock_timestamp() - a.xact_start)::float8 as transaction_s,
    greatest(pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid)) as xid_age
from pg_catalog.pg_stat_activity as a
where (a.backend_xmin is not null or a.backend_xid is not null)
    and a.pid <> pg_catalog.pg_backend_pid()
    -- a VACUUM's own snapshot holds back no other
    and not exists (select from pg_catalog.pg_stat_progress_vacuum as v where v.pid = a.pid)
order by xid_age desc
limit 20
