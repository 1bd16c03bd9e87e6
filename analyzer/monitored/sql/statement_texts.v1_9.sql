-- Texts of the entries asked for (new ones only); a text longer than any we analyse is cut. Once so many bytes have
-- come together the rest are named without their text, to be asked for again: nobody's memory holds them all.
-- Needs pg_stat_statements 1.9; pg_read_all_stats (in pg_monitor) to see the texts of other roles.
select
    t.role_oid,
    t.database_oid,
    t.queryid,
    t.toplevel,
    t.bytes > %(most_bytes)s as is_left_out,
    case when t.bytes <= %(most_bytes)s then t.text end as text
from (
    select
        s.userid::int8 as role_oid,
        s.dbid::int8 as database_oid,
        s.queryid,
        s.toplevel,
        pg_catalog.left(s.query, %(characters)s) as text,
        pg_catalog.sum(pg_catalog.octet_length(pg_catalog.left(s.query, %(characters)s)))
            over (rows unbounded preceding) as bytes
    from {schema}.pg_stat_statements(true) as s
    join rows from (
        pg_catalog.unnest(%(role_oids)s::int8[]),
        pg_catalog.unnest(%(database_oids)s::int8[]),
        pg_catalog.unnest(%(queryids)s::int8[]),
        pg_catalog.unnest(%(toplevels)s::bool[])
    ) as k (role_oid, database_oid, queryid, toplevel)
        on s.queryid = k.queryid and s.userid::int8 = k.role_oid and s.dbid::int8 = k.database_oid
        and s.toplevel = k.toplevel
) as t
