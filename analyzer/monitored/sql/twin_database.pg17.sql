-- The database's encoding and sort order, its block size, and whether our login is a superuser.
-- Needs no right.
select
    pg_catalog.pg_encoding_to_char(d.encoding) as encoding,
    d.datcollate::text as collation,
    d.datctype::text as character_type,
    d.datlocprovider::text as locale_provider,
    d.datlocale as locale,
    pg_catalog.current_setting('block_size')::int4 as block_bytes,
    (select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user) as is_superuser,
    pg_catalog.pg_backend_pid() as pid
from pg_catalog.pg_database as d
where d.datname = pg_catalog.current_database()
