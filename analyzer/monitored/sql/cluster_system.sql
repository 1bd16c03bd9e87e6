-- The identifier that a server and its physical replicas share.
-- Needs EXECUTE on pg_control_system(), which everybody has unless a host took it away.
select c.system_identifier
from pg_catalog.pg_control_system() as c
