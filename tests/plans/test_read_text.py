"""The text format reads as the JSON format does: the same statements, explained both ways by real servers."""

import psycopg
import pytest

from analyzer.plans import Plan, PlanError, PlanNode, parse_plan, parse_plans
from analyzer.plans.shape import shape_of
from tests.plans.test_exclusive import TRICKY, assert_adds_up, connection  # noqa: F401

STATEMENTS = {
    **TRICKY,
    "aliases and odd names": (
        """select * from "Odd ""T" o, "Odd ""T" "P Q" where o."a b" = "P Q"."a b" and o.t <> '(x) -> y'"""),
    "index scans": (
        "select * from k where id > 5 and id < 9 union all select * from k where id = any ('{1,2}')"
        " order by 1 desc"),
    "join kinds": (
        "select * from t left join k on k.id = t.a full join k l on l.id = k.id"
        " where not exists (select 1 from k m where m.id = t.b)"),
    "grouping": "select a, count(distinct b), sum(b) from t group by grouping sets ((a), ()) having count(*) > 2",
    "set operations": "select a from t except select id from k intersect select 3",
    "window": "select * from (select a, row_number() over (partition by a order by b) n from t) x where n < 3",
    "functions and values": (
        "select * from generate_series(1, 5) g, (values (1, 'a'), (2, 'b,c')) v(i, j), unnest('{1,2}'::int[]) u"
        " where g = i"),
    "insert": "insert into k select a, 'x' from t where a < 0 returning id",
    "update": "update k set v = 'y' from t where t.a = k.id and t.b < 0",
    "delete": "delete from p where day < '2024-01-15'",
    "partitions": "select * from p where id = 7",
    "bitmap": "select * from k where id in (1, 5) or v = 'zz'",
    "scalar subqueries": (
        "select (select max(id) from k), (select min(v) from k where id = t.a) from t where a = 3 and a in"
        " (select id from k)"),
    "one-time filter": "select * from t where false",
    "limit": "select * from t order by b, a limit 5 offset 2",
}  # fmt: skip

SETUP = """
create table "Odd ""T" ("a b" int, t text);
create table k (id int primary key, v text); create index on k (v);
insert into k select i, 'v' || i from generate_series(1, 500) i;
create table p (id int, day date) partition by range (day);
create table p1 partition of p for values from ('2024-01-01') to ('2024-02-01');
create table p2 partition of p for values from ('2024-02-01') to ('2024-03-01');
analyze; set jit = off; set max_parallel_workers_per_gather = 0;
"""


def both(connection: psycopg.Connection, sql: str, options: str) -> tuple[Plan, Plan]:  # noqa: F811
    plans = []
    for form in ("text", "json"):
        with connection.transaction(force_rollback=True):
            rows = connection.execute(f"explain ({options}, format {form}) {sql}".encode()).fetchall()
        plans.append(parse_plan(rows[0][0] if form == "json" else "\n".join(row[0] for row in rows)))
    return plans[0], plans[1]


def described(plan: Plan) -> list[tuple[object, ...]]:
    return [
        (n.depth, n.label, n.node_type, kind(n), n.subplan_name, n.table, n.alias, n.index_name, n.join_type,
         n.conditions, n.raw.get("Sort Key"), n.plan_rows, n.total_cost, n.plan_width_bytes, n.loops, n.actual_rows,
         n.rows_removed_by_filter)
        for n in plan
    ]  # fmt: skip


def kind(node: PlanNode) -> str | None:
    """13 calls what a write reads a Member, later versions Outer; text says neither."""
    return "Outer" if node.parent and node.parent.node_type == "ModifyTable" else node.parent_relationship


def blocks(plan: Plan) -> list[int | None]:
    """Of sequential scans: they read the same blocks each time, others read catalogs on their first run, too."""
    return [n.buffers.shared_touched_blocks for n in plan if n.node_type == "Seq Scan" and n.buffers]


@pytest.mark.postgres
def test_text_reads_like_json(connection: psycopg.Connection) -> None:  # noqa: F811
    connection.execute(SETUP)
    for name, sql in STATEMENTS.items():
        for options in ("verbose", "costs", "analyze, buffers, verbose"):
            text, json = both(connection, sql, options)
            assert described(text) == described(json), name
            assert shape_of(text) == shape_of(json), name
        assert_adds_up(text)
        assert text.planning_time_ms is not None
        assert text.execution_time_ms is not None
        if text.root.buffers is not None and "parallel" not in name:
            assert blocks(text) == blocks(json), name


@pytest.mark.postgres
def test_parallel_plans_triggers_and_settings_in_text(connection: psycopg.Connection) -> None:  # noqa: F811
    connection.execute(SETUP)
    connection.execute(
        "create table c (id int references k); insert into c select 1 + i % 400 from generate_series(1, 3000) i;"
        "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;"
        "set max_parallel_workers_per_gather = 2"
    )
    text, json = both(connection, "select count(*) from t where b % 2 = 0", "verbose, settings")
    assert described(text) == described(json)
    assert [n.is_parallel_aware for n in text] == [n.is_parallel_aware for n in json]
    assert text.settings == json.settings
    text, _ = both(connection, "select count(*) from t where b % 2 = 0", "analyze, verbose")
    assert_adds_up(text)
    assert max(n.processes for n in text) > 1
    text, json = both(connection, "delete from k where id > 450", "analyze")
    assert [(t.constraint_name, t.calls) for t in text.triggers] == [("c_id_fkey", 50)]
    assert [(t.constraint_name, t.calls) for t in json.triggers] == [("c_id_fkey", 50)]


def test_text_as_people_paste_it() -> None:
    psql = """\
                                QUERY PLAN
---------------------------------------------------------------------------
 Limit  (cost=0.29..1.20 rows=3 width=40) (actual rows=3 loops=1)
   ->  Seq Scan on t o  (cost=0.29..1.20 rows=3 width=40) (never executed)
         Filter: (x = 'a
b: c'::text)
(4 rows)
"""
    boxed = "\n".join(f"| {line:80} |" for line in psql.splitlines()[2:4])
    logged = (
        "2024-01-01 LOG:  duration: 5 ms  plan:\n\tQuery Text: select 1\n"
        + "\n".join(f"\t{line}" for line in psql.splitlines()[2:6])
    )  # fmt: skip
    for text in (psql, boxed, logged):
        limit, scan = parse_plan(text)
        assert (limit.label, limit.actual_rows, limit.loops) == ("Limit", 3, 1)
        assert (scan.label, scan.loops, scan.parent) == ("Seq Scan on t o", 0, limit)
        if text is not boxed:
            assert scan.filter == "(x = 'a\nb: c'::text)"


@pytest.mark.postgres
def test_what_extensions_say_of_a_plan_is_kept(connection: psycopg.Connection) -> None:  # noqa: F811
    connection.execute("create temp table t (a int primary key, b text)")
    try:
        connection.execute("load 'pg_overexplain'")
    except psycopg.errors.UndefinedFile:
        pytest.skip("this server has no pg_overexplain")
    for options in ("analyze, buffers, settings", "costs off", "verbose"):
        rows = connection.execute(f"explain (debug, range_table, {options}) select * from t where b = 'x'".encode())
        plan = parse_plan("\n".join(row[0] for row in rows))
        assert plan.raw["PlannedStmt"]["Command Type"] == "select"
        assert plan.raw["RTI 1 (relation, in-from-clause)"]["Relation"].endswith("t")
        assert plan.raw["Unprunable RTIs"] == "1"
        assert plan.is_analyzed is (plan.execution_time_ms is not None)
        assert plan.root.raw["Scan RTI"] == "1"


@pytest.mark.parametrize(
    "lines",
    [
        "Output: a", "Heap Fetches: 5", "Filter: (a = 5)", "WAL: records=3", "Worker 0: actual rows=1 loops=1",
        "Hits: 3  Misses: 4", "Cache Key: a", "Sampling: system (1)", "Remote SQL: SELECT 1", "Storage: Memory",
        # names of the plan's own
        "Plan: new\nIndex Scan using i on t  (cost=0.00..1.00 rows=1 width=4)", "Triggers: a", "Plans: 3",
        "Node Type: Sort", "Plan Rows: 3", "  Plans: 3", "  Node Type: Sort", "  Relation Name: u",
        "  Workers: a\n  Worker 0:  actual rows=1 loops=1",
    ],
)  # fmt: skip
def test_a_line_that_lost_its_indentation_is_no_field_of_the_plan(lines: str) -> None:
    with pytest.raises(PlanError, match=r"Line 2 is no line|Line 2 belongs"):
        parse_plan(f"Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n{lines}\nPlanning Time: 1 ms")


@pytest.mark.parametrize("again", ["RTI 1 (relation):", "Unprunable RTIs: 2", "Hits: 3  Misses: 4"])
def test_behind_what_extensions_say_no_line_is_passed_over(again: str) -> None:
    plan = "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\nUnprunable RTIs: 1\nRTI 1 (relation):\n  Eref: t (a)"
    assert parse_plan(f"{plan}\nPlanning Time: 1 ms").raw["RTI 1 (relation)"] == {"Eref": "t (a)"}
    with pytest.raises(PlanError, match="Line 5 is no line"):
        parse_plan(f"{plan}\n{again}")


CITUS = """\
Custom Scan (Citus Adaptive)  (cost=0.00..0.00 rows=100000 width=8) (actual time=22.1..22.5 rows=32 loops=1)
  Task Count: 32
  Tasks Shown: One of 32
  ->  Task
        Tuple data received from node: 8 bytes
        Node: host=localhost port=9701 dbname=citus
        ->  Aggregate  (cost=16.50..16.51 rows=1 width=8) (actual time=0.30..0.31 rows=1 loops=1)
              ->  Seq Scan on e_102 e  (cost=0.00..15.00 rows=300 width=8) (actual time=0.10..0.20 rows=300 loops=1)
                    Filter: (a > 3)
            Planning:
              Buffers: shared hit=3
            Planning Time: 0.044 ms
            Execution Time: 0.400 ms
  ->  Task
        ->  Result  (cost=0.00..0.01 rows=1 width=8) (actual time=0.01..0.01 rows=1 loops=1)
Planning Time: 1.5 ms
Execution Time: 23.1 ms"""


def test_tasks_of_citus_are_steps_without_figures() -> None:
    plan = parse_plan(CITUS)
    assert [(node.depth, node.label, node.loops) for node in plan] == [
        (0, "Custom Scan (Citus Adaptive)", 1), (1, "Task", None), (2, "Aggregate", 1), (3, "Seq Scan on e_102 e", 1),
        (1, "Task", None), (2, "Result", 1),
    ]  # fmt: skip
    assert (plan.planning_time_ms, plan.execution_time_ms) == (1.5, 23.1)
    assert plan.nodes[1].raw["Execution Time"] == 0.4


FOLLOWING = {
    "json": '[\n  {\n    "Plan": {\n      "Node Type": "Result"\n    }\n  }\n]',
    "json in a line": '{"Plan": {"Node Type": "Result"}}',
    "xml": "<explain>\n <Query><Plan><Node-Type>Result</Node-Type></Plan></Query>\n</explain>",
    "yaml": '- Plan:\n    Node Type: "Result"',
}


@pytest.mark.parametrize("following", FOLLOWING.values(), ids=FOLLOWING)
@pytest.mark.parametrize("between", ["", "\n(2 rows)\n\n", "\nPlanning Time: 0.1 ms\nExecution Time: 1 ms"])
def test_a_plan_of_another_format_follows(following: str, between: str) -> None:
    text = f"Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (a = '\n{following}\n'::text){between}\n"
    assert [plan.root.label for plan in parse_plans(text + following)] == ["Seq Scan on t", "Result"]
    (alone,) = parse_plans(f"{text}\n[1] a note\n{{see}}\n")
    assert alone.root.filter is not None
    assert "".join(following.split()) in "".join(alone.root.filter.split())


def test_text_that_is_no_plan() -> None:
    with pytest.raises(PlanError, match="There is no plan in it"):
        parse_plan("select * from t")


TOP = "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=1)"
MANY_DIGITS = "1" * 5_000


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (TOP.replace("0.00", "0.0.0"), 1),
        (TOP.replace("rows=1 width", f"rows={MANY_DIGITS} width"), 1),
        (f"{TOP}\n  Buffers: shared hit={MANY_DIGITS}", 2),
        (f"{TOP}\n  I/O Timings: read=1.2.3", 2),
        (f"{TOP}\n  Worker {MANY_DIGITS}:  actual time=0.1..0.2 rows=1 loops=1", 2),
        (f"{TOP}\nTrigger a on b: time=1.2.3 calls=1", 2),
        (f"{TOP}\nExecution Time: 1.2.3 ms", 2),
        (f"{TOP}\nJIT:\n  Functions: {MANY_DIGITS}", 3),
    ],
)
def test_a_figure_that_is_no_number_is_refused_by_its_line(text: str, number: int) -> None:
    with pytest.raises(PlanError, match=f"^Line {number} has a figure that is no number; "):
        parse_plan(text)


def test_a_number_of_too_many_digits_in_json_is_refused() -> None:
    with pytest.raises(PlanError, match=r"^The plan's JSON holds a number of more digits than are read\.$"):
        parse_plan(f'[{{"Plan": {{"Node Type": "Result", "Plan Rows": {MANY_DIGITS}}}}}]')


@pytest.mark.parametrize(
    "line", ["Full-sort Groups: 1  Sort Method: a{spaces}!", "Storage: 'a{spaces}\n'", "Worker 0:  actual time={dots}"]
)
def test_a_long_line_is_read_in_time_of_its_length(line: str) -> None:
    text = line.format(spaces=" " * 100_000, dots="." * 100_000)
    assert parse_plan(f"{TOP}\n  {text}").root.label == "Seq Scan on t"


@pytest.mark.parametrize(
    ("text", "product"),
    [
        (" XN HashAggregate  (cost=131.97..133.41 rows=576 width=17)", "Amazon Redshift"),
        (" Gather Motion 3:1  (slice1; segments: 3)\n   ->  Append\n         ->  Seq Scan on foo", "Greenplum"),
        ('"Gather Motion 3:1  (slice4; segments: 3)  (cost=0.00..4.01 rows=1 width=76)"', "Greenplum"),
        ("-> Table scan on o  (cost=50.25 rows=200) (actual time=0.10..3.5 rows=2000 loops=1)", "MySQL"),
        (f"{TOP}\nPlanning Time: 0.1 ms\nStorage Read Requests: 13\nStorage Read Execution Time: 4.0 ms", "YugabyteDB"),
        ("  distribution: local\n\n  • sort\n  │ order: +revenue\n  └── • scan", "CockroachDB"),
    ],
)
def test_plans_of_other_databases_are_called_so(text: str, product: str) -> None:
    with pytest.raises(PlanError, match=f"^The plan looks like one of {product}; pgLoupe reads plans of PostgreSQL.$"):
        parse_plan(text)


def test_a_plan_that_holds_another_database_s_words_is_read() -> None:
    (plan,) = parse_plans(
        f"{TOP}\n  Filter: (a = '\n-> x  (cost=1 rows=1)\n XN Hash  (cost=\n== Physical Plan =='::text)"
    )
    assert plan.root.label == "Seq Scan on t"


def test_a_plan_out_of_herokus_log_is_read() -> None:
    head = "2023-05-01T10:00:00.000000+00:00 app[postgres.123]: [DATABASE] [7-{}] "
    lines = [
        " sql_error_code = 00000 LOG:  duration: 52.1 ms  plan:",
        "\tQuery Text: select 1",
        f"\t{TOP}",
        "\t  Filter: (a = 1)",
    ]
    plan = parse_plan("\n".join(head.format(number) + line for number, line in enumerate(lines, 1)))
    assert (plan.root.label, plan.root.filter) == ("Seq Scan on t", "(a = 1)")
