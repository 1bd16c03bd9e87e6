-- How far these sequences are, without those that are locked. Each is locked against DROP and ALTER until the transaction
-- ends, so they are asked for some at a time.
-- Needs USAGE or SELECT on the sequences (pg_read_all_data).
select
    s.oid::int8 as oid,
    pg_catalog.pg_sequence_last_value(s.oid) as last_value
from pg_catalog.unnest(%(oids)s::oid[]) as s (oid)
where s.oid <> all (%(locked)s::oid[])
