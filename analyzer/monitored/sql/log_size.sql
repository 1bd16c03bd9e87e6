-- The size of one file of the log, by its name in the folder of logs; no row where it is gone.
-- Needs pg_monitor.
select f.size as size_bytes from pg_catalog.pg_ls_logdir() as f where f.name = %(name)s
