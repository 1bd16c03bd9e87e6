-- Names of roles that log in by a password that is kept as an MD5 hash; no hash is sent.
-- Needs SELECT on pg_authid, which superusers and members of pg_read_all_data have.
select a.rolname as name
from pg_catalog.pg_authid as a
where a.rolcanlogin and a.rolpassword like 'md5%%'
order by 1
limit 1000
