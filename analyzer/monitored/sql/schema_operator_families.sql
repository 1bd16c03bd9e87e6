-- The operator families that hold the operators by which foreign keys compare.
-- Needs no right.
select o.amopopr::int8 as operator, pg_catalog.array_agg(distinct o.amopfamily) as families
from pg_catalog.pg_amop as o
where o.amopopr = any (%(operators)s::oid[])
group by o.amopopr
