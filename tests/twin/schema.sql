create extension if not exists pg_trgm;
create extension if not exists btree_gin;
create extension if not exists citext;
create type mood as enum ('sad', 'ok', 'happy');
create domain posint as int check (value > 0);
create type floatrange as range (subtype = float8);
create schema app;

create table account (
    id int primary key generated always as identity,
    email citext not null unique,
    name text not null,
    mood mood not null,
    tags text[] not null,
    profile jsonb not null,
    deleted_at timestamptz,
    created_at timestamptz not null,
    search tsvector generated always as (to_tsvector('simple', name)) stored
);
insert into account (email, name, mood, tags, profile, deleted_at, created_at)
select 'user' || g || '@example.com',
    (array['ann', 'bob', 'cleo', 'dan', 'eve', 'fay'])[1 + g % 6] || ' ' || md5((g % 3000)::text),
    (array['sad', 'ok', 'happy']::mood[])[1 + (g % 10) / 4],
    array['t' || g % 40, 't' || g % 7, 'x' || g % 900],
    jsonb_build_object('plan', 'p' || g % 5, 'city', 'c' || g % 300, 'age', g % 70),
    case when g % 20 = 0 then timestamptz '2024-01-01' + g * interval '1 hour' end,
    timestamptz '2023-01-01' + g * interval '37 min'
from generate_series(1, 8000) as g;

create table app.orders (
    id bigint primary key,
    account_id int not null references account,
    status text not null,
    amount numeric(10, 2) not null,
    quantity posint not null,
    placed date not null,
    note varchar(80)
);
insert into app.orders
select g, 1 + (g * 7919::bigint) % 8000, case when g % 50 = 0 then 'open' when g % 9 = 0 then 'sent' else 'done' end,
    (g * 31 % 10007) / 7.0, 1 + g % 12, date '2023-01-01' + (g / 20), case when g % 3 = 0 then 'Note ' || g % 1500 end
from generate_series(1, 14000) as g;
create index orders_placed on app.orders (placed);

create table event (
    at timestamptz not null, account_id int not null, kind text not null, payload jsonb, during floatrange
) partition by range (at);
create table event_2023 partition of event for values from ('2023-01-01') to ('2024-01-01');
create table event_2024 partition of event for values from ('2024-01-01') to ('2025-01-01');
create table event_rest partition of event default;
insert into event
select timestamptz '2023-01-01' + g * interval '90 min', g % 8000 + 1, 'k' || (g * g) % 11,
    jsonb_build_object('n', g % 100), floatrange(g % 500, g % 500 + 3)
from generate_series(1, 10000) as g;
create index event_at on event (at);

create table place (id int primary key, name text not null, area int not null);
create table city (mayor text) inherits (place);
insert into place select g, 'place ' || g, g % 50 from generate_series(1, 600) as g;
insert into city select g + 1000, 'city ' || g, g % 50, 'm' || g from generate_series(1, 500) as g;

create materialized view spent as
select account_id, count(*) as orders, sum(amount) as amount from app.orders group by account_id;
create unique index spent_account on spent (account_id);
create view open_orders as
select o.*, a.email from app.orders as o join account as a on a.id = o.account_id where o.status = 'open';
create function app.cents(amount numeric) returns bigint language sql immutable as 'select (amount * 100)::bigint';
