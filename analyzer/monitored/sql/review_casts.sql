-- Casts that somebody made, of those that the server applies unasked: in assignments, or everywhere.
-- Needs no right.
select
    s.typname as source,
    t.typname as target
from pg_catalog.pg_cast as c
join pg_catalog.pg_type as s on s.oid = c.castsource
join pg_catalog.pg_type as t on t.oid = c.casttarget
where c.castcontext <> 'e' and c.oid >= 16384
order by 1, 2
limit 10000
