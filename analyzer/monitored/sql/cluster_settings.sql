-- All settings with their units, defaults, where they come from and whether they wait for a restart. Of those that our
-- own transaction sets: what holds without it.
-- Needs pg_read_all_settings (in pg_monitor) for some of them.
select
    s.name,
    case when s.source = 'session' then s.reset_val else s.setting end as value,
    s.unit,
    s.boot_val as default,
    s.source,
    s.context,
    s.pending_restart
from pg_catalog.pg_settings as s
