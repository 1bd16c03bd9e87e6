-- Cancels our own statement that outlived its statement_timeout; backend_start guards against a reused pid.
-- Needs no right: a role may cancel its own sessions.
select pg_catalog.pg_cancel_backend(a.pid) as was_sent
from pg_catalog.pg_stat_activity as a
where a.pid = %(pid)s and a.backend_start = %(backend_start)s
