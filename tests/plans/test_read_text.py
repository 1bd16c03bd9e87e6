"""The text format reads as the JSON format does: the same statements, explained both ways by real servers."""

import psycopg
import pytest

from analyzer.plans import Plan, PlanError, PlanNode, parse_plan
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


def test_text_that_is_no_plan() -> None:
    with pytest.raises(PlanError, match="There is no plan in it"):
        parse_plan("select * from t")
