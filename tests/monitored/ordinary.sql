-- What Django, Rails, SQLAlchemy and people send, with their literals: PostgreSQL turns them into $1, $2 and loses
-- their types. test_ordinary.py runs each, reads its text back and explains that. One statement after each name.

-- dj_get
SELECT "users"."id", "users"."email" FROM "users" WHERE "users"."id" = 42 LIMIT 21

-- dj_filter_page
SELECT "posts"."id" FROM "posts" WHERE ("posts"."published_at" IS NOT NULL AND "posts"."views" >= 500) ORDER BY "posts"."published_at" DESC LIMIT 20 OFFSET 40

-- dj_prefetch
SELECT "comments"."id" FROM "comments" WHERE "comments"."post_id" IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)

-- dj_icontains
SELECT "posts"."id" FROM "posts" WHERE UPPER("posts"."title"::text) LIKE UPPER('%cats%') LIMIT 50

-- dj_subquery
SELECT "posts"."id", (SELECT U0."created_at" FROM "comments" U0 WHERE U0."post_id" = ("posts"."id") ORDER BY U0."created_at" DESC LIMIT 1) AS "latest" FROM "posts" WHERE "posts"."author_id" = 77

-- dj_json_contains
SELECT "users"."id" FROM "users" WHERE "users"."prefs" @> '{"theme": 1}'::jsonb LIMIT 100

-- dj_year
SELECT "posts"."id" FROM "posts" WHERE "posts"."published_at" BETWEEN '2026-03-02'::timestamptz AND '2026-03-05'::timestamptz

-- dj_case
SELECT SUM(CASE WHEN "posts"."views" > 500 THEN 1 ELSE 0 END) AS "hot", AVG("posts"."score") FROM "posts" WHERE "posts"."author_id" IN (SELECT U0."id" FROM "users" U0 WHERE U0."is_active")

-- dj_fts
SELECT "posts"."id", ts_rank("posts"."doc", plainto_tsquery('english'::regconfig, 'cats')) AS "rank" FROM "posts" WHERE "posts"."doc" @@ (plainto_tsquery('english'::regconfig, 'cats')) ORDER BY "rank" DESC LIMIT 10

-- dj_array_overlap
SELECT "users"."id" FROM "users" WHERE "users"."roles" && ARRAY['r1','x2']::text[] LIMIT 10

-- dj_array_contains
SELECT "users"."id" FROM "users" WHERE "users"."roles" @> (ARRAY['r1'])::text[]

-- dj_array_int
SELECT "users"."id" FROM "users" WHERE "users"."levels" && ARRAY[3, 11] LIMIT 10

-- dj_array_index
SELECT "users"."id" FROM "users" WHERE "users"."roles"[1] = 'r1' LIMIT 10

-- dj_enum
SELECT "accounts"."id" FROM "accounts" WHERE "accounts"."plan" = 'pro' ORDER BY "accounts"."created_at" DESC LIMIT 25

-- dj_union
(SELECT "posts"."id" AS "col1" FROM "posts" WHERE "posts"."views" = 3) UNION (SELECT "posts"."id" AS "col1" FROM "posts" WHERE "posts"."views" = 4) LIMIT 5

-- dj_now
SELECT "users"."id" FROM "users" WHERE "users"."last_login" < (STATEMENT_TIMESTAMP() - INTERVAL '30 days') LIMIT 10

-- dj_exists
SELECT 1 AS "a" FROM "users" WHERE "users"."email" = 'user3@example.org' LIMIT 1

-- dj_soft_deleted
SELECT "accounts"."id" FROM "accounts" WHERE "accounts"."deleted_at" > '2026-05-01'::timestamptz

-- dj_never_closed
SELECT "accounts"."id" FROM "accounts" WHERE "accounts"."closed_by" = 7 AND "accounts"."name" = 'Acme 7'

-- dj_empty_reason
SELECT COUNT(*) FROM "accounts" WHERE "accounts"."reason" LIKE 'sp%' OR "accounts"."trial_ends" > '2026-01-01'

-- dj_coalesce
SELECT COALESCE(SUM("posts"."views"), 0) AS "s" FROM "posts" WHERE "posts"."author_id" = 5

-- dj_greatest
SELECT GREATEST(10, "posts"."views") AS "g" FROM "posts" WHERE "posts"."author_id" = 5

-- dj_f_arithmetic
SELECT "posts"."id", (("posts"."views" * 2) + 1) AS "x" FROM "posts" WHERE ("posts"."views" + 10) > 500 LIMIT 5

-- dj_value_arithmetic
SELECT (1 + 2 * 3) AS "n", "tree"."id" FROM "tree" WHERE "tree"."id" < 10

-- dj_case_order
SELECT "posts"."id" FROM "posts" ORDER BY CASE WHEN ("posts"."views" > 900) THEN 0 WHEN "posts"."views" > 500 THEN 1 ELSE 2 END ASC, "posts"."id" LIMIT 10

-- dj_case_compared
SELECT "posts"."id" FROM "posts" WHERE CASE WHEN "posts"."views" > 900 THEN 3 ELSE 1 END = 3 LIMIT 10

-- dj_key_transform
SELECT "posts"."id" FROM "posts" WHERE ("posts"."meta" -> 'lang') = '"de"'::jsonb LIMIT 10

-- dj_key_values
SELECT ("posts"."meta" ->> 'lang') AS "lang", COUNT(*) FROM "posts" GROUP BY 1

-- dj_scalar_equal
SELECT "posts"."id" FROM "posts" WHERE "posts"."author_id" = (SELECT U0."id" FROM "users" U0 WHERE U0."is_active" ORDER BY U0."id" DESC LIMIT 1)

-- dj_array_subquery
SELECT "users"."id", ARRAY((SELECT U0."id" FROM "posts" U0 WHERE U0."author_id" = "users"."id" LIMIT 3)) FROM "users" WHERE "users"."id" < 30

-- dj_trunc
SELECT DATE_TRUNC('month', "posts"."published_at" AT TIME ZONE 'UTC') AS "m", COUNT(*) FROM "posts" WHERE "posts"."views" > 10 GROUP BY DATE_TRUNC('month', "posts"."published_at" AT TIME ZONE 'UTC')

-- dj_birthdays
SELECT "users"."id" FROM "users" WHERE EXTRACT(MONTH FROM "users"."born") = 5 AND "users"."is_active" LIMIT 20

-- dj_window
SELECT "posts"."id", NTILE(4) OVER (ORDER BY "posts"."views"), LAG("posts"."views", 2, 0) OVER (ORDER BY "posts"."id") FROM "posts" WHERE "posts"."author_id" < 100

-- dj_concat
SELECT CONCAT("users"."name", CONCAT(' <', CONCAT("users"."email"::text, '>'))) FROM "users" WHERE "users"."id" = 9

-- dj_round
SELECT ROUND(AVG("posts"."score"), 2), ROUND(1.5), ABS(-3) FROM "posts" WHERE "posts"."author_id" = 6

-- dj_json_build
SELECT JSONB_BUILD_OBJECT('id', "users"."id", 'kind', 'user', 'n', 5) FROM "users" WHERE "users"."id" = 5

-- rb_includes
SELECT "posts".* FROM "posts" WHERE "posts"."author_id" IN (3, 5, 8)

-- rb_jsonb
SELECT "posts".* FROM "posts" WHERE (meta->>'lang' = 'de' AND (meta->>'k')::int > 90) LIMIT 30

-- rb_jsonb_path
SELECT "posts".id FROM "posts" WHERE meta #>> '{seo,w}' = '3' LIMIT 30

-- rb_jsonb_deep
SELECT "users".id FROM "users" WHERE (prefs->'n'->>'a')::int BETWEEN 3 AND 5

-- rb_hstore
SELECT "users".id FROM "users" WHERE attrs -> 'k' = '3' LIMIT 30

-- rb_hstore_key
SELECT COUNT(*) FROM "users" WHERE attrs ? 'k'

-- rb_ilike
SELECT "posts".* FROM "posts" WHERE title ILIKE '%sql%' ORDER BY "posts"."id" DESC LIMIT 10

-- rb_group
SELECT COUNT(*) AS count_all, "events"."kind" AS events_kind FROM "events" WHERE "events"."at" BETWEEN '2026-03-01' AND '2026-04-01' GROUP BY "events"."kind"

-- rb_any
SELECT "posts".* FROM "posts" WHERE ('t3' = ANY (tags)) LIMIT 10

-- rb_similarity
SELECT "posts"."id", similarity(title, 'post about cat') AS s FROM "posts" WHERE title % 'post about cat' ORDER BY s DESC LIMIT 5

-- rb_pluck_const
SELECT 1 AS one FROM "users" WHERE "users"."name" = 'Name 3' AND "users"."id" != 5 LIMIT 1

-- rb_or_null
SELECT "comments".* FROM "comments" WHERE (NULL IS NULL OR parent_id = 2) AND post_id = 9

-- rb_where_1_1
SELECT "tree".* FROM "tree" WHERE 1=1 AND "tree"."name" = 'n7'

-- rb_date_range
SELECT "users".* FROM "users" WHERE born >= current_date - 9000 AND born < current_date - 30 LIMIT 9

-- rb_days_old
SELECT id, current_date - '1990-01-01' AS days FROM users WHERE id < 20

-- rb_partition_in
SELECT "events".* FROM "events" WHERE "events"."account_id" = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b' AND kind IN ('buy', 'view') ORDER BY at DESC LIMIT 25

-- sa_any_array
SELECT posts.id, posts.title FROM posts WHERE posts.id = ANY(ARRAY[1,2,3,4]::bigint[])

-- sa_count
SELECT count(1) AS n FROM (SELECT posts.id AS id FROM posts WHERE posts.views > 100) AS anon_1

-- sa_literal
SELECT anon_1.k, count(posts.id) FROM (SELECT 5 AS k) AS anon_1 JOIN posts ON posts.views = anon_1.k GROUP BY anon_1.k

-- sa_values
SELECT p.id, v.w FROM posts p JOIN (VALUES (1, 10), (2, 20)) AS v (id, w) ON v.id = p.id

-- sa_values_cte
WITH w (lo, hi, label) AS (VALUES (0, 10, 'few'), (10, 100, 'some')) SELECT w.label, count(*) FROM posts JOIN w ON posts.views >= w.lo AND posts.views < w.hi GROUP BY w.label

-- sa_unnest
SELECT p.id FROM posts p JOIN unnest(ARRAY[1,5,9]::bigint[]) AS w(id) ON w.id = p.id

-- sa_unnest_plain
SELECT p.id FROM posts p JOIN unnest(ARRAY[1,5,9]) AS w(id) ON w.id = p.id

-- sa_tuple_in
SELECT posts.id FROM posts WHERE (posts.author_id, posts.views) IN ((3, 2), (5, 4))

-- cte
WITH top AS (SELECT author_id, sum(views) v FROM posts GROUP BY author_id ORDER BY v DESC LIMIT 10) SELECT u.name, top.v FROM top JOIN users u ON u.id = top.author_id ORDER BY top.v DESC

-- recursive
WITH RECURSIVE up AS (SELECT id, parent_id, 0 AS d FROM tree WHERE id = 1700 UNION ALL SELECT t.id, t.parent_id, up.d+1 FROM tree t JOIN up ON t.id = up.parent_id) SELECT * FROM up

-- recursive_depth
WITH RECURSIVE down (id, depth) AS (SELECT id, 1 FROM tree WHERE id = 5 UNION ALL SELECT t.id, depth + 1 FROM tree t JOIN down ON t.parent_id = down.id WHERE depth < 4) SELECT count(*), max(depth) FROM down

-- recursive_numbers
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 30) SELECT i, count(b.id) FROM n LEFT JOIN bookings b ON b.room_id = n.i GROUP BY i

-- recursive_path
WITH RECURSIVE p AS (SELECT id, name AS path FROM tree WHERE id = 4 UNION ALL SELECT t.id, p.path || '/' || t.name FROM tree t JOIN p ON t.parent_id = p.id) SELECT path FROM p LIMIT 20

-- lateral
SELECT u.id, p.title FROM users u CROSS JOIN LATERAL (SELECT title FROM posts WHERE author_id = u.id ORDER BY views DESC LIMIT 3) p WHERE u.account_id = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'

-- row_to_json
SELECT row_to_json(t) FROM (SELECT id, title FROM posts WHERE author_id = 3) t

-- gen_series
SELECT d::date, count(e.id) FROM generate_series('2026-03-01'::timestamptz, '2026-03-10'::timestamptz, '1 day'::interval) d LEFT JOIN events e ON e.at >= d AND e.at < d + interval '1 day' GROUP BY 1 ORDER BY 1

-- gen_series_int
SELECT g, count(p.id) FROM generate_series(1, 12) g LEFT JOIN posts p ON p.views = g GROUP BY g

-- gen_series_dates
SELECT current_date - g AS day, count(u.id) FROM generate_series(0, 6) g LEFT JOIN users u ON u.born = current_date - g GROUP BY 1

-- keyset
SELECT id, title FROM posts WHERE (published_at, id) < ('2026-04-01'::timestamptz, 9000) ORDER BY published_at DESC, id DESC LIMIT 25

-- percentile
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY views) FROM posts WHERE author_id < 1000

-- percentiles
SELECT percentile_disc(array[0.5, 0.9]) WITHIN GROUP (ORDER BY views) FROM posts WHERE author_id < 1000

-- filter_agg
SELECT count(*) FILTER (WHERE kind = 'buy') AS buys, count(*) AS total FROM events WHERE account_id = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b' AND at > '2026-03-01'

-- share
SELECT kind, 100.0 * count(*) / sum(count(*)) OVER () FROM events GROUP BY kind

-- pivot
SELECT account_id, sum(case when kind = 'buy' then 1 else 0 end) * 100 / count(*) FROM events GROUP BY account_id HAVING sum(case when kind = 'buy' then 1 end) > 2

-- rollup
SELECT kind, date_trunc('month', at) m, count(*) FROM events GROUP BY ROLLUP (kind, date_trunc('month', at))

-- cube
SELECT extract(year from at), kind, count(*) FROM events WHERE at > '2026-03-01' GROUP BY CUBE (extract(year from at), kind)

-- grouping_sets
SELECT views / 100, author_id % 10, count(*) FROM posts GROUP BY GROUPING SETS ((views / 100), (author_id % 10), ())

-- lag
SELECT id, at - lag(at) OVER (PARTITION BY account_id ORDER BY at) FROM events WHERE account_id = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b' LIMIT 100

-- full_join
SELECT coalesce(a.id, b.id) FROM tree a FULL JOIN tree b ON a.id = b.parent_id WHERE a.name = 'n5' OR b.name = 'n6'

-- view
SELECT id, plan FROM active_users WHERE name = 'Name 55'

-- inet
SELECT id FROM users WHERE ip <<= '10.0.5.0/24'::inet

-- tablesample
SELECT avg(views) FROM posts TABLESAMPLE SYSTEM (10)

-- string_agg
SELECT author_id, string_agg(title, ', ' ORDER BY id) FROM posts WHERE author_id IN (1,2,3) GROUP BY author_id

-- json_path
SELECT id FROM users WHERE jsonb_path_exists(prefs, '$.n ? (@.a > 5)') LIMIT 5

-- json_path_operator
SELECT id FROM users WHERE prefs @? '$.theme ? (@ == 1)' LIMIT 5

-- set_returning
SELECT id, jsonb_array_elements_text('["a","b"]'::jsonb) FROM users WHERE id < 5

-- between_dates
SELECT count(*) FROM events WHERE at >= now() - interval '400 days' AND at < current_date + 1

-- at_least_days
SELECT count(*) FROM comments WHERE created_at > now() - 400 * interval '1 day' AND created_at::date <> current_date - 1

-- format_fn
SELECT format('%s <%s>', name, email) FROM users WHERE id = 3

-- lpad_fn
SELECT lpad(id::text, 8, '0') FROM posts WHERE author_id = 6

-- repeat_fn
SELECT repeat('*', 5), rpad(title, 30), left(title, 20) FROM posts WHERE author_id = 6

-- at_tz
SELECT id FROM comments WHERE (created_at AT TIME ZONE 'Europe/Paris')::date = '2026-04-10'::date LIMIT 10

-- citext_in
SELECT id FROM users WHERE email IN ('USER1@example.org', 'user2@example.org')

-- to_tsvector
SELECT id FROM posts WHERE to_tsvector('english', title) @@ to_tsquery('english', 'cats & post') LIMIT 10

-- regconfig_default
SELECT id FROM posts WHERE doc @@ websearch_to_tsquery('cats') LIMIT 10

-- range_contains
SELECT id FROM bookings WHERE during @> '2026-05-09 10:00+00'::timestamptz LIMIT 5

-- range_of_an_own_type
SELECT id FROM readings WHERE level @> 7.5::float8

-- range_built_of_an_own_type
SELECT id, level * span(2, 40) FROM readings WHERE level && span(3, 9) AND id > 5

-- range_overlap
SELECT id FROM bookings WHERE nights && int4range(5, 9) LIMIT 5

-- money
SELECT count(*) FROM bookings WHERE price > '12.00'::money

-- domain
SELECT id FROM users WHERE contact = 'u5@e.org'

-- name_type
SELECT value FROM settings WHERE name = 's5'::name AND kind = 'a'

-- boolean_literal
SELECT count(*) FROM settings WHERE is_on = true AND coalesce(is_on, false)

-- bool_case
SELECT count(*) FROM settings WHERE (CASE WHEN value = 'v1' THEN true ELSE false END)

-- regclass
SELECT id, tableoid = 'events_1'::regclass FROM events WHERE kind = 'buy' LIMIT 5

-- float_arithmetic
SELECT count(*) FROM posts WHERE rating * 0.5 + score / 2 > 10 AND power(views, 2) < 10000

-- modulo
SELECT id FROM posts WHERE mod(id, 7) = 3 AND id % 2 = 1 LIMIT 10

-- width_bucket
SELECT width_bucket(views, 0, 1000, 10), count(*) FROM posts GROUP BY 1

-- not_exists
SELECT count(*) FROM users u WHERE NOT EXISTS (SELECT 1 FROM posts p WHERE p.author_id = u.id AND p.views > 5)

-- union_literal
SELECT 'post' AS kind, id FROM posts WHERE author_id = 5 UNION ALL SELECT 'comment', id FROM comments WHERE post_id = 8

-- union_zero
SELECT id, views FROM posts WHERE author_id = 5 UNION ALL SELECT id, 0 FROM users WHERE id < 4

-- cte_constant
WITH p AS (SELECT 30 AS days, 0.5 AS share) SELECT count(*) FROM posts, p WHERE posts.views > p.days * 2 AND posts.score > p.share

-- Siblings of those above, written after the rules were

-- years_ago
SELECT id FROM users WHERE born BETWEEN current_date - 365*30 AND current_date - 365*20 LIMIT 5

-- average_arithmetic
SELECT avg(views) * 1.5 + 3, sum(views) / 7.0, count(*) % 5 FROM posts WHERE author_id = 8

-- months_ago
SELECT count(*) FROM posts WHERE published_at > date_trunc('month', now()) - 3 * interval '1 month'

-- case_bucket_subquery
SELECT s.bucket, count(*) FROM (SELECT CASE WHEN views < 10 THEN 1 WHEN views < 100 THEN 2 ELSE 3 END AS bucket FROM posts) s WHERE s.bucket > 1 GROUP BY s.bucket ORDER BY s.bucket

-- in_subquery_enum_list
SELECT u.id FROM users u WHERE u.account_id IN (SELECT a.id FROM accounts a WHERE a.plan IN ('pro','team') AND a.deleted_at IS NULL) AND u.is_active IS TRUE LIMIT 3

-- scalar_coalesced
SELECT coalesce((SELECT c.body FROM comments c WHERE c.post_id = p.id ORDER BY c.id DESC LIMIT 1), 'none') FROM posts p WHERE p.author_id = 3

-- scalar_offset
SELECT id FROM posts WHERE author_id = (SELECT id FROM users ORDER BY id DESC OFFSET 2 LIMIT 1)

-- scalar_fetch_first
SELECT id FROM posts WHERE author_id = (SELECT id FROM users ORDER BY id DESC FETCH FIRST 1 ROWS ONLY)

-- json_agg_of_objects
SELECT json_agg(json_build_object('id', id, 'title', title, 'n', views + 1)) FROM posts WHERE author_id = 4

-- array_agg_filter
SELECT array_agg(title ORDER BY id) FILTER (WHERE views > 10), string_agg(DISTINCT title, '; ') FROM posts WHERE author_id = 4

-- contains_built_object
SELECT id FROM posts WHERE meta @> jsonb_build_object('lang', 'de') LIMIT 4

-- has_any_key
SELECT id FROM posts WHERE meta ?| array['lang','x'] LIMIT 4

-- member_numeric_cast
SELECT id FROM posts WHERE (meta->>'k')::numeric / 10 > 3.5 LIMIT 4

-- deep_member_any
SELECT id FROM posts WHERE (meta->'seo'->>'w')::int = ANY(ARRAY[1,2]) LIMIT 4

-- extract_path
SELECT id FROM posts WHERE jsonb_extract_path_text(meta, 'seo', 'w') = '3' LIMIT 4

-- partition_member_range
SELECT (payload->>'v')::int, count(*) FROM events WHERE at >= '2026-03-01' AND at < '2026-03-05' GROUP BY (payload->>'v')::int ORDER BY 2 DESC

-- grouping_sets_nested
SELECT kind, account_id, count(*) FROM events WHERE at > '2026-05-01' GROUP BY GROUPING SETS ((kind), (kind, account_id), (date_trunc('day', at), kind)) HAVING count(*) > 30

-- recursive_values
WITH RECURSIVE t(n, total) AS (VALUES (1, 0.5) UNION ALL SELECT n + 1, total * 2 FROM t WHERE n < 5) SELECT sum(total) FROM t

-- recursive_array_path
WITH RECURSIVE walk AS (SELECT id, parent_id, ARRAY[id] AS path, false AS cycle FROM tree WHERE id = 40 UNION ALL SELECT t.id, t.parent_id, path || t.id, t.id = ANY(path) FROM tree t JOIN walk w ON t.id = w.parent_id WHERE NOT cycle) SELECT * FROM walk

-- calendar_of_days
SELECT d.day, coalesce(x.n, 0) FROM (SELECT current_date - i AS day FROM generate_series(0, 29) AS i) d LEFT JOIN (SELECT created_at::date AS day, count(*) AS n FROM comments WHERE created_at > current_date - 400 GROUP BY 1) x USING (day)

-- window_frame
SELECT id, rank() OVER (ORDER BY score DESC), sum(views) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM posts WHERE author_id < 20

-- similar_to
SELECT id FROM posts WHERE title SIMILAR TO 'Post (1|2)%' LIMIT 3

-- regex_case
SELECT id FROM posts WHERE title ~* '^post 1[0-9]' LIMIT 3

-- text_functions
SELECT id FROM posts WHERE position('cats' in title) > 0 AND length(title) > 10 AND substring(title from 1 for 4) = 'Post' LIMIT 3

-- to_char_functions
SELECT id, to_char(published_at, 'YYYY-MM'), to_char(views, '999'), extract(epoch from now() - published_at) / 86400 FROM posts WHERE author_id = 5

-- enum_array
SELECT id FROM accounts WHERE plan = ANY(ARRAY['free','pro']::plan_kind[]) AND created_at > now() - interval '10 years' LIMIT 3

-- all_null_or
SELECT id FROM accounts WHERE trial_ends < current_date + 14 OR closed_by IN (1,2,3)

-- case_times_twelve
SELECT id, CASE plan WHEN 'free' THEN 0 WHEN 'pro' THEN 10 ELSE 25 END * 12 AS price FROM accounts LIMIT 9

-- least_greatest
SELECT a.name, least(count(*), 5), greatest(max(u.last_login), '2026-01-01') FROM accounts a LEFT JOIN users u ON u.account_id = a.id WHERE a.name LIKE 'Acme 1%' GROUP BY a.id

-- range_built
SELECT * FROM bookings WHERE room_id = 3 AND during && tstzrange('2026-05-02', '2026-05-03', '[)')

-- hstore_contains
SELECT id FROM users WHERE attrs @> 'k=>3'::hstore LIMIT 4

-- lower_both_sides
SELECT id FROM users WHERE lower(name) = lower('NAME 5') AND email LIKE '%@example.org'

-- rank_of_search
SELECT id FROM users WHERE search @@ to_tsquery('simple', 'name')  ORDER BY ts_rank_cd(search, to_tsquery('simple', 'name'), 32) DESC LIMIT 4

-- values_boolean
SELECT v.* FROM (VALUES ('a', 1, true), ('b', 2, false)) AS v(name, n, ok) WHERE v.n > 0 AND v.ok

-- array_functions
SELECT id, array_position(tags, 't3'), array_length(tags, 1), tags[1:2] FROM posts WHERE tags <> '{}' AND cardinality(tags) >= 1 LIMIT 5

-- array_literals
SELECT id FROM posts WHERE tags && '{t1,t2}' AND tags @> ARRAY['t1'] LIMIT 5

-- not_any_element
SELECT id FROM posts WHERE NOT ('t5' = ANY(tags)) AND 't1' <> ALL(tags) LIMIT 5

-- max_of_partition
SELECT e.id FROM events e WHERE e.at = (SELECT max(at) FROM events WHERE account_id = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b') AND e.account_id = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'

-- rounding
SELECT round(score, 1), trunc(score / 3, 2), rating::numeric(5,1), views::float / 3, -views, abs(views - 100) FROM posts WHERE id IN (5, 6)

-- row_range
SELECT id FROM posts WHERE (views, id) >= (10, 5) AND (views, id) <= (12, 50) ORDER BY views, id LIMIT 4

-- share_of_views
SELECT 1 + count(*) FILTER (WHERE views > 100) AS x, 100 * sum(CASE WHEN views > 5 THEN 1.0 ELSE 0 END) / count(*) FROM posts WHERE author_id < 50

-- union_of_pages
(SELECT id, 'a' AS k, 1 AS n FROM posts WHERE author_id = 3 ORDER BY id LIMIT 2) UNION ALL (SELECT id, 'b', 2 FROM users WHERE id < 3) ORDER BY n, id LIMIT 10

-- union_of_literals
SELECT q.n * 2 FROM (SELECT 4 AS n UNION SELECT 5) q

-- tablesample_repeatable
SELECT count(*) FROM posts TABLESAMPLE BERNOULLI (5) REPEATABLE (3) WHERE views > 5

-- made_dates
SELECT make_date(2026, 5, 1) + 3, make_interval(days => 5), date '2026-01-01' + 5, age(now(), '2026-01-01') FROM tree WHERE id = 1

-- hours_in_list
SELECT id FROM comments WHERE extract(hour from created_at) IN (8, 9, 10) AND extract(dow from created_at) = 1 LIMIT 3

-- nullif_coalesce
SELECT row_number() OVER () + 10 AS n, nullif(body, ''), coalesce(parent_id, -1) FROM comments WHERE post_id = 8

-- split_email
SELECT split_part(email::text, '@', 2) AS domain, count(*) FROM users GROUP BY split_part(email::text, '@', 2) HAVING count(*) > 1

-- row_to_json_of_first
SELECT (SELECT row_to_json(x) FROM (SELECT id, title FROM posts WHERE author_id = u.id ORDER BY id LIMIT 1) x) FROM users u WHERE u.id < 5

-- ordered_sets
SELECT percentile_cont(array[0.25, 0.5]) WITHIN GROUP (ORDER BY score), mode() WITHIN GROUP (ORDER BY views), rank(5) WITHIN GROUP (ORDER BY views) FROM posts

-- power_sqrt_log
SELECT min(id), max(id) FROM posts WHERE power(2, 3) < views AND sqrt(16) > 1 AND 10 ^ 2 > 3 AND sign(-2) < 0 AND log(100) > 1

-- split_into_array
SELECT id FROM users WHERE id = ANY(string_to_array('1,2,3', ',')::int[]) AND roles @> '{r1}'

-- half_hours
SELECT date_trunc('hour', created_at) + interval '30 min' * floor(extract(minute from created_at) / 30) AS slot, count(*) FROM comments GROUP BY 1 LIMIT 3

-- left_join_literal
SELECT a.id FROM accounts a LEFT JOIN (SELECT account_id, 1 AS has FROM users GROUP BY account_id) u ON u.account_id = a.id WHERE coalesce(u.has, 0) = 0

-- order_by_position
SELECT id FROM posts ORDER BY array_position(ARRAY[5,3,9]::bigint[], id) LIMIT 3

-- unnest_two_arrays
SELECT id FROM posts JOIN unnest(ARRAY['t1','t2'], ARRAY[1,2]) AS w(tag, ord) ON w.tag = ANY(posts.tags) ORDER BY w.ord LIMIT 4

-- unnest_in_cte
WITH ids(id) AS (SELECT unnest(ARRAY[1,2,3])) SELECT p.id FROM posts p JOIN ids ON ids.id = p.id

-- series_with_step
SELECT x, x * 2 FROM generate_series(0, 10, 5) AS x

-- fractions
SELECT id FROM posts WHERE score BETWEEN 0.5 AND 2.5 AND rating > 0.5 AND views::numeric / 100 > 0.01 LIMIT 3

-- statistics_functions
SELECT stddev(views), variance(score), corr(views, rating), regr_slope(views, score), width_bucket(1.5, 0, 10, 5) FROM posts WHERE id < 50

-- pivot_of_times
SELECT max(CASE WHEN kind = 'buy' THEN at END), max(CASE WHEN kind = 'buy' THEN 'b' ELSE '' END), count(CASE WHEN kind = 'view' THEN 1 END), count(DISTINCT CASE WHEN kind = 'view' THEN account_id END) FROM events

-- nested_arrays
SELECT array_agg(CASE WHEN views > 5 THEN 1 ELSE 0 END), (ARRAY[10, 20, 30])[2], ARRAY[[1,2],[3,4]] FROM posts WHERE id < 3

-- row_in_subquery
SELECT id FROM posts WHERE ROW(author_id, views) = ROW(3, 2) OR (author_id, views) = ANY(SELECT 3, 2)

-- session_settings
SELECT current_setting('TimeZone'), version(), current_user, pg_backend_pid() = 5 FROM tree WHERE id = 1

-- date_parts
SELECT id FROM posts WHERE date_part('year', published_at) = 2026 AND date_part('month', published_at) BETWEEN 3 AND 4 LIMIT 3

-- jsonb_changes
SELECT jsonb_set(meta, '{lang}', '"fr"'), meta - 'lang', meta || '{"z": 1}', meta #- '{seo,w}' FROM posts WHERE id = 5

-- each_key
SELECT key, value FROM posts, jsonb_each_text(meta) WHERE posts.id < 4 AND key = 'lang'

-- with_ordinality
SELECT e.elem FROM posts, unnest(tags) WITH ORDINALITY AS e(elem, ord) WHERE e.ord = 1 AND e.elem LIKE 't1%' LIMIT 4

-- ages
SELECT id FROM users WHERE born + 7 > current_date - 20000 AND born - interval '1 year' < now() AND age(born) > interval '20 years' LIMIT 3

-- union_of_amounts
SELECT sum(amount) FROM (SELECT price::numeric * 2 AS amount FROM bookings UNION ALL SELECT 10) s

-- union_tagged
SELECT x.id, x.kind FROM (SELECT id, 1 AS kind FROM posts UNION ALL SELECT id, 2 AS kind FROM users) x WHERE x.kind = 2 AND x.id < 5

-- distinct_on_expression
SELECT DISTINCT ON (author_id, views / 100) id FROM posts WHERE author_id < 9 ORDER BY author_id, views / 100, id

-- rollup_expressions
SELECT count(*) FROM posts GROUP BY ROLLUP (author_id % 3, views > 100)

-- rollup_coalesced
SELECT coalesce(kind, 'all'), grouping(kind), count(*) FROM events GROUP BY ROLLUP (kind) ORDER BY coalesce(kind, 'all')

-- cube_case
SELECT CASE WHEN grouping(kind) = 1 THEN 'all' ELSE kind END, count(*) FROM events GROUP BY CUBE (kind, date_trunc('month', at)) HAVING count(*) > 1

-- one_partition
SELECT e.kind FROM events_1 e WHERE e.at >= '2026-03-01' AND e.at < '2026-03-02' AND payload @> '{"v": 3}'
