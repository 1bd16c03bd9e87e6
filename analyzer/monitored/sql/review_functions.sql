-- The volatility of functions of these names, the most volatile of each: v, s or i.
-- Needs no right.
select
    p.proname as name,
    max(p.provolatile::text) as volatility
from pg_catalog.pg_proc as p
where p.proname = any (%(names)s::name[])
group by p.proname
