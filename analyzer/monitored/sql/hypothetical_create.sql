-- Tells HypoPG of indexes that do not exist: in the memory of our own session, where its planner sees them. Their names
-- and estimated sizes.
-- Needs no right; HypoPG.
select d.place::int4 as place, c.indexname::text as name, {schema}.hypopg_relation_size(c.indexrelid)::int8 as size_bytes
from pg_catalog.unnest(%(definitions)s::text[]) with ordinality as d (text, place)
cross join lateral {schema}.hypopg_create_index(d.text) as c
order by d.place
