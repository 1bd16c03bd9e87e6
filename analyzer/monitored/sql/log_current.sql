-- The file that the server writes its log to now, in one format.
-- Needs pg_monitor from 14 on; before that EXECUTE on pg_current_logfile(text).
select pg_catalog.pg_current_logfile(%(format)s) as file
