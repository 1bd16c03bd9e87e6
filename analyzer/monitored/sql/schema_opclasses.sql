-- Operator classes by oid: the family each belongs to and whether it is its type's default.
-- Needs no right.
select o.oid::int8 as oid, o.opcname as name, o.opcfamily::int8 as family, o.opcdefault as is_default
from pg_catalog.pg_opclass as o
