-- Settings that planning and the reading of literals depend on; in their base units.
-- Needs no right.
select s.name, s.setting
from pg_catalog.pg_settings as s
where s.category like 'Query Tuning%%' or s.name = any (%(names)s::text[])
