"""Which constants of a run get into an index, and which are values that it must not keep."""

import pytest

from analyzer.statements.index_expressions import can_be_key
from analyzer.statements.sampled_literals import texts_with_deciding_constants


def told(condition, *runs):
    start = "select * from t where "
    texts = texts_with_deciding_constants(start + condition, [start + run for run in runs])
    return [text.removeprefix(start) for text in texts]


@pytest.mark.parametrize(
    ("condition", "run"),
    [
        ("md5(password || $1) = $2", "md5(password || 'session-salt-9') = 'x'"),
        ("md5(concat(password, $1)) = $2", "md5(concat(password, 'session-salt-9')) = 'x'"),
        ("hmac(email, $1, $2) = $3", "hmac(email, 'topsecret', 'sha256') = 'x'"),
        ("pgp_sym_decrypt(ssn, $1) = $2", "pgp_sym_decrypt(ssn, 'master-key-1') = 'x'"),
        ("crypt($1, password) = password", "crypt('hunter2', password) = password"),
        ("abs(lat - $1) < $2", "abs(lat - 52.51) < 0.1"),
        ("acos(sin($1) * sin(lat)) < $2", "acos(sin(0.9) * sin(lat)) < 0.1"),
        ("power(lat - $1, $2) < $3", "power(lat - 52.51, 2) < 0.1"),
        ("age($1, made) > $2", "age('2026-11-30', made) > '1 day'"),
        ("price * $1 > $2", "price * 1.2 > 3"),
        ("loc <-> point($1, $2) < $3", "loc <-> point(1, 2) < 3"),
        ("left($1, n) = name", "left('looked for', n) = name"),
        ("replace(body, $1, '') = body", "replace(body, 'looked for', '') = body"),
        ("nullif(token, $1) = $2", "nullif(token, 'abc') = 'x'"),
        ("coalesce(tenant, $1) = $2", "coalesce(tenant, 42) = 42"),  # everybody's rows and those of one
        ("doc ->> $1 = $2", "doc ->> 'bob@example.org' = 'x'"),
        ("doc ->> $1 = $2", "doc ->> 'a41f3c2e-51d0-4c1b' = 'x'"),
        ("doc ->> $1 = $2 and name = $1", "doc ->> 'a' = 'x' and name = 'a'"),  # told once, it is told everywhere
        ("id > 1 order by case id when $1 then 0 else 1 end", "id > 1 order by case id when 7 then 0 else 1 end"),
        ("id > 1 order by abs(price - $1)", "id > 1 order by abs(price - 100)"),
        ("jsonb_path_query_first(doc, $1) = $2", "jsonb_path_query_first(doc, '$.a ? (@.pin == \"1234\")') = '1'"),
        # functions of an application
        ("anon.digest(email, $1, $2) = $3", "anon.digest(email, 'S3cretSalt-of-prod', 'sha256') = 'x'"),
        ("digest(email, $1, $2) = $3", "digest(email, 'S3cretSalt-of-prod', 'sha256') = 'x'"),
        ("app.decode(card, $1) = $2", "app.decode(card, 'base64') = 'x'"),
        ("app.concat(a, $1) = $2", "app.concat(a, '-') = 'x'"),
        # what PostgreSQL's own take, and no other text
        ("encode(card, $1) = $2", "encode(card, 'hunter-master-key') = 'x'"),
        ("translate(card, $1, $2) = $3", "translate(card, '0123456789', '8301947265') = 'x'"),
        ("to_char(d, $1) = $2", """to_char(d, '"Jane Doe"YYYY') = 'x'"""),
        ("to_char(d, $1) = $2", "to_char(d, 'SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSx') = 'x'"),
        ("date_trunc($1, d) = $2", "date_trunc('jane', d) = 'x'"),
        ("setweight(v, 'A', $1) = $2", "setweight(v, 'A', '{jane}') = 'x'"),
        ("to_tsvector($1) || v @@ $2", "to_tsvector('jane') || v @@ 'x'"),
        # data in the place of a field
        ("jsonb_path_query_first(doc, $1) = $2", """jsonb_path_query_first(doc, '$."4111 1111 1111 1111"') = '1'"""),
        ("jsonb_path_query_first(doc, $1) = $2", """jsonb_path_query_first(doc, '$.a."Jane Doe"') = '1'"""),
        ("jsonb_path_query_first(doc, $1) = $2", "jsonb_path_query_first(doc, '$.a[411111111]') = '1'"),
        ("doc -> $1 = $2", "doc -> 411111111 = '1'"),
        ("doc -> $1 = $2", "doc -> 4111111111111111 = '1'"),
        ("doc ->> $1 = $2", "doc ->> 'Jane Doe' = 'x'"),
        ("doc ->> $1 = $2", "doc ->> 'Doe,Jane' = 'x'"),
        ("doc ->> $1 = $2", "doc ->> 'sk_live_AbCdEfGhIjKlMnOpQr' = 'x'"),
        ("doc ->> $1 = $2", "doc ->> 'sK4y' = 'x'"),
        ("doc ->> $1 = $2", "doc ->> 'f3a9' = 'x'"),
        ("doc #>> $1 = $2", """doc #>> '{a,"Doe,Jane"}' = 'x'"""),
        ("doc #>> array['a', $1] = $2", "doc #>> array['a', 'Jane Doe'] = 'x'"),
        # short ones
        ("md5(email || $1) = $2", "md5(email || 'x9-2k') = 'x'"),
        ("md5(concat_ws($1, a, b)) = $2", "md5(concat_ws('x9', a, b)) = 'x'"),
        ("coalesce(email, $1) = $2", "coalesce(email, '42') = 'x'"),
        ("nullif(email, $1) = $2", "nullif(email, 'jo') = 'x'"),
        ("replace(card, $1, '') = $2", "replace(card, 'x9-2k', '') = 'x'"),
        ("regexp_replace(email, $1, '') = $2", "regexp_replace(email, '^jo@', '') = 'x'"),
        ("replace(card, ($1)::text, '') = $2", "replace(card, (1234)::text, '') = 'x'"),
    ],
)  # fmt: skip
def test_a_value_of_a_run_is_not_told(condition, run):
    assert told(condition, run) == [condition]


@pytest.mark.parametrize(
    ("condition", "run", "wanted"),
    [
        ("doc ->> $1 = $2", "doc ->> 'sku' = 'x'", "doc ->> 'sku' = $2"),
        ("(doc -> $1 ->> $2)::int > $3", "(doc -> 'a' ->> 'line1')::int > 3", "(doc -> 'a' ->> 'line1')::int > $3"),
        ("doc #>> $1 = $2", "doc #>> '{a,0,b}' = 'x'", "doc #>> '{a,0,b}' = $2"),
        ("date_trunc($1, made) = $2", "date_trunc('day', made) = '2026-01-01'", "date_trunc('day', made) = $2"),
        ("made at time zone $1 > $2", "made at time zone 'UTC' > '2026-01-01'", "made at time zone 'UTC' > $2"),
        (
            "to_tsvector($1, coalesce(a, $2) || $3 || b) @@ to_tsquery($4)",
            "to_tsvector('english', coalesce(a, '') || ' ' || b) @@ to_tsquery('word')",
            "to_tsvector('english', coalesce(a, '') || ' ' || b) @@ to_tsquery($4)",
        ),
        ("coalesce(x, $1) > $2", "coalesce(x, 0) > 0", "coalesce(x, 0) > $2"),
        ("x % $1 = $2", "x % 16 = 3", "x % 16 = $2"),
        ("regexp_replace(phone, $1, $2, $3) = $4", "regexp_replace(phone, '[^0-9]', '', 'g') = '1'",
         "regexp_replace(phone, '[^0-9]', '', 'g') = $4"),
        ("left(code, $1) = $2", "left(code, 4) = 'abcd'", "left(code, 4) = $2"),
        ("to_char(made, $1) = $2", "to_char(made, 'YYYY_MM-DD HH24:MI') = 'x'",
         "to_char(made, 'YYYY_MM-DD HH24:MI') = $2"),
        ("made at time zone $1 > $2", "made at time zone 'America/Port-au-Prince' > '2026-01-01'",
         "made at time zone 'America/Port-au-Prince' > $2"),
        ("date_bin($1, made, $2) = $3", "date_bin('15 minutes', made, '2001-01-01') = 'x'",
         "date_bin('15 minutes', made, '2001-01-01') = $3"),
        ("encode(digest(email, $1), $2) = $3", "encode(digest(email, 'sha256'), 'hex') = 'x'",
         "encode(digest(email, 'sha256'), 'hex') = $3"),
        ("doc ->> $1 = $2", "doc ->> 'http.statusCode' = 'x'", "doc ->> 'http.statusCode' = $2"),
        ("jsonb_path_query_first(doc, $1) = $2", "jsonb_path_query_first(doc, '$.a[0].b') = '1'",
         "jsonb_path_query_first(doc, '$.a[0].b') = $2"),
        ("split_part(mail, $1, $2) = $3", "split_part(mail, '@', 2) = 'x'", "split_part(mail, '@', 2) = $3"),
        ("lpad(code, $1, $2) = $3", "lpad(code, 10, '0') = 'x'", "lpad(code, 10, '0') = $3"),
        ("id > 1 order by coalesce(x, $1)", "id > 1 order by coalesce(x, 0)", "id > 1 order by coalesce(x, 0)"),
        ("upper(a) like upper($1)", "upper(a) like upper('x%')", "upper(a) like upper('x%')"),
    ],
)  # fmt: skip
def test_what_shapes_an_expression_is_told(condition, run, wanted):
    assert told(condition, run) == [wanted]


def test_runs_have_to_agree_on_what_an_index_would_hold_and_not_on_patterns():
    same = ("doc ->> 'sku' = 'x'", "doc ->> 'sku' = 'y'")
    assert told("doc ->> $1 = $2", *same) == ["doc ->> 'sku' = $2"]
    assert told("doc ->> $1 = $2", *same, "doc ->> 'name' = 'y'") == ["doc ->> $1 = $2"]
    assert told("a like $1", "a like 'x%'", "a like '%x'") == ["a like 'x%'", "a like '%x'"]


def test_no_key_of_an_index_holds_a_value():
    values = (
        "md5(password || 'salt')", "crypt('hunter2', password)", "hmac(email, 'key', 'sha256')", "abs(lat - 52.51)",
        "power(lat, 2)", "price * 1.2", "loc <-> point(1, 2)", "age('2026-11-30', made)", "a || 'secret'",
        "left('looked for', n)", "my_function(a, 'x')", "a = 'x'", "'x' like a || '%'", "nullif(a, 'secret')",
        "pin || 1234", "replace(card, 4111111111111111::text, '')",
        "app.decode(card, 'hunter2-master-key')", "translate(card, '0123456789', '8301947265')",
        "case when a = 'x' then 0 else 1 end", "jsonb_path_query_first(doc, '$.a ? (@.pin == \"1234\")')",
    )  # fmt: skip
    shaped = (
        "doc ->> 'sku'", "(doc['a'])::text", "date_trunc('day', made)", "extract(dow from made)", "x % 16",
        "to_tsvector('english', coalesce(a, '') || ' ' || b)", "coalesce(x, 0)", "nullif(trim(a), '')",
        "(made at time zone 'UTC')::date", "substring(a from 1 for 3)", "regexp_replace(a, '[^[:digit:]]', '', 'g')",
        "encode(digest(email, 'sha256'), 'hex')", "case when a is null then 0 else 1 end", "name::varchar(10)",
        # typed by somebody who asks; of a run they are not told
        "coalesce(status, 'unknown')", "doc ->> 'bob@example.org'",
    )  # fmt: skip
    assert [text for text in values if can_be_key(text)] == []
    assert [text for text in shaped if not can_be_key(text)] == []
