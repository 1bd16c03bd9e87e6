-- Texts as pg_stat_statements leaves them, one a line, of the table t in test_parameter_types.py; each must be
-- a statement that the server can prepare once its literals have their types again.
insert into t (id, n, name) select $1, $2 + $3, $4
insert into t (id,n) select x, $1 from generate_series($2,$3) x
insert into t (id, at) values ($1, now() + $2 * interval '1 day') on conflict (id) do update set n = t.n + $3, name = coalesce(excluded.name, $4) where t.n > $5 returning id + $6
update t set n = case when id = $1 then $2 when id = $3 then $4 else n end where id in ($5,$6)
update t set n = case id when $1 then $2 when $3 then $4 end
update t set (n, name) = ($1, $2) where id = $3
update t set (n, name) = (select $1, $2) where id = $3
update t set n = v.n from (values ($1, $2), ($3, $4)) as v(id, n) where t.id = v.id
update t set d = current_date - $1, j = jsonb_set(j, $2, $3) where d < current_date + $4
update t set a = array[$1, $2], name = $3 || name
delete from t using (select unnest(array[$1,$2]) as id) x where x.id = t.id returning t.id, $3
delete from t where ctid = any(array(select ctid from t where n < $1 limit $2))
with moved as (delete from t where n = $1 returning *) insert into t select id + $2, n from moved
merge into t using (values ($1, $2), ($3, $4)) as v (id, n) on t.id = v.id when matched and v.n > $5 then update set n = v.n + $6 when not matched then insert (id, n, d) values (v.id, v.n, current_date - $7)
merge into t using (select $1 as id, $2 as name) s on s.id = t.id when matched then update set name = s.name when not matched then insert (id, name) values (s.id, $3)
update t set n = x.c from (select id, $1 as c from t where n > $2) x where x.id = t.id
insert into t (id, n) values ($1, (select max(n) + $2 from t)), ($3, $4)
insert into t(id,a) values ($1, array[$2,$3]), ($4, $5)
update t set n = greatest(n, $1) + $2 * $3
insert into t (id, name) select $1, $2 union all select $3, $4
insert into t(id, n) with x as (select $1 as a, $2 as b) select a, b from x
insert into t(id, n) select * from (values ($1,$2),($3,$4)) v
update t set name = $1, at = case when $2 then $3 else at end
select n from t for update limit $1
insert into t (id, j) values ($1, jsonb_build_object($2, $3, $4, $5))
insert into t (id, d) select $1, d from t where d = $2::date - $3
select string_agg($1, $2) from t
select array_fill($1, array[$2, $3])
select random() * $1, pg_size_pretty($2), pg_size_pretty(pg_relation_size($3))
select json_object(array[$1,$2]), json_agg($1 order by n) from t
select array_append(array[$1], $2), array_cat(array[$1], a), array_remove(a, $2), array_to_string(array[$3, name], $4) from t
select ($1, $2)::text, row($1, n) is null from t
select coalesce($1, $2) + n, greatest($1, $2) * $3, nullif($1, $2) from t
select n from t order by case when n > $1 then $2 else $3 end desc nulls last limit $4 offset $5
select n from t group by n, $1 having sum(n) > $2 * $3
select d + $1, d - $2, $3 + d, at::date + $4, at - $5::interval, (d + $6)::timestamp, d - d > $7 from t
select d - $1 = $2 from t
select max(d) - $1, min(d) + $2 from t
select count(*) from t where d between current_date - $1 and current_date + $2
select count(*) from t where d in (current_date, current_date - $1)
select date_trunc($1, at) + $2 * interval $3 from t
select extract(epoch from at)::int / $1 * $2, extract(dow from d) + $3 from t
select n from t where n % $1 = $2 and n & $3 = $4 and n | $5 > $6 and n << $7 > $8
select $1::int + $2, $3 || n, name || $4, $5 || $6 from t
select 1 from t where (n, d) in (($1, $2), ($3, $4)) and (n, d) not in (select $5, $6::date)
select * from (select n, row_number() over (order by n) as rn from t) s where rn between $1 and $1 + $2
select * from t, lateral (select n * $1 as x, $2 as y) s where s.x > $3 and s.y = n
select s.k from (select $1 as k union all select $2 union all select n from t) s where s.k > $3
select s.k from (select n as k from t union all select $1) s
with a as (select $1 as x), b as (select x + $2 as y from a) select * from t, b where n = b.y
with a as (select n, $1 as w from t), b as (select n, w * $2 as v from a) select sum(v) from b
select sum(w) from (select case when n > $1 then $2 when n > $3 then $4 else n end as w from t) s
select avg(x) from (values ($1), ($2), ($3)) v(x)
select max(x) from (values ($1), ($2)) v(x)
select x, $1 + x from unnest(array[$2, $3]) x
select a[$1], a[$2:$3], a || $4, array[$5] || a, $6 = any(a), a @> array[$7], cardinality(a) > $8 from t
select j -> $1 ->> $2, j #>> $3, j @> $4, (j ->> $5)::int + $6, j - $7, jsonb_typeof(j -> $8) = $9 from t
select jsonb_path_query(j, $1), jsonb_set(j, $2, to_jsonb($3)), jsonb_insert(j, $4, $5) from t
select lag(n, $1, $2) over w, ntile($3) over w, nth_value(n, $4) over w, sum(n) over (order by n range between $5 preceding and $6 following) from t window w as (order by n)
select round(n / $1, $2), round(n::numeric / $3, $4), n / $5::numeric, n * $6 / $7 from t
select substring(name from $1 for $2), left(name, $3), lpad(name, $4, $5), repeat($6, $7), strpos(name, $8) from t
select make_interval(days => $1, hours => $2), make_timestamp($3,$4,$5,$6,$7,$8)
select s.o from (select (d, d + $1) overlaps (current_date - $2, current_date) as o from t) s
select grouping(n), n, count(*) from t group by cube (n, (n + $1))
select distinct on (n % $1) n from t order by n % $1, n
select exists(select $1 from t where n = $2) as a, not exists (select $3), $4 in (select n from t)
select array(select $1 union select n from t)
select (select $1 + $2), (select max(n) - $3 from t), (select $4) || name from t
select case when $1 then n end, case when n = $2 and $3 then $4 end from t
select n from t where $1
select n from t where $1 and n > $2 or not $3
select bool_or($1 and n > $2), count(*) filter (where $3) from t
select n from t where coalesce(n > $1, $2) and nullif(name, $3) is not null and name is distinct from $4
select case name when $1 then $2 when $3 then $4 else $5 end * n from t
select sum(case name when $1 then n else $2 end), sum(coalesce(n, $3)), sum(nullif($4, n)) from t
select n, sum(case when name = $1 then $2 end) / nullif(sum(case when name = $3 then $4 else $5 end), $6) from t group by n
select interval $1 * $2, $3 * interval $4, age(at, $5::timestamp), justify_days(at - $6) from t
select at at time zone $1, (at at time zone $2)::date - $3, timezone($4, at) + $5::interval from t
select count(*) from t where at >= date_trunc($1, current_date) and at < date_trunc($2, current_date) + interval $3
select width_bucket(n, $1, $2, $3), width_bucket($4, array[$5, $6]) from t
select corr(n, $1), regr_slope(n, $2), string_agg(name, $3 order by n) filter (where n > $4) from t
select * from generate_series($1::date, $2::date, $3) g, generate_series($4, $5) h, t
select * from t where n = all(array[$1, $2]) or n <> all($3) or n > any(array[$4])
select id from t where $1 - d > $2 and $3 - current_date < n and $4 - (d + $5) > $6
select id from t order by array_position(array[$1, $2, $3], id), array_position(array[$4, $5], name)
select id from t where n = any (array_remove(array[$1, $2], $3)) and a && array_append(array[$4], $5) and a = array_prepend($6, array[$7])
select array_append(a, case when n > $1 then $2 else $3 end), array_position(a, $4, $5), array_positions(array[$6], n), array_replace(array[$7], n, $8) from t
select id from t where n = nullif($1, $2) and name = nullif($3, $4) and nullif($5, id) > $6
select $1 & $2, n | ($3 # $4), ~ $5, n & $6 from t where n & case when n > $7 then $8 else $9 end = $10 and $11 << $12 > n
