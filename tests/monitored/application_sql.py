"""A shop's schema and statements as pg_stat_statements shows them: what the gate must let through."""

SCHEMA = (
    """create table customer (
        id bigserial primary key, email varchar(254) not null unique, name text not null, city text,
        is_active boolean not null default true, joined_at timestamptz not null, born date, balance numeric(12, 2),
        settings jsonb not null default '{}', tags text[] not null default '{}', ref uuid
    )""",
    """create table orders (
        id bigserial primary key, customer_id bigint not null references customer, status varchar(20) not null,
        total numeric(12, 2) not null, placed_at timestamptz not null, shipped_on date, note text
    )""",
    """create table order_line (
        id bigserial primary key, order_id bigint not null references orders, product_id int not null,
        quantity int not null, price double precision not null
    )""",
    """insert into customer (email, name, city, is_active, joined_at, born, balance, settings, tags, ref)
        select 'user' || g || '@example.org', (array['Ada', 'Ben', 'Cleo', 'Dan'])[1 + g % 4] || ' ' || g,
               case when g % 3 = 0 then 'Paris' when g % 7 = 0 then 'Oslo' else 'Rome' end, g % 10 <> 0,
               now() - g * interval '1 hour', date '1950-01-01' + g % 20000, g % 997,
               jsonb_build_object('theme', case when g % 5 = 0 then 'dark' else 'light' end, 'level', g % 4),
               array['t' || g % 6, 'u' || g % 3], md5(g::text)::uuid
        from generate_series(1, 5000) g""",
    """insert into orders (customer_id, status, total, placed_at, shipped_on, note)
        select 1 + (g * g) % 5000, (array['new', 'paid', 'paid', 'paid', 'sent', 'sent', 'lost'])[1 + g % 7],
               g % 500, now() - g * interval '10 min', case when g % 4 > 0 then current_date - g % 900 end,
               case when g % 50 = 0 then 'note ' || g end
        from generate_series(1, 20000) g""",
    """insert into order_line (order_id, product_id, quantity, price)
        select 1 + g % 20000, g % 300, 1 + g % 5, g % 90 from generate_series(1, 40000) g""",
    "create index on orders (customer_id)",
    "create index on orders (placed_at)",
    "create index on customer using gin (settings jsonb_path_ops)",
    "create view recent_orders as select * from orders where placed_at > now() - interval '30 days'",
    "analyze customer, orders, order_line",
)

STATEMENTS = {
    # Django
    "get": 'SELECT "customer"."id", "customer"."email" FROM "customer" WHERE "customer"."id" = $1 LIMIT $2',
    "filter": 'SELECT "orders"."id" FROM "orders" WHERE "orders"."status" = $1 ORDER BY "orders"."placed_at"'
    " DESC LIMIT $2",
    "page": 'SELECT * FROM "orders" WHERE "orders"."status" = $1 ORDER BY "orders"."id" ASC LIMIT $2 OFFSET $3',
    "related": 'SELECT "orders"."id", "customer"."name" FROM "orders" INNER JOIN "customer" ON'
    ' ("orders"."customer_id" = "customer"."id") WHERE "customer"."city" = $1',
    "prefetch": 'SELECT * FROM "orders" WHERE "orders"."customer_id" IN ($1, $2, $3)',
    "prefetch_18": 'SELECT * FROM "orders" WHERE "orders"."customer_id" IN ($1 /*, ... */)',
    "exists": 'SELECT $1 AS "a" FROM "customer" WHERE "customer"."email" = $2 LIMIT $3',
    "icontains": 'SELECT "id" FROM "customer" WHERE UPPER("customer"."name"::text) LIKE UPPER($1)',
    "startswith": 'SELECT "id" FROM "customer" WHERE "customer"."name"::text LIKE $1',
    "count": 'SELECT COUNT(*) AS "__count" FROM "orders" WHERE ("orders"."placed_at" >= $1 AND'
    ' "orders"."placed_at" < $2)',
    "annotate": 'SELECT "customer"."id", COUNT("orders"."id") AS "n" FROM "customer" LEFT OUTER JOIN "orders" ON'
    ' ("customer"."id" = "orders"."customer_id") WHERE "customer"."is_active" GROUP BY "customer"."id" LIMIT $1',
    "between": 'SELECT "id" FROM "orders" WHERE "orders"."total" BETWEEN $1 AND $2',
    "date": 'SELECT "id" FROM "orders" WHERE ("orders"."placed_at" AT TIME ZONE $1)::date = $2',
    "trunc_twin": "SELECT DATE_TRUNC($1, placed_at), COUNT(*) FROM orders GROUP BY DATE_TRUNC('day', placed_at)",
    "jsonb": 'SELECT "id" FROM "customer" WHERE "customer"."settings" @> $1',
    "jsonb_key": 'SELECT "id" FROM "customer" WHERE ("customer"."settings" ->> $1) = $2',
    "jsonb_exists": 'SELECT "id" FROM "customer" WHERE "customer"."settings" ? $1',
    "tags": 'SELECT "id" FROM "customer" WHERE "customer"."tags" @> $1',
    "boolean": 'SELECT "id" FROM "customer" WHERE "customer"."is_active" = $1 AND "customer"."city" = $2',
    "isnull": 'SELECT "id" FROM "orders" WHERE "orders"."shipped_on" IS NULL AND "orders"."status" = $1',
    "q_or": 'SELECT "id" FROM "customer" WHERE ("customer"."city" = $1 OR "customer"."email" = $2)',
    # SQLAlchemy
    "any_array": "SELECT orders.id FROM orders WHERE orders.customer_id = ANY($1::int[])",
    "typed": "SELECT orders.id FROM orders WHERE orders.id = $1::BIGINT AND orders.status = $2::VARCHAR",
    "selectin": "SELECT orders.customer_id AS orders_customer_id, orders.id AS orders_id FROM orders"
    " WHERE orders.customer_id IN ($1::INTEGER, $2::INTEGER)",
    "subquery_in": "SELECT customer.id FROM customer WHERE customer.id IN (SELECT orders.customer_id FROM orders"
    " WHERE orders.total > $1)",
    "correlated": "SELECT c.id, (SELECT max(o.placed_at) FROM orders o WHERE o.customer_id = c.id AND o.status = $1)"
    " FROM customer c WHERE c.city = $2",
    "cte": "WITH big AS (SELECT customer_id, sum(total) AS s FROM orders WHERE status = $1 GROUP BY customer_id)"
    " SELECT c.name, big.s FROM customer c JOIN big ON big.customer_id = c.id WHERE big.s > $2"
    " ORDER BY big.s DESC LIMIT $3",
    "lateral": "SELECT c.id, o.id FROM customer c, LATERAL (SELECT id FROM orders WHERE customer_id = c.id"
    " ORDER BY placed_at DESC LIMIT $1) o WHERE c.email = $2",
    "window": "SELECT id, row_number() OVER (PARTITION BY customer_id ORDER BY placed_at DESC) FROM orders"
    " WHERE customer_id = $1",
    "distinct_on": "SELECT DISTINCT ON (customer_id) customer_id, id FROM orders WHERE status = $1 ORDER BY"
    " customer_id, placed_at DESC",
    "union": "SELECT id FROM orders WHERE status = $1 UNION ALL SELECT id FROM orders WHERE customer_id = $2",
    "exists_join": "SELECT c.id FROM customer c WHERE EXISTS (SELECT $1 FROM orders o WHERE o.customer_id = c.id"
    " AND o.total >= $2)",
    # by hand
    "interval": "select count(*) from orders where placed_at > now() - interval $1",
    "interval_day": "select count(*) from orders where placed_at > now() - $1::interval and status = $2",
    "extract": "select count(*) from orders where extract($1 from placed_at) = $2",
    "coalesce": "select id from orders where coalesce(note, $1) = $2",
    "case": "select sum(case when status = $1 then total else $2 end) from orders where customer_id = $3",
    "date_column": "select id from orders where shipped_on >= $1 and shipped_on < $2",
    "not_in": "select count(*) from orders where status not in ($1, $2)",
    "lower": "select id from customer where lower(email) = lower($1)",
    "ilike": "select id from customer where name ilike $1",
    "regex": "select id from customer where name ~ $1",
    "uuid": "select id from customer where ref = $1",
    "row_compare": "select id from orders where (placed_at, id) < ($1, $2) order by placed_at desc, id desc limit $3",
    "view": "select count(*) from recent_orders where status = $1",
    "json_build": "select json_build_object($1, name, $2, city) from customer where id = $3",
    "string_agg": "select customer_id, string_agg(status, $1 order by id) from orders where customer_id = $2"
    " group by customer_id",
    "generate_series": "select d, count(o.id) from generate_series($1::date, $2::date, $3::interval) d"
    " left join orders o on o.shipped_on = d group by d",
    "grouping_sets": "select status, shipped_on, count(*) from orders where total < $1 group by rollup (status,"
    " shipped_on)",
    "is_distinct": "select id from orders where note is distinct from $1 limit $2",
    "no_parameters": "select status, count(*) from orders group by status",
    "commented": "select id from orders where status = $1 /* route='orders' */ limit $2 -- done",
}
