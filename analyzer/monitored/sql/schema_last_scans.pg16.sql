-- When indexes of these tables were last used.
-- Needs no right.
select
    i.indrelid::int8 as table_oid,
    i.indexrelid::int8 as oid,
    pg_catalog.pg_stat_get_lastscan(i.indexrelid) as last_scan
from pg_catalog.pg_index as i
where i.indrelid = any (%(oids)s::oid[])
