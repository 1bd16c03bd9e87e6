-- Limits of the transaction (timeouts, search_path), gone at its end; being its first query it also fixes READ ONLY.
-- Needs no right.
select pg_catalog.set_config(s.name, s.value, true)
from rows from (pg_catalog.unnest(%(names)s::pg_catalog.text[]), pg_catalog.unnest(%(values)s::pg_catalog.text[])) as s (name, value)
