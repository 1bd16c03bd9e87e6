"""What nodes spent themselves adds up to the root node, and with what lies outside to the execution time."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzer.plans import Plan, PlanNode, parse_plan, parse_plans
from analyzer.plans.buffers import FIELDS, TIME_POSITIONS
from analyzer.plans.outside import after_triggers, jit_time_ms, outside_nodes_time_ms
from analyzer.plans.shape import shape_of

DATA = Path(__file__).parent / "data"
SAVED = sorted(path.name for path in DATA.glob("*.pg*.json"))


def assert_adds_up(plan: Plan) -> None:
    assert_times_add_up(plan)
    if plan.root.buffers is None:
        return
    inside = [node for node in plan if not node.is_after_root]
    for position, counter in enumerate(FIELDS):
        whole = plan.root.buffers[position]
        own = [node.exclusive_buffers[position] for node in inside if node.exclusive_buffers is not None]
        if whole is None:
            assert own == [None] * len(inside), counter
            continue
        assert min(own) >= 0, counter
        error = 0.001 * len(inside) if position in TIME_POSITIONS else 0  # printed with three decimals
        if plan.after_root_time_ms and len(inside) == len(plan.nodes):  # a writing CTE was read in part: both is true
            assert sum(own) >= whole - error
        else:
            assert sum(own) == pytest.approx(whole, abs=error), counter


def assert_times_add_up(plan: Plan) -> None:
    if not plan.has_timing:
        return
    inside = sum(node.exclusive_time_ms or 0 for node in plan) - (plan.after_root_time_ms or 0)
    assert inside == pytest.approx(plan.root.total_time_ms, abs=0.001)
    for node in plan:
        assert (node.exclusive_time_ms or 0) >= -(node.exclusive_time_error_ms or 0) - 1e-9, node
    outside = outside_nodes_time_ms(plan)
    if outside is not None:
        parts = (plan.root.total_time_ms or 0) + (plan.after_root_time_ms or 0) + outside
        parts += sum(t.time_ms or 0 for t in after_triggers(plan)) + (plan.serialization_time_ms or 0)
        # a constraint's time may hold another trigger's: it fired it
        assert parts >= (plan.execution_time_ms or 0) - 0.001
        assert outside == 0 or parts == pytest.approx(plan.execution_time_ms, abs=0.001)


@pytest.mark.parametrize("name", SAVED)
def test_saved_plans_add_up(name: str) -> None:
    for plan in parse_plans((DATA / name).read_bytes()):
        assert_adds_up(plan)


SETUP = """
drop schema if exists parts cascade; create schema parts; set search_path = parts;
create table t as select i % 1000 a, i b, repeat('x', 100) v from generate_series(1, 40000) i;
create index t_a on t (a); create table log (a int);
create table parent (id int primary key); create table child (id int, parent_id int references parent);
insert into parent select generate_series(1, 500); insert into child select i, i from generate_series(1, 300) i;
create function before_row() returns trigger language plpgsql as
    $$ begin perform count(*) from t where a = new.id % 3 and b < 1000; return new; end $$;
create function after_row() returns trigger language plpgsql as
    $$ begin perform count(*) from t where a = new.id % 3; return null; end $$;
create table before_it (id int); create trigger b before insert on before_it for each row execute function before_row();
create table after_it (id int); create trigger a after insert on after_it for each row execute function after_row();
create table both_of_it (id int);
create trigger b before insert on both_of_it for each row execute function before_row();
create trigger a after insert on both_of_it for each row execute function after_row();
analyze t, parent, child;
"""
PARALLEL = (
    "set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0; set local min_parallel_table_scan_size = 0;"
    "set local min_parallel_index_scan_size = 0; set local max_parallel_workers_per_gather = 2"
)
STATEMENTS = {
    "sort on disk": "select * from t order by v, b",
    "hash in batches": "select count(*) from t x join t y on x.b = y.b and x.v = y.v",
    "initplan of a deep consumer": "select a from t where a > (select 100 from pg_sleep(0.01)) order by b limit 5",
    "initplan with two consumers": "select (select max(b) from t) + a from t where b = (select max(b) from t)",
    "initplan nobody shows": "select * from t limit (select count(*) / 10000 from t)",
    "initplan in an initplan": "select * from t where b = (select max(b) from t where a = (select min(a) from t))",
    "eleven initplans": "select " + ", ".join(f"(select max(b) from t where a = {i})" for i in range(11)) + " from t"
                        " where b < 5 and a > (select min(a) from t) - 1",
    "hashed subplan": "select count(*) from t where b not in (select a from t where b < 500)",
    "subplan for each row": "select b, (select count(*) from t u where u.a = t.a) from t where b < 300",
    "cte with two scans": "with c as materialized (select a, sum(b) s from t group by a)"
                          " select * from c x join c y on x.a = y.a + 1",
    "cte reading cte": "with a as materialized (select * from t),"
                       " b as materialized (select a, count(*) from a group by a)"
                       " select count(*) from b x, b y where x.a = y.a",
    "cte read in part": "with c as materialized (select * from t order by b) select * from c limit 3",
    "recursion": "with recursive r as (select 1 n union all select n + 1 from r where n < 500)"
                 " select count(*) from r join t on t.b = r.n",
    "names with spaces": 'with "my cte" as materialized (select * from t), "x""y" as materialized (select * from t)'
                         ' select count(*) from "my cte" join "x""y" using (b)',
    "insert": "insert into log select a from t",
    "update": "update t set v = v || 'y' where a < 50",
    "writing cte nobody reads": "with d as (delete from t where a < 500 returning a) select 1",
    "writing cte that is read": "with d as (delete from t where a < 500 returning a) select count(*) from d",
    "writing cte read in part": "with d as (delete from t where a < 500 returning a) select * from d limit 1",
    "two writing ctes": "with d as (delete from t where a < 100 returning a), i as (insert into log select a from d)"
                        " select count(*) from t",
    "foreign key": "insert into child select i, i % 500 + 1 from generate_series(1, 500) i",
    "foreign key without index": "delete from parent where id > 400",
    "before trigger": "insert into before_it select generate_series(1, 300)",
    "after trigger": "insert into after_it select generate_series(1, 300)",
    "both triggers": "insert into both_of_it select generate_series(1, 200)",
    "bitmap": "select count(*) from t where a = 5 or a = 7",
    "window": "select sum(n) from (select row_number() over (partition by a order by b) n from t) x",
    "union": "select a from t union select b from t",
    "never executed": "select * from t x join t y on x.b = y.b where x.a = -1",
}  # fmt: skip


@pytest.fixture(scope="module")
def explain(request: pytest.FixtureRequest, postgres) -> Iterator[Callable[..., Plan]]:
    server = postgres(request.param)
    with server.connect() as connection:
        connection.execute(SETUP)

        def plan_of(sql: str, *settings: str, options: str = "") -> Plan:
            with connection.transaction(force_rollback=True):
                connection.execute("; ".join(("set local jit = off; set local work_mem = '1MB'", *settings)))
                given = f"analyze, buffers, verbose, wal{options}, format json"
                row = connection.execute(f"explain ({given}) {sql}".encode()).fetchone()
            assert row is not None
            return parse_plan(row[0])

        plan_of.version = server.version  # type: ignore[attr-defined]
        yield plan_of
        connection.execute("drop schema parts cascade")


every_version = pytest.mark.parametrize("explain", [13, 14, 15, 16, 17, 18], indirect=True, scope="module")


@pytest.mark.postgres
@every_version
@pytest.mark.parametrize("parallel", [False, True], ids=["alone", "parallel"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_plans_of_servers_add_up(explain, name: str, parallel: bool) -> None:
    alone = "set local max_parallel_workers_per_gather = 0"
    assert_adds_up(explain(STATEMENTS[name], PARALLEL if parallel else alone))


def nodes(plan: Plan, node_type: str) -> list[PlanNode]:
    return [node for node in plan if node.node_type == node_type]


@pytest.mark.postgres
@every_version
def test_a_writing_cte_nobody_reads_is_counted_once(explain) -> None:
    plan = explain(STATEMENTS["writing cte nobody reads"])
    (write,) = nodes(plan, "ModifyTable")
    assert plan.after_root_time_ms == pytest.approx(write.total_time_ms, abs=0.002)
    rest = plan.execution_time_ms - plan.root.total_time_ms - write.total_time_ms
    assert outside_nodes_time_ms(plan) == pytest.approx(rest, abs=0.002)
    assert {node.is_after_root for node in plan if node is not plan.root} == {True}


@pytest.mark.postgres
@every_version
def test_triggers_are_inside_or_outside(explain) -> None:
    assert after_triggers(explain(STATEMENTS["before trigger"])) == ()
    assert [trigger.name for trigger in after_triggers(explain(STATEMENTS["after trigger"]))] == ["a"]
    together = explain(STATEMENTS["both triggers"])
    assert [trigger.name for trigger in after_triggers(together)] == ["a"]
    keys = after_triggers(explain(STATEMENTS["foreign key without index"]))
    assert [trigger.constraint_name for trigger in keys] == ["child_parent_id_fkey"]


@pytest.mark.postgres
@every_version
def test_wal_and_temporary_files_are_those_of_the_node_itself(explain) -> None:
    plan = explain("insert into log select a from t order by v, b")
    (insert,), (sort,), (scan,) = (nodes(plan, name) for name in ("ModifyTable", "Sort", "Seq Scan"))
    assert insert.exclusive_buffers.wal_records >= 40_000
    assert insert.exclusive_buffers.wal_bytes > 1_000_000
    for reader in (sort.exclusive_buffers, scan.exclusive_buffers):
        assert (reader.wal_records, reader.wal_full_page_images, reader.wal_bytes) == (0, 0, 0)
    assert sort.exclusive_buffers.temp_blocks > 100
    assert insert.exclusive_buffers.temp_blocks == scan.exclusive_buffers.temp_blocks == 0
    assert scan.touched_blocks >= 600
    assert sort.touched_blocks <= 10


@pytest.mark.postgres
@every_version
def test_serialization_is_outside(explain) -> None:
    if explain.version < 17:
        pytest.skip("SERIALIZE is new in 17")
    plan = explain("select * from t", options=", serialize")
    assert plan.serialization_time_ms > 1
    assert_adds_up(plan)


def node(node_type: str, time: float, *children: dict[str, Any], **fields: Any) -> dict[str, Any]:
    below = {"Plans": list(children)} if children else {}
    named = {key.replace("_", " "): value for key, value in fields.items()}
    return {"Node Type": node_type, "Actual Startup Time": 0.0, "Actual Total Time": time, "Actual Rows": 1,
            "Actual Loops": 1, **named, **below}  # fmt: skip


def test_a_clock_that_ticks_every_15_ms_widens_the_error_bar_of_node_and_input() -> None:
    """A server to 9.6 on Windows: the sort took longer than the node that read it."""
    plan = parse_plan(node("Aggregate", 31.2, node("Sort", 46.8, node("Seq Scan", 15.6))))
    assert [n.exclusive_time_ms for n in plan] == pytest.approx([-15.6, 31.2, 15.6])
    assert [n.exclusive_time_error_ms for n in plan] == pytest.approx([15.6, 15.6, 0.0005], abs=0.001)
    assert_times_add_up(plan)


def test_an_initplan_that_fits_nowhere_takes_nobody_below_zero() -> None:
    """8 and 9 do not say what an InitPlan returns, nor who asks."""
    initplan = node("Aggregate", 10.0, Parent_Relationship="InitPlan", Subplan_Name="InitPlan")
    scans = [node("Seq Scan", 4.0, Parent_Relationship="Member") for _ in range(3)]
    plan = parse_plan(node("Append", 13.0, initplan, *scans))
    assert [n.exclusive_time_ms for n in plan] == pytest.approx([0, 10, 0, 0, 3])
    assert_times_add_up(plan)


def test_a_cte_whose_scan_is_not_shown_is_no_write_after_the_root() -> None:
    cte = node("Seq Scan", 5.0, Parent_Relationship="InitPlan", Subplan_Name="CTE c")
    plan = parse_plan(node("Nested Loop", 9.0, cte, node("Function Scan", 8.0, Parent_Relationship="Outer")))
    assert [n.exclusive_time_ms for n in plan] == pytest.approx([1, 5, 3])
    assert not any(n.is_after_root for n in plan)


def test_jit_is_summed_over_processes() -> None:
    scan = node("Seq Scan", 10.0, Parent_Relationship="Outer", Actual_Loops=3)
    plan = parse_plan({"Plan": node("Gather", 12.0, scan), "JIT": {"Timing": {"Total": 30.0}}, "Execution Time": 13.0})
    assert jit_time_ms(plan) == 30.0


@pytest.mark.parametrize("depth", [10, 1000, 5000])
def test_depth_is_no_matter(depth: int) -> None:
    raw = node("Seq Scan", 1.0)
    for i in range(depth):
        initplan = node("Result", 0.5, Parent_Relationship="InitPlan", Subplan_Name=f"InitPlan {i}")
        raw = node("Nested Loop", 1.0 + i, initplan, {**raw, "Parent Relationship": "Outer"})
    text = json.dumps(raw) if depth < 500 else raw
    plan = parse_plan(text)
    assert len(plan.nodes) == 2 * depth + 1
    assert_times_add_up(plan)
    assert len({*shape_of(plan)}) > 1
