-- Transactions that were prepared for a two-phase commit and neither committed nor rolled back, the oldest first.
-- Needs no right.
select
    p.gid,
    p.owner as role,
    p.database,
    extract(epoch from pg_catalog.clock_timestamp() - p.prepared)::float8 as age_s,
    pg_catalog.age(p.transaction) as xid_age
from pg_catalog.pg_prepared_xacts as p
order by p.prepared
limit 1000
