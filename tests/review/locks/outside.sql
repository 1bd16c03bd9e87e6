-- each with what another session holds meanwhile, so that it waits and can be looked at
create index concurrently x on a (n); -- lock table a in row exclusive mode
create unique index concurrently y on a (nn); -- lock table a in row exclusive mode
drop index concurrently a_t; -- lock table a in access share mode
reindex index concurrently a_n; -- lock table a in row exclusive mode
reindex table concurrently u; -- lock table u in row exclusive mode
vacuum a; -- lock table a in share update exclusive mode
vacuum full a; -- lock table a in access share mode
alter table q detach partition q1 concurrently; -- lock table q in share update exclusive mode; from 14
