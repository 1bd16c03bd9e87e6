"""Queries inside utilities: cut out character by character, or left alone."""

import tracemalloc

import pytest

from analyzer.statements.inner_query import fetched_cursor, inner_query, planned_query, refreshed_view

INNER = [
    (
        'declare "_django_curs_1_2" no scroll cursor with hold for select id, note from o where cust = $1;',
        "DECLARE CURSOR",
        "select id, note from o where cust = $1",
        True,
    ),
    (
        "declare c cursor for with x as (select 1) select * from x for update",
        "DECLARE CURSOR",
        "with x as (select 1) select * from x for update",
        True,
    ),
    (
        'declare "select" scroll cursor for (select 1) union (select 2)',
        "DECLARE CURSOR",
        "(select 1) union (select 2)",
        True,
    ),
    (
        "create table x as select * from o where n = 'a' with no data",
        "CREATE TABLE AS",
        "select * from o where n = 'a'",
        False,
    ),
    ("create table x (a, b) as (select 1, 2) with data", "CREATE TABLE AS", "(select 1, 2)", True),
    ("create temp table t with (fillfactor=10) on commit drop as table o", "CREATE TABLE AS", "table o", True),
    ("create materialized view v as select * from o", "CREATE MATERIALIZED VIEW", "select * from o", True),
    ("copy (select * from o where a = (1)) to stdout with (format csv)", "COPY", "select * from o where a = (1)", True),
    ("copy (insert into o values (1) returning id) to stdout", "COPY", "insert into o values (1) returning id", True),
    ("prepare p(int, text) as update o set n = $2 where id = $1", "PREPARE", "update o set n = $2 where id = $1", True),
    ("explain select 1", "EXPLAIN", "select 1", False),
    ("explain (analyze off) select 1", "EXPLAIN", "select 1", False),
    ("explain (analyze, costs off) select * from o", "EXPLAIN", "select * from o", True),
    (
        "explain analyze verbose declare c cursor for select * from ü where x = 'ä'",
        "EXPLAIN",
        "select * from ü where x = 'ä'",
        True,
    ),
    ("explain (analyze) create table x as select * from o", "EXPLAIN", "select * from o", True),
    ("select 'ää', b into temp table s.\"X y\" from ö.o", "SELECT INTO", "select 'ää', b  from ö.o", True),
]


@pytest.mark.parametrize(("sql", "wrapped_in", "inner", "runs"), INNER)
def test_the_query_is_cut_out_of_its_utility(sql, wrapped_in, inner, runs):
    found = inner_query(sql)
    assert found is not None
    assert (found.wrapped_in, found.sql, found.runs) == (wrapped_in, inner, runs)
    assert planned_query(sql) == inner


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "create table x as execute p(1)",
        "explain execute p(1)",
        "copy o to stdout",
        "create table x (a int)",
        "create view v as select 1",
        "fetch 5 from c",
        "vacuum o",
        "declare c cursor for",
        "select 1; select 2",
        "",
        None,
    ],
)
def test_what_holds_no_query(sql):
    assert inner_query(sql) is None


def test_cursors_and_refreshed_views_are_known_by_name():
    assert inner_query('declare "A b" cursor for select 1').cursor == "A b"
    assert fetched_cursor('fetch forward 2000 from "A b"') == "A b"
    assert fetched_cursor("move all in c") == "c"
    assert fetched_cursor("close c") is None
    assert refreshed_view("refresh materialized view concurrently s.m") == ("s", "m")
    assert refreshed_view("refresh materialized view m with no data") is None


def test_long_texts_do_not_stay_in_memory():
    tracemalloc.start()
    try:
        for n in range(100):
            assert inner_query(f"select {n}, '{'x' * 90_000}'") is None
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 5_000_000
