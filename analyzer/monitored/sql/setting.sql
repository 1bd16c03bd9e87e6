-- One setting of the server, in its base unit.
-- Needs no right for most settings; pg_read_all_settings (in pg_monitor) for the rest.
select s.setting from pg_catalog.pg_settings as s where s.name = %(name)s
