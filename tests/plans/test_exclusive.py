"""Exclusive times and buffers, against the reference for saved plans of seven versions and on real servers."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from analyzer.plans import Plan, PlanNode, parse_plan, parse_plans

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected_exclusive_times.json").read_text())
SAVED = sorted(path.name for path in DATA.glob("*.pg*.json"))


def saved(name: str) -> list[Plan]:
    return parse_plans((DATA / name).read_bytes())


def test_every_saved_plan_has_an_expectation() -> None:
    assert sorted(EXPECTED) == SAVED
    assert len(SAVED) > 150


@pytest.mark.parametrize("name", SAVED)
def test_exclusive_times_are_the_reference(name: str) -> None:
    plan, expected = saved(name)[0], EXPECTED[name]  # of several plans, the reference has the first
    assert [node.exclusive_time_ms for node in plan] == pytest.approx(expected["exclusive_ms"], abs=0.0011)
    assert plan.root.total_time_ms == pytest.approx(expected["root_total_ms"], abs=0.0005)
    own_rounding = [0.0005 * (node.loops or 0) / node.processes for node in plan]
    assert own_rounding == pytest.approx(expected["error_ms"], abs=0.0001)


@pytest.mark.parametrize("name", SAVED)
def test_exclusive_times_add_up_and_none_is_below_zero_by_more_than_rounding(name: str) -> None:
    for plan in saved(name):
        assert_adds_up(plan)


def assert_adds_up(plan: Plan) -> None:
    inside = [node for node in plan if not node.is_after_root]
    total = sum(node.exclusive_time_ms or 0 for node in inside)
    assert total == pytest.approx(plan.root.total_time_ms, abs=1e-6)
    # an InitPlan or CTE charged to a node brings its own rounding along
    lazy = sum(0.0005 * (n.loops or 0) for n in plan if n.parent_relationship == "InitPlan")
    for node in plan:
        assert (node.exclusive_time_ms or 0) >= -(node.exclusive_time_error_ms or 0) - lazy - 1e-9, node


@pytest.mark.parametrize("name", SAVED)
def test_exclusive_buffers_add_up_to_the_root(name: str) -> None:
    for plan in saved(name):
        root = plan.root.buffers
        if root is None:
            continue
        for counter in ("shared_hit_blocks", "shared_read_blocks", "temp_read_blocks", "temp_written_blocks"):
            own = [getattr(node.exclusive_buffers, counter) for node in plan]
            assert min(own) >= 0
            assert sum(own) == getattr(root, counter), counter


def node(plan: Plan, node_type: str) -> PlanNode:
    return next(n for n in plan if n.node_type == node_type)


def test_processes_come_from_loops_not_from_workers_launched() -> None:
    """The leader took no part: 2 workers launched, 2 processes, not 3."""
    scan = {"Node Type": "Seq Scan", "Parallel Aware": True, "Actual Total Time": 15.3, "Actual Startup Time": 0.1,
            "Actual Rows": 1, "Actual Loops": 2, "Parent Relationship": "Outer"}  # fmt: skip
    gather = {"Node Type": "Gather", "Workers Launched": 2, "Actual Total Time": 20.6, "Actual Startup Time": 1,
              "Actual Rows": 2, "Actual Loops": 1, "Plans": [scan]}  # fmt: skip
    plan = parse_plan(gather)
    assert [n.processes for n in plan] == [1.0, 2.0]
    assert [n.exclusive_time_ms for n in plan] == pytest.approx([5.3, 15.3])


@pytest.mark.parametrize(
    ("subplan_name", "used", "not_used"),
    [("InitPlan 1 (returns $1)", "(a = $1)", "(b = $10)"),
     ("InitPlan 1", "(a = (InitPlan 1).col1)", "(b = (InitPlan 10).col1)")],
)  # fmt: skip
def test_an_initplan_is_paid_by_who_asks_for_it_not_by_a_similar_number(
    subplan_name: str, used: str, not_used: str
) -> None:
    plan = parse_plan(
        {"Node Type": "Append", "Actual Total Time": 130, "Actual Rows": 1, "Actual Loops": 1, "Plans": [
            {"Node Type": "Result", "Parent Relationship": "InitPlan", "Subplan Name": subplan_name,
             "Actual Total Time": 50, "Actual Rows": 1, "Actual Loops": 1},
            {"Node Type": "Seq Scan", "Relation Name": "a", "Filter": used, "Actual Total Time": 60, "Actual Rows": 1,
             "Actual Loops": 1},
            {"Node Type": "Seq Scan", "Relation Name": "b", "Filter": not_used, "Actual Total Time": 70,
             "Actual Rows": 1, "Actual Loops": 1},
        ]}
    )  # fmt: skip
    assert [n.exclusive_time_ms for n in plan] == [0, 50, 10, 70]


def test_plain_explain_and_timing_off_have_no_times() -> None:
    plain = parse_plan({"Node Type": "Seq Scan", "Total Cost": 1.0, "Plan Rows": 1})
    assert (plain.is_analyzed, plain.root.loops, plain.root.exclusive_time_ms) == (False, None, None)
    assert plain.root.exclusive_buffers is None
    untimed = parse_plan({"Node Type": "Seq Scan", "Actual Rows": 3, "Actual Loops": 2})
    assert (untimed.is_analyzed, untimed.has_timing, untimed.root.total_actual_rows) == (True, False, 6)
    assert (untimed.root.exclusive_time_ms, untimed.root.exclusive_time_error_ms) == (None, None)


def test_a_node_never_executed_took_no_time() -> None:
    plan = saved("merge_append.pg15.json")[0]
    never = [n for n in plan if n.loops == 0]
    assert never
    assert {n.exclusive_time_ms for n in never} == {0.0}


# Plans where subtracting the children's times goes wrong; each is made anew on every version.
TRICKY = {
    "initplan of a deep consumer": (
        "select a from t where a > (select 100 from pg_sleep(0.02)) order by b limit 5"),
    "cte with two scans": (
        "with c as materialized (select a, sum(b) s from t group by a)"
        " select * from c x join c y on x.a = y.a + 1"),
    "cte reading cte": (
        "with a as materialized (select * from t), b as materialized (select a, count(*) from a group by a),"
        " c as materialized (select * from b) select count(*) from c, b where c.a = b.a"),
    "same name in an inner with": (
        "with c as materialized (select * from t) select count(*) from c where a in"
        " (with c as materialized (select a from t where b < 100) select a from c)"),
    "correlated subplan": "select a, (select count(*) from t u where u.b = t.a) from t where a = 3",
    "recursive": (
        "with recursive r as (select 1 n union all select n + 1 from r where n < 2000) select count(*) from r"),
    "initplan below a parallel scan": "select count(*) from t where b > (select avg(b) from t)",
    "parallel append": "select count(*) from (select * from t union all select * from t) x where b % 7 = 1",
}  # fmt: skip


@pytest.fixture
def connection(any_postgres) -> Iterator[psycopg.Connection]:
    """A table that parallel plans can read, so not a temporary one."""
    with any_postgres.connect() as connection:
        connection.execute("drop schema if exists tricky cascade; create schema tricky; set search_path = tricky")
        connection.execute("create table t as select i % 1000 a, i b from generate_series(1, 40000) i; analyze t")
        yield connection
        connection.execute("drop schema tricky cascade")


@pytest.mark.postgres
@pytest.mark.parametrize("leader", ["on", "off"])
@pytest.mark.parametrize("sql", TRICKY.values(), ids=TRICKY)
def test_times_add_up_on_real_servers(connection: psycopg.Connection, sql: str, leader: str) -> None:
    connection.execute(
        f"set parallel_leader_participation = {leader}; set parallel_setup_cost = 0;"
        " set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set jit = off"
    )
    assert_adds_up(parse_plan(explained(connection, sql)))


def explained(connection: psycopg.Connection, sql: str) -> object:
    row = connection.execute(f"explain (analyze, buffers, verbose, format json) {sql}".encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.postgres
def test_a_writing_cte_nobody_reads_runs_after_the_root(connection: psycopg.Connection) -> None:
    plan = parse_plan(explained(connection, "with d as (delete from t returning a) select 1"))
    assert_adds_up(plan)
    after = [n for n in plan if n.is_after_root]
    assert [n.node_type for n in after] == ["ModifyTable", "Seq Scan"]
    assert plan.after_root_time_ms == pytest.approx(after[0].total_time_ms, abs=0.002)
    assert plan.root.exclusive_time_ms < after[0].exclusive_time_ms
