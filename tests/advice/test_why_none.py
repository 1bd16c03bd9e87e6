"""Why a statement gets no index, where what is scanned is not what the statement names."""

import re
from dataclasses import replace

import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.why_none import why_none
from tests.advice.builders import facts, index, table

COLUMNS = ("id|bigint|-1", "status|text|5", "body|text|-1")
WHOLE = table("events", COLUMNS, kind="p", oid=1)
PART = table("events_2026", COLUMNS, oid=2, parent_oid=1)
NEXT = table("events_2027", COLUMNS, oid=6, parent_oid=1)
HEIR = replace(table("events_old", COLUMNS, oid=3), inherits=(4,))
PARENT = table("log", COLUMNS, oid=4)
VIEW = table("recent", COLUMNS, oid=5, kind="v", keys=())
FACTS = facts(replace(WHOLE, partitions=(2, 6)), PART, NEXT, HEIR, PARENT, VIEW)


def said(sql, scanned, *tried, refused=None, condition="(body = 'x'::text)", rows=100):
    scan = {
        "Node Type": "Seq Scan", "Relation Name": scanned.name, "Schema": "public", "Alias": scanned.name,
        "Plan Rows": rows, "Total Cost": 9.0, "Filter": condition,
    }  # fmt: skip
    return why_none(
        sql, FACTS, {"Plan": {"Node Type": "Append", "Total Cost": 9.0, "Plans": [scan]}}, refused or {}, tried
    )


def test_conditions_on_a_partitioned_table_are_its_parts():
    tried = IndexDefinition(WHOLE, (IndexColumn("body"),))
    assert said("select * from events where body = $1", PART, tried) == (
        "Tried on public.events: (body). With none of them the planner expects to be any cheaper than reading it whole."
    )
    assert said("select * from events where body || status = $1", PART) == (
        "None of its conditions on public.events_2026 is one that an index could serve: body || status =."
    )
    assert said("select * from events", PART, rows=1_000_000, condition="") == (
        "It reads public.events without a condition: all of its rows are needed."
    )
    assert said("select * from events where status <> $1", PART, condition="(status <> 'x'::text)") == (
        "Its conditions on public.events_2026 exclude values of status: no index on all rows narrows that down. Where"
        " the values are the same in each call, a partial index with this WHERE holds just the others."
    )
    why = {"public.events ((to_tsvector(body)))": "functions in index expression must be marked IMMUTABLE"}
    assert said("select * from events where to_tsvector(body) = $1", PART, refused=why).startswith(
        "to_tsvector(body) depends on default_text_search_config"
    )


def test_conditions_on_one_part_are_not_anothers():
    sql = "select * from events_2026 as one, events where one.body = $1"
    tried = IndexDefinition(PART, (IndexColumn("body"),))
    assert said(sql, NEXT, tried, rows=1_000_000, condition="") == (
        "It reads public.events without a condition: all of its rows are needed."
    )


def test_a_small_part_that_is_read_with_all_others_is_no_cause():
    small = facts(WHOLE, replace(PART, rows=50.0))
    scan = {"Node Type": "Seq Scan", "Relation Name": PART.name, "Schema": "public", "Plan Rows": 50, "Total Cost": 9.0}
    assert why_none("select id from events", small, {"Plan": scan}, {}, ()) == (
        "It reads public.events without a condition: all of its rows are needed."
    )


@pytest.mark.parametrize("opclass", ["text_pattern_ops", "varchar_pattern_ops"])
def test_an_index_of_prefixes_is_named_where_a_pattern_is_not_told(opclass):
    prefixes = index("events_old_body", "body", opclasses=(opclass,), scans=7)
    indexed = facts(replace(table("log", COLUMNS, oid=4), indexes=(prefixes,)))
    scan = {
        "Node Type": "Seq Scan", "Relation Name": "log", "Schema": "public", "Plan Rows": 9, "Total Cost": 9.0,
        "Filter": "(body ~~ $1)",
    }  # fmt: skip
    assert why_none("select * from log where body like $1", indexed, {"Plan": scan}, {}, ()) == (
        "events_old_body on public.log serves LIKE with a pattern that begins with a text; one that begins with a"
        " wildcard would take a trigram index (pg_trgm)."
    )


def test_conditions_on_a_table_are_those_of_what_inherits_from_it():
    tried = IndexDefinition(HEIR, (IndexColumn("body"),))
    assert said("select * from log where body = $1", HEIR, tried).startswith("Tried on public.events_old: (body).")
    assert "without a condition" in said("select * from only log", PARENT, condition="")


def test_what_a_view_asks_is_not_said_to_be_nothing():
    sql = "select * from recent where body = $1"
    assert said(sql, PARENT) == (
        "Its own text asks nothing of public.log; a view or a function that reads it is not looked into."
    )
    tried = IndexDefinition(PARENT, (IndexColumn("body"),))  # for another statement
    assert said(sql, PARENT, tried) == (
        "Its own text asks nothing of public.log; a view or a function that reads it is not looked into. With those for"
        " other statements, (body), it gets no cheaper."
    )


def test_a_condition_that_cannot_be_read_is_not_said_to_be_none():
    assert said("select * from events where crc(body, status)", PART) == (
        "None of its conditions on public.events_2026 is one that an index could serve: crc(body, status)."
    )
    assert said("select * from only log where body > status", PARENT, condition="(body > status)").endswith(
        "A partial index with WHERE body > status holds just the rows that it asks for."
    )
    assert said("select * from only log where body <> status", PARENT, condition="(body <> status)") == (
        "None of its conditions on public.log is one that an index could serve: body <> status."
    )
    assert said("select * from only log", PARENT) == (
        "It reads public.log whole by a condition that no index could serve and that is not in its own text."
    )


ORDERS = table(
    "orders",
    (
        "id|bigint|-1", "n|integer|50", "m|integer|50", "tags|text[]|-1", "doc|jsonb|-1", "at|text|9",
        "k|integer|50|0.3", "first|timestamp without time zone|-1", "last|timestamp without time zone|-1",
        "since|timestamp with time zone|-1", "till|timestamp with time zone|-1", "a|date|-1", "b|date|-1",
    ),
)  # fmt: skip
ITEMS = table("items", ("id|bigint|-1", "n|integer|50", "m|integer|50"))


@pytest.mark.parametrize(
    ("condition", "cure"),
    [
        ("coalesce($1, n) > n", None),  # no row where there is no value
        ("n = coalesce($1, n)", "Send no condition there and n = $1 otherwise"),
        ("coalesce($1, n) <= n", "and n >= $1 otherwise"),
        ("k = coalesce($1, k)", "Send k IS NOT NULL there and k = $1 otherwise"),
        ("n = coalesce($1, m, n)", None),
        ("n = coalesce($1::numeric, n)", None),  # no index of integers is searched for a numeric
        ("n <> coalesce($1, n)", None),  # no index serves it with a value either
        ("n = coalesce(n, $1)", None),  # the value never counts
        ("n = case when $1 then $2 when $3 then $4 else n end", "and n = ... otherwise"),
        ("$1 is null or n in ($2, $3)", "called only when there is a value"),
        ("n = case when $1 then $2 when $3 then n end", None),
        ("$1 is null or n <> $2", None),
        ("$1 is null or n = m", None),
        ("$1 is null or n = $1 or m = $1", "Send n = $1 OR m = $1 only"),
        ("$1::int is null or n = $1 and m > $2", "where $1 IS NULL. Send n = $1 AND m > $2 only"),
        ("$1 is not null or n = $2", "where $1 IS NOT NULL. Send n = $2 only"),
        ("$1 = $2 or n = $3", "where $1 = $2. Send n = $3 only"),
        ("nullif($1, '') is null or at = $1", "Send at = $1 only"),
        ("cardinality($1) = 0 or n = any($1)", "Send n = ANY($1) only"),
        ("not $1 or n = $2", "where NOT $1. Send n = $2 only"),
        ("n = $1 or $2", "where $2 is true. Send n = $1 only"),
        ("(n = $1) is not false", "Send n = $1 only when"),
        ("(n = $1) is not true", None),
        ("n between coalesce($1, n) and coalesce($2, n)", "Send no condition there and n >= $1 otherwise"),
        ("set_config('a', $1, true) = $2 or n = $3", None),
        ("random() < $1 or n = $2", None),
        ("coalesce(n = $1, true)", "Send n = $1 only when"),
        ("coalesce(k = $1, true)", "Send (k = $1 OR k IS NULL) only when"),
        ("coalesce(n = any($1), true)", "or a NULL in it. Send n = ANY($1) only when there is one without NULL"),
        ("coalesce(k = any($1::int[]), true)", "Send (k = ANY($1) OR k IS NULL) only when there is one without NULL"),
        ("coalesce(n = all($1), true)", None),
        ("coalesce(n <> any($1), true)", None),
        ("coalesce(n in ($1, $2), true)", None),  # of every row where one of them is NULL
        ("coalesce(n = $1, m = $2, true)", None),
        ("case when $1 then true when $2 then n = $3 else n = $4 end", None),
        ("n = any(coalesce($1, array[n]))", "Send no condition there and n = ANY($1) otherwise"),
        ("k = any(coalesce($1::int[], array[k]))", "Send k IS NOT NULL there and k = ANY($1) otherwise"),
        ("n = any(coalesce($1::numeric[], array[n]))", None),
        ("n = any(coalesce($1, array[n, m]))", None),
        ("n = all(coalesce($1, array[n]))", None),
        ("n in (coalesce($1, n))", "Send no condition there and n = $1 otherwise"),
        ("not ($1 is not null and n <> $1)", "where $1 IS NULL. Send n = $1 only"),
        ("not ($1 is not null and not (n >= $1 and m = $2))", "where $1 IS NULL. Send n >= $1 AND m = $2 only"),
        ("not ($1 is not null and n = $1)", None),
        ("not (n <> all($1) and $1 is not null)", "Send n = ANY($1) only"),
        ("(n = $1) is true", "n = $1 by itself asks for the same rows"),
        ("coalesce(n = $1, false)", "n = $1 by itself asks for the same rows"),
        ("coalesce(n <> $1, false)", None),
        ("not (n = $1) is true", None),
        ("n > m + $1", "Asked as n - m"),
        ("n - 5 >= m", "Asked as n - m"),
        ("last > first + interval '90 minutes'", "Asked as last - first"),
        ("last > first + interval '2 days 03:00'", "Asked as last - first"),
        ("last > first + interval '1 mon'", None),
        ("last > first + interval '1' month", None),
        ("last > first + $1", None),
        ("till > since + interval '36 hours'", "Asked as till - since"),
        ("till > since + interval '1 day'", None),
        ("b > a + 7", "Asked as b - a"),
        ("b > a + interval '7 days'", None),
        ("b > a + $1", None),
        ("n > m * $1", None),
        ("n > $1 - m", None),
        ("n < at", None),
        ("exists (select from unnest(tags) t where t in ($1, $2))", "tags && ARRAY[...]"),
        ("exists (select from unnest(tags) t where lower(t) = $1)", None),
        ("exists (select from unnest(tags) t where t = at)", None),
        ("exists (select 1 from unnest(tags) t where at = $1)", None),
        ("exists (select 1 from unnest(tags) with ordinality t(v, o) where v = $1)", "tags @> ARRAY[...]"),
        ("exists (select 1 from unnest(tags) with ordinality t(v, o) where o = 1)", None),
        ("exists (select from unnest(tags) t where t = $1 and t = $2)", None),
        ("exists (select from unnest(tags) t where t = $1 limit 0)", None),
        ("not exists (select from unnest(tags) t where t = $1)", None),
        ("(select count(*) from unnest(tags) t where t = $1) = 0", None),
        ("(exists (select from unnest(tags) t where t = $1) or n <> $2)", None),
        ("$1 in (select unnest(tags))", "tags @> ARRAY[...]"),
        ("$1 in (select unnest(tags) limit $2)", None),
        ("exists (select from jsonb_array_elements(doc) e where e = $1)", None),  # @> takes larger objects, too
        ("exists (select from jsonb_array_elements(doc -> $1) e where e ->> 'n' = $2)", None),
        ("$1 not in (select unnest(tags))", None),
        ("exists (select from jsonb_each(doc) e where e.value = $1)", None),
        ("exists (select from jsonb_object_keys(doc) k where k = $1)", "doc ? '...'"),
        ("exists (select from jsonb_array_elements(doc) e where jsonb_array_length(e) = $1)", None),
        ("exists (select from jsonb_array_elements(doc) e where (e ->> 'n')::int = $1)", "doc @> '[...]'"),
    ],
)
def test_a_cure_asks_for_the_same_rows(condition, cure):
    reason = _of_orders(f"select * from orders where {condition}")
    assert "without a condition" not in reason
    if cure is None:
        assert not re.search("Send|Asked|serves that|by itself", reason), reason
    else:
        assert cure in reason


@pytest.mark.parametrize(
    ("sql", "cure"),
    [
        ("select (select count(*) from unnest(tags) t where t = $1) from orders where n <> 3", None),
        ("select * from orders, unnest(tags) t where t = $1", "tags @> ARRAY[...]"),
        ("select * from orders, unnest(tags) t where t = $1 or n = $2", None),
        ("select * from orders where exists (select 1 from items where n > m)", None),
        ("select * from orders where not exists (select 1 from items where n = coalesce($1, n))", None),
        ("select * from items where exists (select 1 from orders where n > m)", "WHERE n > m"),
        ("select * from orders x join orders y on x.n > y.m", None),
        ("select * from orders o join items i using (n) where n > o.m", None),
        ("with orders as (select * from items) select * from orders where n > m", None),
        ("select * from items i left join orders o on o.n > o.m", "WHERE o.n > o.m"),
        ("select * from orders o left join items i on o.n > o.m", None),
        ("select * from items i left join orders o on o.id = i.id where coalesce(o.n = $1, true)", "n IS NULL)"),
    ],
)
def test_a_cure_is_for_what_the_tables_own_block_asks(sql, cure):
    reason = _of_orders(sql)
    if cure is None:
        assert not re.search("Send|Asked|serves that|same row", reason), reason
    else:
        assert cure.replace("o.", "") in reason


@pytest.mark.parametrize(
    ("condition", "cure"),
    [
        ("position($1 in at) > 0", "Where it asks whether at holds a text, at LIKE '%...%' asks for the same rows"),
        ("strpos(at, 'x') = 1", "at LIKE '...%' asks for the same rows"),
        ("position($1 in at) = $2", "Another condition on at itself"),
        ("strpos(at, 'x') = 0", "Another condition on at itself"),
        ("strpos('abc', at) = 1", "Another condition on at itself"),
        ("position(lower(at) in at) > 0", "Another condition on at itself"),
        ("position('x' in lower(at)) > 0", "Another condition on at itself"),
        ("regexp_like(at, '^a')", "at ~ '...' can ask for the same rows"),
        ("regexp_like(at, '^a', 'i')", "at ~ or ~* '...' can ask"),
        ("not regexp_like(at, '^a')", "None of its conditions"),
        ("regexp_like(at, at)", "None of its conditions"),
        ("not jsonb_path_exists(doc, '$.a')", "None of its conditions"),
        ("jsonb_path_exists(doc, '$.a') is not true", "None of its conditions"),
        ("not tags @> array[$1]", "an index could serve: NOT tags @>."),
    ],
)
def test_a_function_on_a_text_has_an_operator_that_asks_for_the_same(condition, cure):
    assert cure in _of_orders(f"select * from orders where {condition}")


def test_an_or_that_excludes_is_no_other_blocks():
    excluding = "select * from orders where (n <> 1 or m = 2)"
    assert "exclude values of n" in _of_orders(excluding)
    assert "exclude" not in _of_orders(f"{excluding} union all select * from orders where (n = 1 or m = 2)")


def _of_orders(sql):
    scan = {
        "Node Type": "Seq Scan", "Relation Name": "orders", "Schema": "public", "Alias": "orders", "Plan Rows": 9,
        "Total Cost": 9.0, "Filter": "(n = m)",
    }  # fmt: skip
    return why_none(sql, facts(ORDERS, ITEMS), {"Plan": scan}, {}, ())


def test_a_reason_holds_no_value_of_a_run():
    for text in ("md5(body || 'salt') = 'x'", "body || 'salt' = 'x'", "body in ('a') and md5(body, 'salt') <> 'x'"):
        assert "salt" not in said(f"select * from events where {text}", PART)
    assert said("select * from events where md5(body || 'salt') = 'x'", PART) == (
        "md5(body || '?') is computed with a constant: an index would hold what comes of that, and serve no other"
        " value. A condition on body itself could use one, where the rest can be computed on the other side."
    )


@pytest.mark.parametrize(
    "condition",
    [
        "n = coalesce(4711, n)",
        "n - 4711 >= m",
        "4711 is null or n = 4711",
        "n = case when 4711 > 1 then 4711 else n end",
    ],
)
def test_a_cause_in_where_holds_no_value_of_a_run(condition):
    reason = _of_orders(f"select * from orders where {condition}")
    assert "4711" not in reason
    assert len(reason) > 40


def test_a_far_page_is_not_said_to_stop_soon():
    scan = {
        "Node Type": "Seq Scan", "Relation Name": "orders", "Schema": "public", "Alias": "orders", "Plan Rows": 9e5,
        "Total Cost": 9000.0,
    }  # fmt: skip
    plan = {"Plan": {"Node Type": "Limit", "Total Cost": 8000.0, "Plans": [scan]}}
    far = why_none("select * from orders offset $1 limit 10", facts(ORDERS), plan, {}, ())
    assert far.startswith("It counts off the rows before its OFFSET, one by one: the planner expects it to read 89%")
    for fenced in ("select * from orders limit 10", "select * from (select * from orders offset 0) o limit 10"):
        near = why_none(fenced, facts(ORDERS), plan, {}, ())
        assert near.startswith("It stops as soon as it has the rows")


@pytest.mark.parametrize(
    ("condition", "is_served"),
    [
        ("(body >= 'x'::text COLLATE \"C\")", True),
        ("(body = ANY ('{a,b}'::text[] COLLATE \"C\"))", True),
        ("(body <> 'x'::text COLLATE \"C\")", False),
        ("(body ~~ '%x'::text COLLATE \"C\")", False),
        ("((body = 'x'::text COLLATE \"C\") OR (status > 'x'::text))", False),
    ],
)
def test_an_index_in_another_collation_is_named_only_where_it_serves(condition, is_served):
    reason = said(f"select * from only log where {condition}", PARENT, condition=condition)
    assert ('An index on (body COLLATE "C") does.' in reason) == is_served


@pytest.mark.parametrize(
    ("condition", "piece"),
    [
        ("((id)::numeric = 5.5)", "or write it ::bigint. One with a fraction, which that would round, equals none."),
        ("((id)::numeric > 5.5)", "send floor() for id > or <=, ceil() for id < or >=."),
        ("((5.5)::numeric <= (id)::numeric)", "send floor() for id > or <="),
        ("((id)::numeric <> 5.5)", "exclude values of id"),
    ],
)
def test_a_value_with_a_fraction_is_not_rounded_away(condition, piece):
    operator = condition.split()[1]
    assert piece in said(f"select * from only log where id {operator} $1", PARENT, condition=condition)
