-- Whose locks these sessions wait for. Asked only when some wait, because it holds up the lock manager for a moment.
-- Needs no right.
select w.pid, pg_catalog.pg_blocking_pids(w.pid) as blocked_by, null::timestamptz as waits_since
from pg_catalog.unnest(%(pids)s::int4[]) as w (pid)
