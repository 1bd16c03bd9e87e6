-- Whether pg_stat_statements can be created in this database, and in which version.
-- Needs no right.
select e.default_version, e.installed_version
from pg_catalog.pg_available_extensions as e
where e.name = 'pg_stat_statements'
