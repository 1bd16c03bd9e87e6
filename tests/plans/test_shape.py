"""Plans that differ in constants, figures or cosmetics have one shape; plans that differ in steps have two."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from analyzer.plans import parse_plan, parse_plans
from analyzer.plans.shape import condition_shape, shape_of

DATA = Path(__file__).parent / "data"


def shape(plan: Any) -> str:
    return shape_of(parse_plan(plan))


SCAN = {"Node Type": "Index Scan", "Schema": "public", "Relation Name": "orders", "Alias": "o",
        "Index Name": "ix", "Index Cond": "(o.id = 5)", "Filter": "(o.status = 'new'::text)",
        "Total Cost": 8.3, "Plan Rows": 1}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"Index Cond": "(o.id = 7000000)"},
        {"Index Cond": "(o.id = '-7'::integer)"},
        {"Index Cond": "(id = $1)"},
        {"Index Cond": "(o.id = (InitPlan 3).col1)"},
        {"Index Cond": "(o.id = ($1)::integer)"},
        {"Filter": "(o.status = ($1)::text)"},
        {"Filter": "(o.status = 'it''s'::text)"},
        {"Filter": "(orders.status = E'\\\\'::text)"},
        {"Total Cost": 900.0, "Plan Rows": 70, "Disabled": False, "Actual Rows": 3.0, "Actual Loops": 7},
        {"Parallel Aware": False, "Async Capable": False},
    ],
)
def test_constants_and_figures_do_not_count(change: dict[str, Any]) -> None:
    assert shape({**SCAN, **change}) == shape(SCAN)


@pytest.mark.parametrize(
    "change",
    [
        {"Node Type": "Index Only Scan"},
        {"Index Name": "ix2"},
        {"Relation Name": "customers"},
        {"Schema": "other"},
        {"Index Cond": "(o.id > 5)"},
        {"Index Cond": "(o.customer_id = 5)"},
        {"Filter": "(o.status <> 'new'::text)"},
        {"Filter": "((o.status = 'new'::text) AND (o.total > 5))"},
    ],
)
def test_what_changes_the_work_counts(change: dict[str, Any]) -> None:
    assert shape({**SCAN, **change}) != shape(SCAN)


def test_the_order_of_a_join_counts() -> None:
    a, b = ({"Node Type": "Seq Scan", "Relation Name": name} for name in "ab")
    assert shape({"Node Type": "Nested Loop", "Plans": [a, b]}) != shape({"Node Type": "Nested Loop", "Plans": [b, a]})


def scan(relation: str, alias: str) -> dict[str, Any]:
    return {"Node Type": "Seq Scan", "Parent Relationship": "Member", "Relation Name": relation, "Alias": alias,
            "Filter": f"({alias}.kind = 5)"}  # fmt: skip


def test_partitions_left_after_pruning_do_not_count() -> None:
    jan = {"Node Type": "Append", "Plans": [scan("event_2024_01", "event_1"), scan("event_2024_02", "event_2")]}
    year = {"Node Type": "Append", "Plans": [scan(f"event_2023_{m:02}", f"event_{m}") for m in range(1, 13)]}
    assert shape(jan) == shape(year)
    assert shape(scan("event_2024_01", "event")) == shape(scan("event_2024_02", "event"))
    assert shape(scan("orders", "o")) != shape(scan("customers", "c"))


@pytest.mark.parametrize(
    ("to16", "from17"),
    [
        ("(NOT (hashed SubPlan 1))", "(NOT (ANY (id = (hashed SubPlan 1).col1)))"),
        ("((hashed SubPlan 2) OR (a = 5))",
         "((ANY ((x = (hashed SubPlan 2).col1) AND (y = (hashed SubPlan 2).col2))) OR (a = 7))"),
        ("(SubPlan 1)", "EXISTS(SubPlan 1)"),
        ("(a = $0)", "(a = (InitPlan 1).col1)"),
    ],
)  # fmt: skip
def test_subplans_as_17_writes_them_do_not_count(to16: str, from17: str) -> None:
    assert condition_shape(to16) == condition_shape(from17)


# The planner of 18 really chose another plan, and 18 has no Append below SetOp.
DIFFERENT = {"anti_join", "planning_time_many_partitions", "setop_except"}


def test_saved_plans_have_one_shape_over_all_versions() -> None:
    shapes: dict[str, set[str]] = {}
    for path in DATA.glob("*.pg*.json"):
        shapes.setdefault(path.name.split(".")[0], set()).add(shape_of(parse_plans(path.read_bytes())[0]))
    assert {name for name, found in shapes.items() if len(found) > 1} == DIFFERENT
    # two pairs of statements differ in GROUP BY alone, or not at all: a shape is kept per statement
    assert len(set.union(*shapes.values())) == len(shapes) + len(DIFFERENT) - 2


@pytest.mark.postgres
def test_constants_do_not_count_on_real_servers(any_postgres) -> None:
    sql = (
        "select * from s1 a join s1 b on b.id = a.other where a.id = {0} and b.name = any ('{{x{0},y}}')"
        " and a.name not in (select name from s1 where id > {0}) and b.id > (select {0}) order by b.name limit {0}"
    )
    with any_postgres.connect() as connection:
        connection.execute("create temp table s1 (id int primary key, other int, name text); set enable_seqscan = off")
        shapes = {shape_of(parse_plan(explained(connection, sql.format(value)))) for value in (1, 77, 123456, -5 + 10)}
    assert len(shapes) == 1


def explained(connection: psycopg.Connection, sql: str) -> object:
    row = connection.execute(f"explain (verbose, format json) {sql}".encode()).fetchone()
    assert row is not None
    return row[0]
