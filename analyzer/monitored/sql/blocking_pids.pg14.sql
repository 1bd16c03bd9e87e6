-- Whose locks these sessions wait for, and since when. Asked only when some wait, because it holds up the lock manager
-- for a moment.
-- Needs no right.
select w.pid, pg_catalog.pg_blocking_pids(w.pid) as blocked_by, l.waits_since
from pg_catalog.unnest(%(pids)s::int4[]) as w (pid)
left join (
    select l.pid, pg_catalog.min(l.waitstart) as waits_since
    from pg_catalog.pg_locks as l
    where not l.granted
    group by l.pid
) as l on l.pid = w.pid
