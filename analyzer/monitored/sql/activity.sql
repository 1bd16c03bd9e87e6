-- What each client session does now or did last; one row with the clock alone where there is no session. Of texts
-- only so many bytes are sent: with a large track_activity_query_size thousands of sessions have too many.
-- Needs pg_read_all_stats (in pg_monitor) to see the sessions of other roles.
select
    clock.taken_at,
    a.pid,
    a.backend_start,
    a.xact_start,
    a.query_start,
    a.state_change,
    a.state,
    a.wait_event_type,
    a.wait_event,
    a.usesysid::int8 as role_oid,
    a.datid::int8 as database_oid,
    a.application_name,
    null::int8 as queryid,
    case
        when pg_catalog.sum(pg_catalog.octet_length(a.query)) over (rows unbounded preceding) <= %(most_bytes)s then a.query
    end as text,
    pg_catalog.octet_length(a.query) as text_bytes
from (select pg_catalog.clock_timestamp() as taken_at) as clock
left join pg_catalog.pg_stat_activity as a
    on a.backend_type = 'client backend'
    and a.pid <> pg_catalog.pg_backend_pid()
    and a.application_name <> %(application_name)s
    and (
        a.state is distinct from 'idle'
        or a.state_change >= clock.taken_at - pg_catalog.make_interval(secs => %(idle_s)s)
    )
limit 10000
