-- Whether a session of ours is still there after it was told to end.
-- Needs no right.
select exists (
    select 1
    from pg_catalog.pg_stat_activity as a
    where a.pid = %(pid)s and a.backend_start = %(backend_start)s
) as is_there
