-- Whether this server is a physical replica, and of which system: a replica has the identifier of its primary.
-- Needs no right.
select
    pg_catalog.pg_is_in_recovery() as is_replica,
    c.system_identifier
from pg_catalog.pg_control_system() as c
