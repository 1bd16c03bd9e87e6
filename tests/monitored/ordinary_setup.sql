-- An application's database, for ordinary.sql. Superuser; citext, pg_trgm, hstore and unaccent installed.
create type plan_kind as enum ('free', 'pro', 'team');
create domain email_address as text check (value ~ '@');
create table accounts (
    id uuid primary key default gen_random_uuid(), name text not null, plan plan_kind not null default 'free',
    created_at timestamptz not null default now(), deleted_at timestamptz, closed_by int, reason text,
    trial_ends date);
create table users (
    id bigserial primary key, account_id uuid not null references accounts, email citext not null unique,
    name varchar(150) not null, roles text[] not null default '{}', levels int[] not null default '{}',
    prefs jsonb not null default '{}', last_login timestamptz, born date, is_active bool not null default true,
    search tsvector, ip inet, attrs hstore, contact email_address);
create table posts (
    id bigserial primary key, author_id bigint not null references users, title text not null, body text not null,
    published_at timestamptz, views int not null default 0, tags text[] not null default '{}',
    meta jsonb not null default '{}', score numeric(8, 2), rating float8,
    doc tsvector generated always as (to_tsvector('english', title || ' ' || body)) stored);
create table comments (
    id bigserial primary key, post_id bigint not null references posts, user_id bigint not null, body text,
    created_at timestamptz not null, parent_id bigint);
create table events (
    id bigserial, account_id uuid not null, kind text not null, at timestamptz not null, payload jsonb,
    primary key (id, at)) partition by range (at);
create table events_1 partition of events for values from ('2026-01-01') to ('2026-07-01');
create table events_2 partition of events for values from ('2026-07-01') to ('2027-01-01');
create type span as range (subtype = float8, subtype_diff = float8mi);
create table readings (id int primary key, level span);
create table bookings (id serial primary key, room_id int, during tstzrange not null, nights int4range, price money);
create table tree (id int primary key, parent_id int, name text);
create table settings (name name primary key, value text, is_on bool, kind "char");
insert into accounts (id, name, plan, created_at)
    select md5(g::text)::uuid, 'Acme ' || g, (array['free', 'pro', 'team'])[1 + g % 3]::plan_kind,
        timestamptz '2026-01-01' + g * interval '1 hour'
    from generate_series(1, 500) g;
insert into users (account_id, email, name, roles, levels, prefs, last_login, born, is_active, search, ip, attrs,
        contact)
    select md5((1 + g % 500)::text)::uuid, 'user' || g || '@example.org', 'Name ' || g,
        array['r' || g % 4, 'x' || g % 7], array[g % 5, 10 + g % 3],
        jsonb_build_object('theme', g % 3, 'n', jsonb_build_object('a', g % 9)),
        timestamptz '2026-06-01' - g * interval '1 min', date '1980-01-01' + g % 9000, g % 10 <> 0,
        to_tsvector('english', 'name ' || g), ('10.0.' || g % 200 || '.1')::inet, hstore('k', (g % 5)::text),
        'u' || g || '@e.org'
    from generate_series(1, 8000) g;
insert into posts (author_id, title, body, published_at, views, tags, meta, score, rating)
    select 1 + g % 8000, 'Post ' || g || ' about ' || (array['cats', 'dogs', 'sql'])[1 + g % 3],
        repeat('word' || g % 50 || ' ', 20), case when g % 5 > 0 then timestamptz '2026-03-01' + g * interval '5 min' end,
        g % 1000, array['t' || g % 20],
        jsonb_build_object('lang', (array['en', 'de'])[1 + g % 2], 'k', g % 100, 'seo', jsonb_build_object('w', g % 7)),
        g % 100, g % 10
    from generate_series(1, 20000) g;
insert into comments (post_id, user_id, body, created_at, parent_id)
    select 1 + (g * 7) % 20000, 1 + g % 8000, 'c' || g, timestamptz '2026-04-01' + g * interval '1 min',
        nullif(g % 3, 0)
    from generate_series(1, 40000) g;
insert into events (account_id, kind, at, payload)
    select md5((1 + g % 500)::text)::uuid, (array['login', 'view', 'buy'])[1 + g % 3],
        timestamptz '2026-02-01' + g * interval '8 min', jsonb_build_object('v', g % 10)
    from generate_series(1, 40000) g;
insert into readings select g, span(g, g + 2) from generate_series(1, 3000) g;
insert into bookings (room_id, during, nights, price)
    select g % 20, tstzrange(timestamptz '2026-05-01' + g * interval '1 h', timestamptz '2026-05-01' + (g + 2) * interval '1 h'),
        int4range(g % 50, g % 50 + 3), (g % 90)::text::money
    from generate_series(1, 3000) g;
insert into tree select g, nullif(g / 3, 0), 'n' || g from generate_series(1, 2000) g;
insert into settings select 's' || g, 'v' || g % 5, g % 2 = 0, 'a' from generate_series(1, 300) g;
create index on users (account_id);
create index on posts (author_id);
create index on posts using gin (doc);
create index on posts using gin (tags);
create index on comments (post_id);
create index on posts (published_at) where published_at is not null;
create index on posts using gin (title gin_trgm_ops);
create index on users (lower(name));
create index on events (account_id, at);
create view active_users as
    select u.*, a.plan from users u join accounts a on a.id = u.account_id where u.is_active and a.deleted_at is null;
analyze readings, accounts, users, posts, comments, events_1, events_2, bookings, tree, settings;
