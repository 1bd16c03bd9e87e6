-- Relations of this database that somebody holds or awaits ACCESS EXCLUSIVE: asking for their size would wait.
-- Needs no right.
select distinct l.relation::int8 as oid
from pg_catalog.pg_locks as l
where l.locktype = 'relation'
    and l.mode = 'AccessExclusiveLock'
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
    and l.pid is distinct from pg_catalog.pg_backend_pid()
