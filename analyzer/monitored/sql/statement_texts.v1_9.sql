-- Texts of the entries asked for (new ones only); a text longer than any we analyse is cut. Once so many bytes have
-- come together the rest are named without their text, to be asked for again: nobody's memory holds them all.
-- The server reads its whole file of texts for it; IS TRUE keeps it from a join, which would sort the file on disk.
-- Needs pg_stat_statements 1.9; pg_read_all_stats (in pg_monitor) to see the texts of other roles.
select
    t.role_oid,
    t.database_oid,
    t.queryid,
    t.toplevel,
    t.bytes > %(most_bytes)s as is_left_out,
    case
        when t.bytes > %(most_bytes)s then null
        when pg_catalog.octet_length(t.query) <= %(characters)s then t.query
        else pg_catalog.left(t.query, %(characters)s)
    end as text
from (
    select
        s.userid::int8 as role_oid,
        s.dbid::int8 as database_oid,
        s.queryid,
        s.toplevel,
        s.query,
        pg_catalog.sum(least(coalesce(pg_catalog.octet_length(s.query), 0), 4 * %(characters)s))
            over (rows unbounded preceding) as bytes
    from {schema}.pg_stat_statements(true) as s
    where ((s.userid::int8, s.dbid::int8, s.queryid, s.toplevel) in (
        select k.role_oid, k.database_oid, k.queryid, k.toplevel
        from rows from (
            pg_catalog.unnest(%(role_oids)s::int8[]),
            pg_catalog.unnest(%(database_oids)s::int8[]),
            pg_catalog.unnest(%(queryids)s::int8[]),
            pg_catalog.unnest(%(toplevels)s::bool[])
        ) as k (role_oid, database_oid, queryid, toplevel)
    )) is true
) as t
