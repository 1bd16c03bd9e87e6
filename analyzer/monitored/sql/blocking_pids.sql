-- Who holds or waits for the locks that these sessions wait for. Asked only when some wait: it stops the lock manager shortly.
-- Needs no right.
select w.pid, pg_catalog.pg_blocking_pids(w.pid) as blocked_by
from pg_catalog.unnest(%(pids)s::int4[]) as w (pid)
