-- Databases with their sizes (where the login may connect, or has pg_read_all_stats), ages, collations and counters.
-- Needs no right.
select
    d.oid::int8 as oid,
    d.datname as name,
    d.datistemplate as is_template,
    d.datallowconn as allows_connections,
    case
        when pg_catalog.has_database_privilege(d.oid, 'connect')
            or pg_catalog.pg_has_role('pg_read_all_stats', 'usage') then pg_catalog.pg_database_size(d.oid)
    end as size_bytes,
    pg_catalog.age(d.datfrozenxid)::int8 as frozen_xid_age,
    pg_catalog.mxid_age(d.datminmxid)::int8 as multixact_age,
    pg_catalog.pg_encoding_to_char(d.encoding) as encoding,
    d.datcollate::text as collate,
    pg_catalog.to_jsonb(d) ->> 'datcollversion' as collation_version,
    pg_catalog.pg_database_collation_actual_version(d.oid) as collation_version_now,
    coalesce(s.numbackends, 0) as sessions,
    coalesce(s.xact_commit, 0) as commits,
    coalesce(s.xact_rollback, 0) as rollbacks,
    coalesce(s.temp_files, 0) as temp_files,
    coalesce(s.temp_bytes, 0) as temp_bytes,
    coalesce(s.deadlocks, 0) as deadlocks,
    coalesce(s.conflicts, 0) as conflicts,
    s.checksum_failures,
    s.stats_reset
from pg_catalog.pg_database as d
left join pg_catalog.pg_stat_database as s on s.datid = d.oid
where d.datname !~ '^(template0|rdsadmin|cloudsqladmin|azure_maintenance)$'
order by d.datname
