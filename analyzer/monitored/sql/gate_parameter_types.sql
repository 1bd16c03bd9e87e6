-- The types the server gave to the parameters of a statement we just prepared.
-- Needs no right.
select p.parameter_types::text[] as types from pg_catalog.pg_prepared_statements as p where p.name = %(name)s
