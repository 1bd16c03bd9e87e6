-- Some bytes of a file of the log, 1 MB at most; binary, because a text would have to end with a whole character.
-- Needs EXECUTE on pg_read_binary_file(text, bigint, bigint), given only to those who shall have the log read.
select pg_catalog.pg_read_binary_file(%(file)s, %(offset)s, %(length)s) as block
