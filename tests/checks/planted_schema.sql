-- Bad objects and their good twins. "-- finds CODE what": a check finds it there, and nothing besides what is said so.
-- "--15 ": from that version on. A finding on the database as a whole is about "database".

-- indexes --------------------------------------------------------------------------------------------------------
create table customer (id bigint generated always as identity primary key, name text not null, note text);
insert into customer (name, note) select 'n' || g, case when g % 7 = 0 then null else 'x' end from generate_series(1, 300) g;

-- finds IX003 public.twins
create table twins (id bigint primary key, a int not null, b int not null, c text collate "C" not null);
insert into twins select g, g % 10, g % 7, 'c' || g from generate_series(1, 300) g;
create index twins_ab on twins (a, b);
create index twins_a on twins (a);
create index twins_ab_again on twins (a, b);
create index twins_ba on twins (b desc, a);
create index twins_partial on twins (a) where b > 3;
create index twins_c on twins (c);
create index twins_c_pattern on twins (c text_pattern_ops);
create index twins_c_other on twins (c collate "POSIX");
create index twins_lower on twins (lower(c));
create index twins_upper on twins (upper(c));
create unique index twins_unique on twins (a, b, id);

-- finds IX003 public.documents
create table documents (id bigint primary key, tags int[] not null, words text[] not null);
insert into documents select g, array[g % 5, g], array['w' || g] from generate_series(1, 300) g;
create index documents_tags on documents using gin (tags);
create index documents_tags_again on documents using gin (tags);
create index documents_words on documents using gin (words);
create index documents_both on documents using gin (words, tags);

-- finds IX004 database
create table article (id bigint primary key, slug varchar(50) not null, title varchar(200) not null);
insert into article select g, 's' || g % 5900, 'title ' || g from generate_series(1, 6000) g;
create index article_slug on article (slug);
create index article_slug_0a1b2c3d_like on article (slug varchar_pattern_ops);
create index article_title on article (title);
create index article_title_0a1b2c3d_like on article (title varchar_pattern_ops);

-- finds IX005 public.crowd
create table crowd (id bigint primary key, unused int not null, used int not null, customer_id bigint not null references customer on delete cascade);
insert into crowd select g, g, g, 1 + g % 300 from generate_series(1, 6000) g;
create index crowd_unused on crowd (unused);
create index crowd_used on crowd (used);
create index crowd_customer on crowd (customer_id);

-- finds IX006 public.sparse_gone
-- finds IX006 public.sparse_done
create table sparse (id bigint primary key, gone int, gone_partial int, half int, done boolean not null);
insert into sparse select g, case when g % 50 = 0 then g end, case when g % 50 = 0 then g end, case when g % 2 = 0 then g end, g % 40 = 0
    from generate_series(1, 6000) g;
create index sparse_gone on sparse (gone);
create index sparse_gone_partial on sparse (gone_partial) where gone_partial is not null;
create index sparse_half on sparse (half);
create index sparse_done on sparse (done);

-- finds IX007 public.laden
create table laden (id bigint primary key, a int, b int, c int);
insert into laden select g, case when g > 1 then g end, case when g > 1 then g end, case when g > 1 then g end from generate_series(1, 1000) g;
create index laden_1 on laden (a, b);
create index laden_2 on laden (b, c);
create index laden_3 on laden (c, a);
create index laden_4 on laden (a, c);
create index laden_5 on laden (b, a);
create index laden_6 on laden (c, b);

-- finds IX008 public.member_key
create table member (id bigint primary key, tenant int, name text not null);
insert into member select g, case when g % 3 > 0 then g % 3 end, 'm' || g from generate_series(1, 1200) g;
create unique index member_key on member (tenant, name);
create table member_kept (id bigint primary key, tenant int, name text not null);
insert into member_kept select g, case when g % 3 > 0 then g % 3 end, 'm' || g from generate_series(1, 1200) g;
create unique index member_kept_key on member_kept (tenant, name);
create unique index member_kept_alone on member_kept (name) where tenant is null;
--15 create table member_equal (id bigint primary key, tenant int, name text not null);
--15 insert into member_equal select g, case when g % 3 > 0 then g % 3 end, 'm' || g from generate_series(1, 1200) g;
--15 create unique index member_equal_key on member_equal (tenant, name) nulls not distinct;

-- finds IX009 public.event
-- finds IX002 public.event_late
create table event (id bigint not null, day date not null, kind int not null, primary key (id, day)) partition by range (day);
create table event_1 partition of event for values from ('2026-01-01') to ('2026-02-01');
create table event_2 partition of event for values from ('2026-02-01') to ('2026-03-01');
create table event_3 partition of event for values from ('2026-03-01') to ('2026-04-01');
create index event_1_kind on event_1 (kind);
create index event_2_kind on event_2 (kind);
create index event_3_kind on event_3 (kind);
create index event_day on event (day);
create index event_late on only event (kind, day);
insert into event select g, date '2026-01-01' + g % 89, g % 4 from generate_series(1, 300) g;

-- finds SC001 public.purchase.purchase_customer
-- finds SC009 public.visit
-- finds IX001 public.page_path
create table purchase (id bigint primary key, customer_id bigint not null constraint purchase_customer references customer on delete cascade);
insert into purchase select g, 1 + g % 300 from generate_series(1, 2000) g;
create table visit (at timestamptz not null, who int not null);
insert into visit select timestamptz '2026-01-01' + g * interval '1 minute', g from generate_series(1, 300) g;
create table page (id bigint primary key, path varchar(4000) not null);
insert into page select g, '/' || g from generate_series(1, 300) g;
create index page_path on page (path);

-- keys -----------------------------------------------------------------------------------------------------------
-- finds SC010 public.order_line
create table order_line (id bigint primary key, customer_id bigint not null references customer on delete cascade, other_id bigint references customer on delete set null);
alter table order_line add constraint order_line_again foreign key (customer_id) references customer on delete cascade;
create index order_line_customer on order_line (customer_id);
create index order_line_other on order_line (other_id);

-- finds SC011 public.narrow.narrow_fkey
create table narrow (id bigint primary key, customer_id int not null constraint narrow_fkey references customer on delete cascade);
create table wide (id bigint primary key, small_id bigint not null constraint wide_fkey references narrow on delete cascade);

-- finds SC012 public.batch
create table batch (id bigint primary key);
create table batch_item (id bigint primary key, batch_id bigint not null references batch);
create table batch_note (id bigint primary key, batch_id bigint not null references batch on delete cascade);
create index batch_item_batch on batch_item (batch_id);
create index batch_note_batch on batch_note (batch_id);
insert into batch select g from generate_series(1, 300) g;
insert into batch_item select g, 1 + g % 100 from generate_series(1, 300) g;
insert into batch_note select g, 1 + g % 100 from generate_series(1, 300) g;
delete from batch where id > 100;

-- finds SC013 public.unsure
create table unsure (id bigint primary key, a int not null, b int not null check (b > 0));
insert into unsure select g, g, g from generate_series(1, 300) g;
alter table unsure add constraint unsure_a check (a > 0) not valid;
alter table unsure add constraint unsure_b check (b < 1000) not valid;
alter table unsure validate constraint unsure_b;

-- finds SC014 public.blog_post
create table author (id int primary key, name text not null);
insert into author select g, 'a' || g from generate_series(1, 100) g;
create table blog_post (id bigint primary key, author_id int not null, customer_id int not null, unknown_id int not null, target_type int not null, target_id int not null);
insert into blog_post select g, 1 + g % 100, g, g, 1, g from generate_series(1, 300) g;

-- finds SC015 public.random_key
create table random_key (id uuid primary key);
insert into random_key select md5(g::text)::uuid from generate_series(1, 300) g;
create table timed_key (id uuid primary key);
insert into timed_key select lpad(to_hex(g), 32, '0')::uuid from generate_series(1, 300) g;

-- finds SC019 public.nearly_full
-- finds SC019 public.nearly_full_small
-- finds SC019 public.shortened
create table nearly_full (id int generated always as identity primary key);
select setval(pg_get_serial_sequence('nearly_full', 'id'), 1100000000);
create table half_empty (id int generated always as identity primary key);
select setval(pg_get_serial_sequence('half_empty', 'id'), 1000000000);
create table nearly_full_small (id smallint generated always as identity primary key);
select setval(pg_get_serial_sequence('nearly_full_small', 'id'), 30000);
create table shortened (id bigint generated always as identity (maxvalue 1000) primary key);
select setval(pg_get_serial_sequence('shortened', 'id'), 900);

-- finds SC020 public.widened
-- finds SC018 database
create table widened (id serial primary key);
alter table widened alter column id type bigint;
create table widened_both (id bigserial primary key);

-- finds SC033 public.loaded
-- finds SC033 public.silent
create function nothing() returns trigger language plpgsql as $$ begin return new; end $$;
create table loaded (id bigint primary key, customer_id bigint not null references customer on delete cascade);
create index loaded_customer on loaded (customer_id);
alter table loaded disable trigger all;
create table loaded_parent (id bigint primary key);
create table unloaded (id bigint primary key, parent_id bigint not null references loaded_parent);
create index unloaded_parent on unloaded (parent_id);
alter table loaded_parent disable trigger all;
create table silent (id bigint primary key);
create trigger silent_touch before insert on silent for each row execute function nothing();
alter table silent disable trigger silent_touch;
create table loud (id bigint primary key);
create trigger loud_touch before insert on loud for each row execute function nothing();

--18 -- finds SC034 public.wished
create table wished (id bigint primary key, a int not null check (a > 0));
--18 alter table wished add constraint wished_a check (a < 10) not enforced;

-- columns --------------------------------------------------------------------------------------------------------
-- finds SC016 database
-- finds SC017 database
create table odd (id bigint primary key, at timestamp not null, seen timestamptz not null, code char(12) not null, short char(2) not null, amount money not null, body json not null, hour timetz not null);
create table even (id bigint primary key, seen timestamptz not null, code varchar(12) not null, amount numeric not null, body jsonb not null, hour time not null);

-- finds SC021 public.bill
create table bill (id bigint primary key, total_amount float8 not null, tax_fee numeric not null, weight float8 not null);

-- finds SC022 public.remote
create table remote (id bigint primary key, remote_uuid text not null, real_uuid uuid not null, hash text not null);
create unique index remote_key on remote (remote_uuid);
create unique index remote_real on remote (real_uuid);
insert into remote select g, md5(g::text)::uuid::text, md5(g::text)::uuid, md5(g::text) || 'abcd' from generate_series(1, 300) g;

-- finds SC023 public.hollow
-- finds SC024 public.hollow
create table hollow (id bigint primary key, never int, always int, mostly int);
insert into hollow select g, null, g, case when g > 1 then g end from generate_series(1, 300) g;

-- finds SC025 public.unkept
create table unkept (id bigint primary key, email text not null, slug text not null, code text not null, title text not null);
insert into unkept select g, g || '@example.com', 's' || g, 'c' || (g % 5), 't' || g from generate_series(1, 300) g;
create unique index unkept_slug on unkept (lower(slug));

-- finds SC026 public.worded
create type mood as enum ('sad', 'glad');
create table worded (id bigint primary key, status text not null, kind text not null check (kind in ('a', 'b')), mood mood not null, country text not null);
insert into worded select g, case g % 3 when 0 then 'new' when 1 then 'paid' else 'sent' end, case g % 2 when 0 then 'a' else 'b' end, 'glad', case g % 2 when 0 then 'fr' else 'de' end from generate_series(1, 300) g;

-- finds SC027 public.made
create table made (id bigint primary key, created_at timestamptz, created_on date default current_date, updated_at timestamptz);
insert into made select g, case when g % 4 > 0 then now() end, case when g % 4 > 0 then current_date end, case when g % 4 > 0 then now() end from generate_series(1, 300) g;

-- finds SC028 public.discarded
create table discarded (id bigint primary key, a int not null, deleted_at timestamptz);
insert into discarded select g, g, case when g % 3 = 0 then now() end from generate_series(1, 300) g;
create index discarded_a on discarded (a);
create table discarded_partial (id bigint primary key, a int not null, deleted_at timestamptz);
insert into discarded_partial select g, g, case when g % 3 = 0 then now() end from generate_series(1, 300) g;
create index discarded_partial_a on discarded_partial (a) where deleted_at is null;

-- finds SC029 database
create table "Quoted" (id bigint primary key, "Upper" int not null, lower int not null);

-- finds SC030 public.loose
create table loose (id bigint primary key, a bool not null, b bigint not null, c bool not null, d bigint not null, e bool not null, f bigint not null);
insert into loose select g, true, g, true, g, true, g from generate_series(1, 2000) g;
create table tight (id bigint primary key, b bigint not null, d bigint not null, f bigint not null, a bool not null, c bool not null, e bool not null);
insert into tight select g, g, g, g, true, true, true from generate_series(1, 2000) g;

-- finds SC031 public.elder
create table elder (id bigint primary key);
create table heir () inherits (elder);

-- finds SC032 public.fleeting
create unlogged table fleeting (id bigint primary key);
insert into fleeting select g from generate_series(1, 300) g;
create unlogged table fleeting_empty (id bigint primary key);

-- vacuum and statistics ------------------------------------------------------------------------------------------
-- after ANALYZE:
-- finds SC050 database
-- finds SC058 public.parted
-- finds SC051 public.outgrown
create table outgrown (id bigint primary key, a int not null);
insert into outgrown select g, g from generate_series(1, 300) g;

-- finds SC052 public.littered
create table littered (id bigint primary key, a int not null) with (autovacuum_enabled = on);
insert into littered select g, g from generate_series(1, 400) g;
delete from littered where id <= 200;

-- finds SC054 public.neglected
create table neglected (id bigint primary key) with (autovacuum_enabled = off);
insert into neglected select g from generate_series(1, 300) g;

-- finds SC055 public.hot_counter
create table hot_counter (id bigint primary key, seen int not null, other int not null);
insert into hot_counter select g, g, g from generate_series(1, 300) g;
create index hot_counter_seen on hot_counter (seen);
update hot_counter set seen = seen + 1000;

-- finds SC057 public.heavy_tail
create table heavy_tail (id bigint primary key, a int not null, b int not null);
insert into heavy_tail select g, case when g % 2 = 0 then 1 when g % 3 = 0 then 2 when g % 5 = 0 then 3 else g end, g % 6 from generate_series(1, 6000) g;
create index heavy_tail_a on heavy_tail (a);
create index heavy_tail_b on heavy_tail (b);
alter table heavy_tail alter column a set statistics 2, alter column b set statistics 2;

-- rights and row security ----------------------------------------------------------------------------------------
-- finds SC035 public.of_tenant
-- finds SC036 public.of_tenant
create function tenant() returns int language sql stable as $$ select current_setting('app.tenant')::int $$;
create table of_tenant (id bigint primary key, tenant int not null, owner int not null);
insert into of_tenant select g, g % 5, g from generate_series(1, 300) g;
alter table of_tenant enable row level security;
create policy by_tenant on of_tenant using (tenant = tenant());
create table of_tenant_well (id bigint primary key, tenant int not null);
insert into of_tenant_well select g, g % 5 from generate_series(1, 300) g;
create index of_tenant_well_tenant on of_tenant_well (tenant);
alter table of_tenant_well enable row level security;
create policy by_tenant on of_tenant_well using (tenant = (select tenant()));

-- finds SC037 public.locked_up
-- finds SC037 public.open_door
create table locked_up (id bigint primary key);
alter table locked_up enable row level security;
create table open_door (id bigint primary key);
create policy nobody_looks on open_door using (id > 5);

-- finds SC038 public.either
create table either (id bigint primary key);
alter table either enable row level security;
create policy one on either for select using (id > 5);
create policy two on either using (id < 5);
create table both_hold (id bigint primary key);
alter table both_hold enable row level security;
create policy one on both_hold for select using (id > 5);
create policy two on both_hold as restrictive using (id < 50);

-- finds SC039 database
create function unsafe() returns int language sql security definer as $$ select 1 $$;
create function safe() returns int language sql security definer set search_path = pg_catalog, pg_temp as $$ select 1 $$;

-- finds SC040 database
create schema shared_desk;
grant create on schema shared_desk to public;
create schema own_desk;

-- finds SC042 database
create sequence ticket_number as smallint;
select setval('ticket_number', 30000);
create sequence slot_number as smallint cycle;
select setval('slot_number', 30000);
