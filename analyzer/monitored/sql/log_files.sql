-- The newest files in the folder of logs: their sizes, and how long ago each was written to, by the server's own clock.
-- Needs pg_monitor.
select
    f.name,
    f.size as size_bytes,
    extract(epoch from pg_catalog.statement_timestamp() - f.modification)::float8 as written_s_ago
from pg_catalog.pg_ls_logdir() as f
order by f.modification desc, f.name desc
limit %(limit)s
