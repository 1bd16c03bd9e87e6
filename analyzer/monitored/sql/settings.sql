-- Settings that planning depends on, and those the preflight looks at; in their base units.
-- Needs pg_read_all_settings (in pg_monitor) for some of them.
select s.name, s.setting
from pg_catalog.pg_settings as s
where s.name = any (%(names)s::text[])
