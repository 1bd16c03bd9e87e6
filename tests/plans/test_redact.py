"""No value of the statement survives in a redacted plan; names, types and structure do."""

import json
import random
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analyzer.plans import parse_plans, redact_expression, redact_plan
from analyzer.plans.shape import shape_of

DATA = Path(__file__).parent / "data"
QUERY_IDENTIFIER = re.compile(r'"Query Identifier": -?\d+')


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("(status = 'new'::text)", "(status = '?'::text)"),
        ("(id = 4711)", "(id = ?)"),
        ("(a = '-1'::integer)", "(a = '?'::integer)"),
        ("(a > '-1e10'::double precision) AND (b < 1e10)", "(a > '?'::double precision) AND (b < ?)"),
        ("(a = 1.5) OR (b = .5) OR (c = 2.)", "(a = ?) OR (b = ?) OR (c = ?)"),
        ("a = 0xFF or a = 1_000 or a = 0b101 or a = 0o17", "a = ? or a = ? or a = ? or a = ?"),
        ("(name = 'O''Brien; drop'::text)", "(name = '?'::text)"),
        (r"(name = E'a\'b\\'::text) AND (x = 1)", "(name = '?'::text) AND (x = ?)"),
        (r"(path = 'C:\'::text) AND (x = 'secret'::text)", "(path = '?'::text) AND (x = '?'::text)"),
        (r"name = U&'d\0061t' UESCAPE '!'", "name = '?' UESCAPE '?'"),
        ('U&"d\\0061t" = 5', 'U&"d\\0061t" = ?'),
        ("flags = B'1010' or flags = x'1F' or n = N'abc'", "flags = '?' or flags = '?' or n = '?'"),
        ("a = $$it's$$ and b = $tag$x $$ 'y' $tag$ and c = $1", "a = '?' and b = '?' and c = $1"),
        ("(id = ANY ('{1,2,3}'::integer[]))", "(id = ANY ('?'::integer[]))"),
        ("(x = ANY (ARRAY[1, 2, 'c']))", "(x = ANY (ARRAY[?, ?, '?']))"),
        ("(during && '[2024-01-01,2024-02-01)'::daterange)", "(during && '?'::daterange)"),
        ("((email)::text ~~ '%@acme.com'::text)", "((email)::text ~~ '%?'::text)"),
        ("(name ~~ 'Smi%'::text) OR (name ~~ '%mit%'::text)", "(name ~~ '?%'::text) OR (name ~~ '%?%'::text)"),
        ("(x1 = \"x 2\") AND (\"we\"\"ird 3\".col4 = t5.c$6)", "(x1 = \"x 2\") AND (\"we\"\"ird 3\".col4 = t5.c$6)"),
        ("(a = (InitPlan 1).col1) AND (NOT (hashed SubPlan 12)) AND (b = $0)",
         "(a = (InitPlan 1).col1) AND (NOT (hashed SubPlan 12)) AND (b = $0)"),
        ("(alternatives: SubPlan 1 or hashed SubPlan 2)", "(alternatives: SubPlan 1 or hashed SubPlan 2)"),
        ("(x)::numeric(10,2) = 7", "(x)::numeric(10,2) = ?"),
        ("('a'::character varying(40))::text", "('?'::character varying(40))::text"),
        ("(t)::timestamp(3) without time zone > '2024-01-01 00:00:00'::timestamp without time zone",
         "(t)::timestamp(3) without time zone > '?'::timestamp without time zone"),
        ("('3 days'::interval day to second(3))", "('?'::interval day to second(3))"),
        ("(v <-> '[1,2,3]'::vector(3))", "(v <-> '?'::vector(3))"),
        ("(b = '101'::bit varying(5)) AND (c = 'x'::pg_catalog.\"char\")",
         "(b = '?'::bit varying(5)) AND (c = '?'::pg_catalog.\"char\")"),
        ("(arr[3] = 4)", "(arr[?] = ?)"),
        ("generate_series(1, 1000)", "generate_series(?, ?)"),
        ("cast(x as numeric(10,2)) = 5", "cast(x as numeric(10,2)) = ?"),
        ("select 1 /* user 42 /* nested 'x */ */ from t -- secret 7\nwhere a = 2",
         "select ? /* ? */ from t /* ? */\nwhere a = ?"),
        ("(x = 'never ends", "(x = '?'"),
        ("/* never ends 5", "/* ? */"),
        ("$x$ never ends", "'?'"),
        ("\"never ends 5", "\"never ends 5"),
        ("(SELECT price FROM t5 LIMIT 10 OFFSET 20)", "(SELECT price FROM t5 LIMIT ? OFFSET ?)"),
        ("(größe3 = 'ß'::text)", "(größe3 = '?'::text)"),
        ("a-1 = -5", "a-? = -?"),
        ("COALESCE(a, 'x'::text COLLATE \"C\")", "COALESCE(a, '?'::text COLLATE \"C\")"),
        ("(date_trunc('month'::text, t) = '2024-01-01'::date)", "(date_trunc('month'::text, t) = '?'::date)"),
        ("date_part('Year', t) = 2024 AND x = 'year'", "date_part('Year', t) = ? AND x = '?'"),
        ("date_trunc('day', t, 'Europe/Berlin')", "date_trunc('day', t, '?')"),
        ("app.date_trunc('month', t) OR my_date_trunc('month', t)", "app.date_trunc('?', t) OR my_date_trunc('?', t)"),
        ("date_trunc('secret', t) = date_trunc('days", "date_trunc('?', t) = date_trunc('?'"),
        ("1", "?"),
        ("", ""),
    ],
)  # fmt: skip
def test_literals_go_and_the_rest_stays(text: str, redacted: str) -> None:
    assert redact_expression(text) == redacted
    assert redact_expression(redacted) == redacted, "redacting twice changes nothing"


def test_every_kind_of_field() -> None:
    node: dict[str, Any] = {
        "Node Type": "Foreign Scan", "Relation Name": "t5", "Alias": "t5_1", "Index Name": "ix 7", "Schema": "s1",
        "Subplan Name": "InitPlan 1 (returns $0,$1)", "Actual Rows": 12.5, "Parallel Aware": False,
        "Filter": "(a = 'secret')", "Output": ["a1", "'secret'::text", "(b + 77)"], "Sort Key": ["(a || 'secret')"],
        "Remote SQL": "SELECT a FROM public.t WHERE ((b = 'secret'))", "Something New": "(c = 'secret')",
        "Foreign File": "/home/secret/file.csv", "Group Key": ["('secret'::text)"],
        "Grouping Sets": [{"Hash Keys": [["a", "('secret'::text)"]]}],
        "Workers": [{"Worker Number": 0, "Sort Method": "quicksort", "Note": "'secret'"}],
        "Plans": [{"Node Type": "Result", "One-Time Filter": "(5 = 77)"}],
    }  # fmt: skip
    plan = [{
        "Plan": node, "Query Text": "select 'secret' -- secret", "Query Parameters": "$1 = 'secret', $2 = NULL",
        "Settings": {"work_mem": "64kB", "enable_seqscan": "off", "search_path": '"$user", public, shop',
                     "x.options": "-c x=secret", "role": "secret"},
        "Triggers": [{"Trigger Name": "t 9", "Relation": "t5", "Calls": 3}],
    }]  # fmt: skip
    before = json.dumps(plan)
    redacted = redact_plan(plan)
    assert json.dumps(plan) == before, "the given plan is left as it was"
    assert "secret" not in json.dumps(redacted)
    assert "77" not in json.dumps(redacted)
    assert redacted == [{
        "Plan": {
            "Node Type": "Foreign Scan", "Relation Name": "t5", "Alias": "t5_1", "Index Name": "ix 7", "Schema": "s1",
            "Subplan Name": "InitPlan 1 (returns $0,$1)", "Actual Rows": 12.5, "Parallel Aware": False,
            "Filter": "(a = '?')", "Output": ["a1", "'?'::text", "(b + ?)"], "Sort Key": ["(a || '?')"],
            "Remote SQL": "SELECT a FROM public.t WHERE ((b = '?'))", "Something New": "(c = '?')",
            "Foreign File": "?", "Group Key": ["('?'::text)"],
            "Grouping Sets": [{"Hash Keys": [["a", "('?'::text)"]]}],
            "Workers": [{"Worker Number": 0, "Sort Method": "quicksort", "Note": "'?'"}],
            "Plans": [{"Node Type": "Result", "One-Time Filter": "(? = ?)"}],
        },
        "Query Text": "select '?' /* ? */", "Query Parameters": "$1 = '?', $2 = NULL",
        "Settings": {"work_mem": "64kB", "enable_seqscan": "off", "search_path": '"$user", public, shop',
                     "x.options": "?", "role": "?"},
        "Triggers": [{"Trigger Name": "t 9", "Relation": "t5", "Calls": 3}],
    }]  # fmt: skip


def test_text_is_taken_too_and_decoded_plans_of_any_depth() -> None:
    assert redact_plan('[{"Plan": {"Node Type": "Result", "Filter": "(a = 5)"}}]') == [
        {"Plan": {"Node Type": "Result", "Filter": "(a = ?)"}}
    ]
    plan: dict[str, Any] = {}
    for _ in range(5000):
        plan = {"Node Type": "Result", "Filter": "(a = 5)", "Plans": [plan]}
    redacted = redact_plan([plan])
    levels = 0
    while "Plans" in redacted[0]:
        assert redacted[0]["Filter"] == "(a = ?)"
        redacted, levels = redacted[0]["Plans"], levels + 1
    assert levels == 5000


def test_redacted_plans_keep_shape_times_and_labels() -> None:
    for path in sorted(DATA.glob("*.pg*.json")):
        for plan, redacted in zip(
            parse_plans(path.read_bytes()), parse_plans(redact_plan(path.read_bytes())), strict=True
        ):
            assert shape_of(redacted) == shape_of(plan), path.name
            assert [(n.label, n.exclusive_time_ms) for n in redacted] == [(n.label, n.exclusive_time_ms) for n in plan]


CANARY_WORD, CANARY_NUMBER = "Xyzzy", "90210"
QUOTINGS = (
    "'{w}'", "'{w}''{n}'", "'''{w}'", "'{w}'''", "E'{w}'", r"E'\'{w}\\'", r"e'{n}\\\'{w}'", r"U&'\0041{w}'",
    "B'{n}'", "X'{n}'", "N'{w}'", "$${w}$$", "$q${w} $$ '{n}$q$", "'{{{w},\"{n}\",NULL}}'::text[]",
    "'[{n},{n}1)'::int4range", "{n}", "{n}.5", ".{n}", "{n}e10", "'-{n}'::integer", "-{n}",
    "'{w}'::character varying(9)", "'{n}'::numeric(7,2)", "ROW({n}, '{w}')", "ARRAY['{w}', '{n}']",
    "/* {w} '{n} */ 1", "-- {w} {n}\n2", "'%{w}%'", "'{w}\n{n}'", "'/*{w}'", "'--{w}'", "'\"{w}'", "'${n}'",
    "'$${w}'",
)  # fmt: skip
PIECES = (
    "(a1 = {l})", "((b)::text = {l})", "f2({l}, x3)", "(\"q'uoted\" > {l})", "(\"a$$b\" <> {l})",
    "CASE WHEN {l} THEN a ELSE {l} END", "(c = ANY ({l}))", "(NOT (hashed SubPlan 3)) OR ({l} = $4)",
    "(x - {l})", "(d ->> {l})", "(e::numeric(10,2) = {l})", "a$b = {l}", "({l} COLLATE \"C\")", "x@>{l}",
    "date {l}", "interval {l}",
)  # fmt: skip
KEYS = (
    "Filter",
    "Index Cond",
    "Output",
    "Sort Key",
    "Remote SQL",
    "Cache Key",
    "Run Condition",
    "Never Heard Of",
    "Query Text",
)


def test_no_canary_survives_in_any_quoting_place_or_field() -> None:
    chance = random.Random(20240101)

    def literal() -> str:
        return chance.choice(QUOTINGS).format(w=CANARY_WORD, n=CANARY_NUMBER)

    def expression() -> str:
        pieces = [chance.choice(PIECES).replace("{l}", literal()) for _ in range(chance.randint(1, 4))]
        return chance.choice((" AND ", " OR ", ", ", "\n")).join(pieces)

    for _ in range(4000):
        key = chance.choice(KEYS)
        value: Any = [expression(), expression()] if key in ("Output", "Sort Key") else expression()
        redacted = redact_plan([{"Plan": {"Node Type": "X", key: value}}])[0]["Plan"][key]
        shown = redacted if isinstance(redacted, str) else "\n".join(redacted)
        assert CANARY_WORD not in shown, (value, redacted)
        assert CANARY_NUMBER not in shown, (value, redacted)


STATEMENTS = (
    "select name || 'Xyzzy90210', amount + 90210 from t90 where name = 'Xyzzy90210' and amount > -90210.5",
    r"select * from t90 where name = any (array['Xyzzy90210', E'Xyzzy90210\n\'']) or id in (90210, 90211)"
    " order by name || 'Xyzzy90210'",
    "select * from t90 where span && '[90210,90219)'::int4range and flags = B'11010' and raw = '\\x90210f'",
    "select (select max(id) from t90 u where u.id < 90210) , count(*) filter (where name like '%Xyzzy90210%')"
    " from t90 group by name || 'Xyzzy90210'",
    "select * from generate_series(90210, 90219) g, json_to_record('{\"Xyzzy90210\": 1}') as x(a int)"
    " where g = 90210 limit 90210 offset 90210",
    "select *, row_number() over (partition by name || 'Xyzzy90210' order by id) from t90"
    " where tm > '90210-01-01'::timestamp",
    "with c as materialized (select * from t90 where id = 90210) select * from c where name = 'Xyzzy90210' union all"
    " values (90210, 'Xyzzy90210', 1, null::int4range, null::bit(5), null::bytea, null::timestamp)",
    "insert into t90(id, name) values (90210, 'Xyzzy90210') on conflict (id) do update set name = 'Xyzzy90210'"
    " where t90.name <> 'Xyzzy90210'",
    "update t90 set name = 'Xyzzy90210' where ctid = '(90210,1)' and doc @> '{\"Xyzzy90210\": 90210}'",
)  # fmt: skip


@pytest.mark.postgres
def test_no_canary_survives_in_plans_of_real_servers(any_postgres) -> None:
    with any_postgres.connect() as connection:
        connection.execute(
            "create temp table t90 (id int primary key, name text, amount numeric(12,2), span int4range, flags bit(5),"
            " raw bytea, tm timestamp); "
        )
        connection.execute("set enable_seqscan = off; set work_mem = '90kB'")
        for sql in STATEMENTS:
            if "doc @>" in sql:
                connection.execute("alter table t90 add doc jsonb")
            text = explained(connection, sql)
            assert CANARY_NUMBER in text or CANARY_WORD in text, "the server printed no canary: the test shows nothing"
            redacted = QUERY_IDENTIFIER.sub("", json.dumps(redact_plan(text)))  # which may hold any digits
            assert CANARY_NUMBER not in redacted, (sql, redacted)
            assert CANARY_WORD not in redacted, (sql, redacted)
            assert '"t90"' in redacted or "generate_series" in redacted


def explained(connection: psycopg.Connection, sql: str) -> str:
    row = connection.execute(f"explain (verbose, settings, format json) {sql}".encode()).fetchone()
    assert row is not None
    return json.dumps(row[0])
