-- About a million rows, the same on every machine of one PostgreSQL version, in time relative to the build.
-- power(random(), n) is the skew: low ids are the heavy customers and the popular products.

SELECT setseed(0.42);

INSERT INTO auth_user (id, password, last_login, is_superuser, username, first_name, last_name, email,
                       is_staff, is_active, date_joined)
SELECT i,
       'pbkdf2_sha256$1000000$' || left(md5('salt' || i), 22) || '$' || md5('hash' || i) || md5('more' || i),
       now() - random() * interval '20 days',
       i = 1,
       'user' || i,
       (array['Ada','Ben','Chen','Dora','Emil','Fatima','Grace','Hugo','Ines','Jonas','Kaja','Luis','Mira','Noor'])[1 + i % 14],
       (array['Smith','Garcia','Kowalski','Nguyen','Okafor','Schmidt','Rossi','Tanaka','Novak','Haddad','Silva'])[1 + i % 11],
       'user' || i || '@example.org',
       i <= 40,
       true,
       CASE WHEN i = 1 THEN now() ELSE now() - interval '3 years' * random() END
FROM generate_series(1, 20000) AS i;

INSERT INTO django_session (session_key, session_data, expire_date)
SELECT md5('session' || i),
       encode(sha256(('data' || i)::bytea), 'base64') || encode(sha256(('tail' || i)::bytea), 'base64'),
       now() + interval '1 year' + random() * interval '14 days'
FROM generate_series(1, 20000) AS i;

INSERT INTO shop_category (id, parent_id, name, position)
SELECT i, CASE WHEN i > 20 THEN 1 + i % 20 END, 'Category ' || i, i
FROM generate_series(1, 800) AS i;

INSERT INTO shop_product (id, category_id, name, sku, description, price, stock, is_active, is_featured, created_at)
SELECT i,
       1 + floor(800 * power(random(), 2)),
       (array['Oak','Steel','Linen','Copper','Glass','Walnut','Cotton','Marble'])[1 + i % 8] || ' '
           || (array['lamp','chair','table','shelf','bowl','clock','rug','vase','desk','mirror','stool'])[1 + i % 11]
           || ' ' || i,
       'SKU-' || lpad(i::text, 7, '0'),
       repeat('Made with care, sent in two days. ', 4),
       (5 + 400 * power(random(), 3))::numeric(10, 2),
       (1000000 * random())::integer,
       random() < 0.97,
       random() < 0.005,
       now() - random() * interval '3 years'
FROM generate_series(1, 20000) AS i;

INSERT INTO shop_customer (id, user_id, name, email, phone, city, created_at)
SELECT i,
       CASE WHEN i <= 20000 THEN i END,
       (array['Ada','Ben','Chen','Dora','Emil','Fatima','Grace','Hugo','Ines','Jonas','Kaja','Luis','Mira','Noor'])[1 + i % 14]
           || ' '
           || (array['Smith','Garcia','Kowalski','Nguyen','Okafor','Schmidt','Rossi','Tanaka','Novak','Haddad','Silva'])[1 + i % 11]
           || ' ' || left(md5('name' || i), 5),
       'customer' || i || '@example.com',
       '+49 ' || lpad((i::bigint * 7919 % 100000000)::text, 9, '0'),
       (array['Berlin','Paris','Porto','Gdansk','Oslo','Vienna','Utrecht','Lyon','Ghent','Turin'])[1 + floor(10 * power(random(), 2))::integer],
       now() - random() * interval '3 years'
FROM generate_series(1, 60000) AS i;

INSERT INTO shop_coupon (id, code, percent_off, valid_until)
SELECT i, 'SAVE' || upper(left(md5('coupon' || i), 8)), 5 * (1 + i % 6), now() + interval '1 year'
FROM generate_series(1, 3000) AS i;

-- One order of 50 is paid and waits to be sent; nearly all others are done. tracking_code: see tracking_code() in pages.py.
INSERT INTO shop_order (id, customer_id, coupon_id, number, status, total, tracking_code, shipping_address,
                        created_at, updated_at, returned_at)
SELECT i,
       1 + floor(60000 * power(random(), 3)),
       CASE WHEN i % 12 = 0 THEN 1 + floor(3000 * power(random(), 2)) END,
       'O' || lpad(i::text, 8, '0'),
       CASE WHEN i % 50 = 7 THEN 'paid' WHEN i % 50 = 11 THEN 'cancelled' WHEN i % 100 = 3 THEN 'shipped' ELSE 'done' END,
       (10 + 900 * power(random(), 4))::numeric(10, 2),
       'TRK' || lpad(upper(to_hex(i::bigint * 2654435761 % 4294967296)), 8, '0'),
       (1 + i % 250) || ' Long Street, ' || 10000 + i % 80000 || ' Sometown',
       now() - interval '365 days' * (1 - i / 150000.0),
       now() - interval '365 days' * (1 - i / 150000.0),
       CASE WHEN i % 40 = 0 AND i < 148000 THEN now() - interval '365 days' * (1 - i / 150000.0) + interval '4 days' END
FROM generate_series(1, 150000) AS i;

INSERT INTO shop_orderline (order_id, product_id, quantity, unit_price)
SELECT o.id,
       1 + floor(20000 * power(random(), 2.5)),
       1 + floor(4 * power(random(), 3)),
       (5 + 400 * power(random(), 3))::numeric(10, 2)
FROM shop_order AS o
CROSS JOIN LATERAL generate_series(1, 1 + (hashint8(o.id) & 3)
                                      + CASE WHEN (hashint8(o.id) >> 8) & 15 = 0 THEN 4 ELSE 0 END) AS line
ORDER BY o.id;

INSERT INTO shop_review (product_id, customer_id, rating, title, body, created_at)
SELECT 1 + floor(20000 * power(random(), 2.5)),
       1 + floor(60000 * power(random(), 2)),
       1 + floor(5 * sqrt(random())),
       'Review ' || i,
       repeat('It does what it should. ', 3 + i % 5),
       now() - random() * interval '2 years'
FROM generate_series(1, 120000) AS i;

INSERT INTO shop_event (customer_id, kind, payload, created_at)
SELECT CASE WHEN i % 5 < 2 THEN 1 + floor(60000 * power(random(), 3)) END,
       (array['page_view','page_view','page_view','page_view','search','cart','login'])[1 + i % 7],
       jsonb_build_object('path', '/products/' || i % 20000 || '/', 'ms', i % 300, 'agent', 'Firefox/1' || i % 40),
       now() - interval '7 days' * (1 - i / 160000.0)
FROM generate_series(1, 160000) AS i;

INSERT INTO shop_job (order_id, task, status, attempts, run_at, finished_at)
SELECT 1 + floor(150000 * random()),
       (array['send_invoice','send_mail','reindex_product','sync_stock'])[1 + i % 4],
       CASE WHEN i % 500 = 0 THEN 'failed' ELSE 'done' END,
       CASE WHEN i % 500 = 0 THEN 5 ELSE 1 END,
       now() - interval '30 days' * (1 - i / 60000.0),
       now() - interval '30 days' * (1 - i / 60000.0) + interval '3 seconds'
FROM generate_series(1, 60000) AS i;
