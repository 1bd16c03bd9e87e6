"""What counts as writes of a table where no counters were read twice: its statements, without what filled it."""

import pytest

from analyzer.advice.planner import Query
from analyzer.advice.selection.table_writes import table_writes
from tests.advice.builders import facts, table
from tests.advice.table_planner import TablePlanner

FILL = "insert into t0 select g from generate_series(1, 60000) g"


def inserted(calls, rows_per_call, sql=FILL, others=()):
    made = facts(table("t0", ["id|bigint|-1"], rows=60_000, oid=100), *others)
    query = Query("q", "q", sql, 24.0, kind="insert", rows_per_call=rows_per_call, calls=calls)
    planner = TablePlanner({}, {}, rows_written={"q": 1000})
    found = table_writes([query], made, planner, {})
    return found[100].inserted if 100 in found else 0.0


@pytest.mark.parametrize(("calls", "rows_per_call"), [(1, 60_000), (10, 6_000), (1, 70_000)])
def test_what_filled_the_table_is_no_write_of_a_day(calls, rows_per_call):
    assert inserted(calls, rows_per_call) == 0


@pytest.mark.parametrize(
    ("calls", "rows_per_call"),
    [(60_000, 1), (100, 600), (2, 60_000), (None, 60_000)],
    ids=["row by row", "in batches", "loaded again", "calls not known"],
)
def test_what_goes_on_is_counted_as_measured(calls, rows_per_call):
    assert inserted(calls, rows_per_call) == 24 * rows_per_call


def test_an_upsert_fills_nothing():
    assert inserted(1, 60_000, FILL + " on conflict (id) do update set id = 1") == 24 * 30_000  # assumed: half


def test_tables_of_one_name_that_are_counted_as_one_are_filled_together():
    twin = table("t0", ["id|bigint|-1"], rows=60_000, oid=101, schema="tenant_2")
    assert inserted(2, 60_000, others=[twin]) == 0
