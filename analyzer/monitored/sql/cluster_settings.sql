-- All settings with their units, defaults, where they come from and whether they wait for a restart. Of those that our
-- own transaction sets: what holds without it. The values of texts (paths, commands, connection strings, applications'
-- own) may be secret and are not read, but for the few that are named.
-- Needs pg_read_all_settings (in pg_monitor) for some of them.
select
    s.name,
    case
        when s.vartype = 'string' and s.name <> all (%(texts)s::text[]) then ''
        when s.source = 'session' then s.reset_val
        else s.setting
    end as value,
    s.unit,
    case when s.vartype <> 'string' or s.name = any (%(texts)s::text[]) then s.boot_val end as default,
    s.source,
    s.context,
    s.pending_restart
from pg_catalog.pg_settings as s
