-- The volatility of functions of these names: v, s or i, the most volatile of a name's; null where some of a name's are
-- volatile and some are not.
-- Needs no right.
select
    p.proname as name,
    case when bool_or(p.provolatile = 'v') = bool_and(p.provolatile = 'v') then max(p.provolatile::text) end as volatility
from pg_catalog.pg_proc as p
where p.proname = any (%(names)s::name[])
group by p.proname
