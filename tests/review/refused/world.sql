create schema other;
create type mood as enum ('ok', 'bad');
create domain short_text as text;
create table customers (
    id int primary key, name text not null, code int constraint customers_code unique, mail text, born date, token uuid,
    short short_text
);
create unique index customers_mail on customers (mail);
create unique index customers_born_partly on customers (born) where born is not null;
create unique index customers_lower on customers (lower(name));
create table orders (
    id int primary key, customer_id int constraint orders_customer references customers (id), note text, total int,
    state mood, mail text constraint orders_mail references customers (mail), big bigint, amount numeric(10, 2)
);
create table lines (id int primary key, order_id int constraint lines_order references orders (id), note text);
create table twins (id int primary key, also int);
create unique index twins_again on twins (id);
create table of_twins (twin_id int references twins (id));
create table tree (id int primary key, parent_id int constraint tree_parent references tree (id), name text);
create table alone (a int, b int, note varchar(10), j json);
create table tickets (id int, note mood);
create table p (id int not null, k int not null, primary key (id, k)) partition by range (k);
create table p1 partition of p for values from (0) to (1000);
create table p2 partition of p for values from (1000) to (2000);
create index p_k on p (k);
create table of_p (id int, k int, constraint of_p_p foreign key (id, k) references p (id, k));
create foreign data wrapper nothing;
create server elsewhere foreign data wrapper nothing;
create foreign table far (a text) server elsewhere;
create view alones as select b from alone;
create view of_alones as select b from alones;
create view totals as select total from orders;
create materialized view lines_mat as select order_id from lines;
create view both_of_them as select c.name, o.note from customers as c join orders as o on o.customer_id = c.id;
insert into customers (id, name, code, mail) values (1, 'a', 1, 'a@b');
insert into orders (id, customer_id, note, total) values (1, 1, 'x', 1);
