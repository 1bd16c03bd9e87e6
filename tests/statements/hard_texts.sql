-- What few applications write and PostgreSQL takes: one statement or more for each part of the grammar, in the order of
-- its own regression tests' subjects. tests/statements/survey.py reads each with all that pgLoupe has.
CREATE TABLE orders (id bigint, customer_id int, status text, total numeric, created timestamptz, tags text[], data jsonb, note text, span tstzrange, place point, parent_id bigint, words tsvector);
CREATE TABLE customers (id int, name text, email text, country text, deleted_at timestamptz, data jsonb, doc xml);
CREATE TABLE lines (order_id bigint, product_id int, quantity int, price numeric, n int);
CREATE INDEX orders_status ON public.orders USING btree (status) WHERE (status OPERATOR(public.=) ANY (ARRAY['a'::public.citext, 'b'::public.citext]));
CREATE INDEX orders_status2 ON public.orders USING btree (customer_id) WHERE (status OPERATOR(public.<>) ALL (ARRAY['a'::public.citext, 'b'::public.citext]));
CREATE INDEX orders_words ON public.orders USING gin (to_tsvector('english'::regconfig, ((COALESCE(note, ''::text) || ' '::text) || COALESCE(status, ''::text))));
CREATE INDEX orders_path ON public.orders USING gin (((data -> 'a'::text) #> '{b,c}'::text[]) jsonb_path_ops) WHERE (data ? 'a'::text);
CREATE INDEX orders_zone ON public.orders USING btree ((((created AT TIME ZONE 'UTC'::text))::date), (EXTRACT(year FROM (created AT TIME ZONE 'UTC'::text))) DESC NULLS LAST);
CREATE INDEX orders_case ON public.orders USING btree ((CASE WHEN (status = 'x'::text) THEN 1 ELSE NULL::integer END)) WHERE (NOT ((total)::double precision IS DISTINCT FROM (0)::double precision));
CREATE INDEX orders_like ON public.orders USING btree (lower(note) COLLATE "C" text_pattern_ops, ("substring"(note, 1, 3))) WHERE ((note !~~* '%x%'::text) AND (note !~ '^y'::text) AND (note OPERATOR(public.%) 'z'::text));
CREATE INDEX orders_row ON public.orders USING btree (((ROW(customer_id, status))::text)) WHERE ((customer_id, status) > (1, 'a'::text));
CREATE INDEX orders_between ON public.orders USING btree (date_trunc('day'::text, created, 'UTC'::text)) WHERE ((total >= (1)::numeric) AND (total <= (9)::numeric) AND (parent_id IS NOT NULL) AND (tags && ARRAY['a'::text]) AND (tags[1] = 'b'::text));
CREATE INDEX orders_span ON public.orders USING gist (span, place, tstzrange(created, (created + '01:00:00'::interval), '[)'::text)) WHERE ((place <@ '((0,0),(1,1))'::box) AND (lower_inf(span) IS NOT TRUE));
CREATE UNIQUE INDEX customers_mail ON public.customers USING btree (((email)::public.citext)) INCLUDE (name) NULLS NOT DISTINCT WHERE ((deleted_at IS NULL) AND (NULLIF(name, ''::text) IS NOT NULL) AND (GREATEST(id, 1) < LEAST(id, 9)) AND (customers.* IS NOT NULL));
-- operators with a schema
SELECT * FROM orders WHERE coalesce(customer_id OPERATOR(pg_catalog.=) ANY (ARRAY[1, 2]), false) = true;
SELECT * FROM orders ORDER BY (status OPERATOR(pg_catalog.=) ANY (ARRAY['a', 'b'])) LIMIT 5;
SELECT * FROM orders WHERE (status OPERATOR(public.=) ANY (ARRAY[$1, $2])) IS NOT TRUE AND status OPERATOR(pg_catalog.~) $3 COLLATE "default";
SELECT * FROM orders WHERE NOT (status OPERATOR(public.=) ANY ($1)) AND total OPERATOR(pg_catalog.<) ALL (ARRAY[1, 2]);
SELECT OPERATOR(pg_catalog.-) total, total OPERATOR(pg_catalog.@-@) 1 FROM orders WHERE (OPERATOR(pg_catalog.@) total) > 1 GROUP BY 1, 2;
SELECT * FROM orders WHERE customer_id OPERATOR(pg_catalog.=) ANY (SELECT id FROM customers) AND (1, 2) OPERATOR(pg_catalog.=) (SELECT product_id, quantity FROM lines LIMIT 1);
-- select
SELECT FROM orders;
SELECT ALL orders.*, (orders).*, (o2.orders).id FROM orders, LATERAL (SELECT orders) AS o2;
SELECT DISTINCT ON (customer_id, lower(status)) * FROM ONLY (orders) ORDER BY customer_id, lower(status) USING >, created DESC NULLS LAST FETCH FIRST 3 ROWS WITH TIES;
SELECT * FROM orders TABLESAMPLE system (0.1 * 2) REPEATABLE (7) WHERE id < 5 FOR NO KEY UPDATE OF orders SKIP LOCKED;
SELECT * INTO TEMP TABLE copied FROM orders WHERE status = 'x';
TABLE orders ORDER BY id OFFSET 3 ROWS;
VALUES (1, 2), (3, 4 + 4), (7, DEFAULT);
SELECT * FROM (VALUES (1, 'x'), (2, 'y')) AS v (a, b) JOIN orders o ON o.id = v.a WHERE (v.b, o.status) IN (('x', 'y'), ROW ('z', NULL));
SELECT 'a', E'\\x', U&'d!0061t!+000061' UESCAPE '!', B'101', X'1F', 1e10, .5, 0x1F, 0b11, 1_000, DATE '2020-01-01', INTERVAL '1' YEAR TO MONTH, INTERVAL(2) '3 s';
SELECT id FROM orders WHERE status IS DOCUMENT OR status IS NOT NORMALIZED OR note IS NFC NORMALIZED;
SELECT * FROM orders WHERE status LIKE 'a!%' ESCAPE '!' OR note NOT SIMILAR TO 'b%' ESCAPE NULL OR note ILIKE ALL (ARRAY['a', $1]) OR note SIMILAR TO '(a|b)';
SELECT * FROM orders WHERE total BETWEEN SYMMETRIC 3 AND 1 AND total NOT BETWEEN 1 AND $1;
SELECT * FROM orders WHERE (created, created + interval '1 day') OVERLAPS (now(), now() + interval '2 days') AND created AT LOCAL > now();
SELECT * FROM orders WHERE id IS NOT DISTINCT FROM $1 AND NULLIF(status, '') IS UNKNOWN AND (status = 'a') IS NOT FALSE AND status ISNULL AND note NOTNULL;
-- joins
SELECT * FROM orders o NATURAL LEFT JOIN customers c CROSS JOIN lines l;
SELECT * FROM (orders JOIN customers USING (id) AS merged) FULL JOIN lines ON merged.id = lines.order_id AND lines.n = ANY (orders.tags::int[]) WHERE merged.id = 3;
SELECT * FROM orders o LEFT JOIN LATERAL (SELECT max(price) OVER w AS m, l.* FROM lines l WHERE l.order_id = o.id WINDOW w AS (PARTITION BY n) LIMIT 1) x ON true RIGHT JOIN customers c ON c.id = o.customer_id;
SELECT * FROM orders o, unnest(o.tags, ARRAY[1, 2]) WITH ORDINALITY AS u (t, n, at) WHERE u.t = o.status;
SELECT * FROM ROWS FROM (generate_series(1, 3), jsonb_to_record($1::jsonb) AS (a int, b text)) WITH ORDINALITY r JOIN orders ON orders.id = r.a;
SELECT * FROM orders a JOIN orders b ON a.ctid = b.ctid AND a.tableoid = 'orders'::regclass WHERE a.xmin::text = '3';
SELECT * FROM json_table($1::jsonb, '$[*]' COLUMNS (id FOR ORDINALITY, a int PATH '$.a' DEFAULT 1 ON EMPTY, NESTED PATH '$.b[*]' COLUMNS (b text))) t JOIN orders o ON o.id = t.a;
SELECT * FROM xmltable('/r' PASSING (SELECT doc FROM customers LIMIT 1) COLUMNS id int PATH '@id', at FOR ORDINALITY, x xml PATH '.' DEFAULT '<a/>') x, orders o WHERE o.id = x.id;
-- subqueries
SELECT (SELECT count(*) FROM lines WHERE order_id = o.id), ARRAY(SELECT n FROM lines), EXISTS (SELECT) FROM orders o WHERE (customer_id, status) NOT IN (SELECT id, name FROM customers) AND total > ALL (SELECT price FROM lines);
SELECT * FROM orders WHERE id IN (SELECT order_id FROM lines UNION ALL (SELECT parent_id FROM orders EXCEPT SELECT id FROM customers ORDER BY 1 LIMIT 2)) OR ROW (id, status) = (SELECT 1, 'a');
(SELECT id FROM orders INTERSECT ALL SELECT id FROM customers) UNION (TABLE lines) ORDER BY 1;
SELECT * FROM orders o WHERE (SELECT (SELECT count(o.id) FROM lines WHERE n = o.id)) = 1 HAVING true;
-- with
WITH RECURSIVE tree (id, path) AS (SELECT id, ARRAY[id] FROM orders WHERE parent_id IS NULL UNION ALL SELECT o.id, path || o.id FROM tree JOIN orders o ON o.parent_id = tree.id) SEARCH DEPTH FIRST BY id SET seen CYCLE id SET looped TO 'y' DEFAULT 'n' USING way SELECT * FROM tree WHERE looped = 'n' ORDER BY seen;
WITH gone AS MATERIALIZED (DELETE FROM orders USING customers c WHERE c.id = customer_id AND c.deleted_at < $1 RETURNING orders.*), kept AS NOT MATERIALIZED (SELECT * FROM customers) INSERT INTO lines (order_id, n) SELECT id, 1 FROM gone JOIN kept USING (id) RETURNING *;
WITH RECURSIVE a AS (SELECT 1 AS n UNION SELECT n + 1 FROM b), b AS (SELECT n FROM a WHERE n < 5), orders AS (SELECT * FROM orders WHERE id = 1) SELECT * FROM a, b, orders WHERE orders.id = a.n;
-- aggregates, groups, windows
SELECT count(*) FILTER (WHERE status = 'a'), count(DISTINCT ROW (id, status)), string_agg(status, ',' ORDER BY created DESC), percentile_cont(0.5) WITHIN GROUP (ORDER BY total), max(VARIADIC tags), mode() WITHIN GROUP (ORDER BY status) FROM orders HAVING bool_and(total > 1);
SELECT customer_id, status, grouping(customer_id, status) FROM orders GROUP BY DISTINCT GROUPING SETS ((customer_id), ROLLUP (status, (customer_id, status)), CUBE (status), ()), id % 3 HAVING count(*) > 1 ORDER BY grouping(customer_id, status), 1;
SELECT rank() OVER (PARTITION BY customer_id ORDER BY created RANGE BETWEEN interval '1 day' PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES), lag(total, 1, 0) OVER w, sum(total) OVER (w ROWS 3 PRECEDING), first_value(id) OVER (ORDER BY id GROUPS CURRENT ROW) FROM orders WINDOW w AS (PARTITION BY status ORDER BY id) ORDER BY row_number() OVER ();
SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY created DESC) AS n FROM orders) x WHERE n <= 3;
-- types, arrays, rows, json, xml, text search, ranges
SELECT tags[1], tags[2:], tags[:$1], (ARRAY[[1, 2], [3, 4]])[1][2], data['a']['b'], ('{1}'::int[])[1] FROM orders WHERE tags @> ARRAY['a']::text[] AND 'b' = ANY (tags) AND tags[1:2] = '{a,b}' AND array_length(tags, 1) = 2;
SELECT (ROW (1, 'a')).f1, (c).name, (c.*)::text, c::text, name(c) FROM customers c WHERE c = ROW (1) AND c.* IS NOT NULL AND (c).id < 3 AND row_to_json(c) ->> 'id' = '1';
SELECT ROW () FROM orders WHERE ROW () = ROW () OR ROW () IN (ROW (), ROW (1)) OR (id, status) IN (ROW (), (1, 'a')) OR ROW () IS NULL OR ROW () < ROW ($1) OR (id, status) = ROW () OR ROW () = ANY (SELECT FROM lines) OR ROW () = (SELECT FROM lines);
SELECT FROM orders GROUP BY id, $1 HAVING count(*) > $2 ORDER BY $3;
SELECT data -> 'a' ->> 0, data #>> '{a,b}', data @? '$.a[*] ? (@ > 1)', data - 'a' - 1, data || '{}' FROM orders WHERE data @> '{"a": 1}' AND data ?| ARRAY['x'] AND (data ->> 'n')::int > 3 AND jsonb_path_exists(data, '$.x') AND data['k'] = '1';
SELECT json_object('a': 1, 'b' VALUE id NULL ON NULL WITH UNIQUE KEYS), json_array(1, 2 ABSENT ON NULL), json_arrayagg(id ORDER BY id RETURNING jsonb), json_objectagg(status: id), json_value(data, '$.a' RETURNING int DEFAULT 0 ON ERROR), json_exists(data, '$.b'), json_query(data, '$.c' WITH WRAPPER), JSON('{}'), json_scalar(1), json_serialize(data) FROM orders WHERE data IS JSON OBJECT WITH UNIQUE KEYS;
SELECT xmlelement(name a, xmlattributes(id AS b), status), xmlforest(id, note AS n), xmlpi(name php), xmlconcat(doc, doc), xmlparse(CONTENT name), xmlroot(doc, VERSION NO VALUE, STANDALONE YES), xmlserialize(DOCUMENT doc AS text INDENT), xmlagg(doc ORDER BY id), xmlexists('//a' PASSING BY REF doc) FROM customers, orders WHERE doc IS DOCUMENT;
SELECT ts_headline('english', note, q), ts_rank(words, q) FROM orders, to_tsquery('english', $1) q WHERE words @@ q AND to_tsvector('simple', coalesce(note, '') || ' ' || status) @@ 'a & b'::tsquery AND words @@ (plainto_tsquery($2) || phraseto_tsquery('x y')) ORDER BY ts_rank_cd(words, q) DESC LIMIT 10;
SELECT * FROM orders WHERE span @> now() AND span && tstzrange($1, $2, '[]') AND NOT isempty(span) AND lower(span) < $3 AND place <@ box '((0,0),(1,1))' ORDER BY place <-> point '(0,0)', place <-> $4 LIMIT 3;
SELECT extract(epoch FROM created), date_part('year', created), substring(note FROM 2 FOR 3), substring(note SIMILAR 'a#"b#"c' ESCAPE '#'), overlay(note PLACING 'x' FROM 1), position('a' IN note), trim(BOTH 'x' FROM note), trim(LEADING FROM note), normalize(note, NFD), collation for (note), treat(id AS int), current_date, localtime(2), session_user, created AT TIME ZONE 'UTC' FROM orders WHERE extract(year FROM created) = 2020 AND trim(TRAILING FROM lower(note)) = $1;
SELECT CAST(note AS varchar(3)), note::char(2), total::numeric(10, 2), id::bit(8), created::timestamp(3) with time zone, '1'::"char", span::tstzmultirange, NULL::orders, interval '1' DAY TO SECOND(3), note::pg_catalog.text COLLATE "de-x-icu" FROM orders WHERE note COLLATE "C" < 'b' COLLATE "C" AND (note COLLATE "POSIX") = ANY ($1) ORDER BY status COLLATE "C" DESC;
SELECT CASE status WHEN 'a' THEN 1 WHEN 'b' THEN 2 END, CASE WHEN id > 1 THEN (SELECT 1) ELSE coalesce(customer_id, 0) END FROM orders WHERE CASE WHEN status = 'a' THEN total > 1 ELSE false END AND greatest(id, customer_id, 3) = least(id, 9);
SELECT f(a => 1, b := 2), g(VARIADIC ARRAY[1, 2]), pg_catalog.lower(note), "Odd Schema"."F"(id), h(DISTINCT id) FROM orders, pg_catalog.generate_series(1, $1) AS s (n) WHERE "Odd Schema"."F"(id) = s.n;
SELECT * FROM orders WHERE true;
DELETE FROM orders WHERE CURRENT OF c;
SELECT power(total, 'NaN'), power(2, 'Infinity'), total ^ '-inf'::float8, exp(1e400), repeat(note, 'NaN'::int), lpad(note, 1e400::int), total::numeric(3, -2) FROM orders WHERE total < power(float8 'Infinity', $1);
-- insert, update, delete, merge
INSERT INTO orders AS o (id, tags[1], data['a']) OVERRIDING SYSTEM VALUE VALUES (DEFAULT, 'a', '1'), ($1, $2, $3) ON CONFLICT (id, lower(status) COLLATE "C" text_pattern_ops) WHERE status IS NOT NULL DO UPDATE SET (status, total) = (excluded.status, o.total + 1), note = DEFAULT WHERE o.total < excluded.total RETURNING o.*, (xmax = 0) AS is_new;
INSERT INTO orders DEFAULT VALUES ON CONFLICT ON CONSTRAINT orders_pkey DO NOTHING;
INSERT INTO orders TABLE copied;
UPDATE ONLY orders o SET (status, total) = (SELECT name, 1 FROM customers c WHERE c.id = o.customer_id), (note) = ROW ('x'), tags[1:2] = ARRAY['a', 'b'], data['a']['b'] = '1', place[0] = 1 FROM lines l LEFT JOIN customers c ON c.id = l.n WHERE l.order_id = o.id AND c.name = $1 RETURNING WITH (OLD AS before, NEW AS after) before.status, after.*;
DELETE FROM orders * USING lines l, LATERAL (SELECT 1) x WHERE l.order_id = orders.id AND (orders.id, l.n) = ANY (SELECT 1, 2) RETURNING orders.*;
MERGE INTO orders o USING (SELECT * FROM lines WHERE n > $1) l ON o.id = l.order_id AND o.status = 'a' WHEN MATCHED AND o.total > 5 THEN DELETE WHEN MATCHED THEN UPDATE SET total = l.price, note = DEFAULT WHEN NOT MATCHED BY SOURCE AND o.status = 'x' THEN DO NOTHING WHEN NOT MATCHED BY TARGET THEN INSERT (id, status) OVERRIDING USER VALUE VALUES (l.order_id, 'n') RETURNING merge_action(), o.*;
-- what holds a query, or none
EXPLAIN (ANALYZE, BUFFERS, SETTINGS off) SELECT * FROM orders WHERE status OPERATOR(pg_catalog.=) ANY (ARRAY['a']);
COPY (SELECT * FROM orders WHERE id = 1) TO STDOUT WITH (FORMAT csv, FORCE_QUOTE *);
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT * FROM orders WHERE status = $1 ORDER BY id;
DECLARE c2 NO SCROLL CURSOR FOR SELECT (SELECT max(id) FROM orders) AS newest;
PREPARE p (int, text) AS SELECT * FROM orders WHERE id = $1 AND status = $2;
EXECUTE p (1 + 1, 'a');
CREATE MATERIALIZED VIEW seen AS SELECT status, count(*) FROM orders GROUP BY 1 WITH NO DATA;
DO LANGUAGE plpgsql $do$ begin perform 1; end $do$;
CALL work(1, a => 2);
SET LOCAL search_path TO a, "B c";
