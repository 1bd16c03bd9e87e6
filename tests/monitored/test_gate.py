"""The gate's layers that need no server: the tree, the text that is sent, the plan."""

import random
import string
from dataclasses import replace
from typing import Any

import pglast
import pytest
from pglast import ast

from analyzer.errors import StatementFailed
from analyzer.monitored.explain.gate import ExplainRequest, plan_objection
from analyzer.monitored.explain.gate_catalog import effective_path
from analyzer.monitored.explain.gate_limits import ExplainLimits
from analyzer.monitored.explain.session import must_be_execute, must_be_one
from analyzer.plans import parse_plan
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.names import Attribute, table_references
from analyzer.statements.safety import ALLOWED, DENIED_FUNCTIONS, StatementNames, check_statement, is_allowed
from analyzer.statements.tree import walk
from tests.monitored.application_sql import STATEMENTS
from tests.monitored.attacks import ATTACKS

REQUEST = ExplainRequest("select 1", "")


def sentences() -> list[str]:
    return [*STATEMENTS.values(), *(a.sql for a in ATTACKS)]


def spliced(seed: int) -> str:
    """Two texts cut at a space and joined, or one put into the other as a subquery."""
    chosen = random.Random(seed)
    one, other = chosen.choice(sentences()), chosen.choice(sentences())
    if chosen.random() < 0.4:
        return f"select * from ({one}) x, lateral (select ({other})) y"
    first, second = one.split(" "), other.split(" ")
    return " ".join(first[: chosen.randint(1, len(first))] + second[chosen.randint(0, len(second)) :])


@pytest.mark.parametrize("sql", sentences())
def test_tree_accepted_for_analyze_holds_nothing_outside_the_list(sql: str) -> None:
    holds(sql)


def test_spliced_trees_accepted_for_analyze_hold_nothing_outside_the_list() -> None:
    accepted = sum(holds(spliced(seed)) for seed in range(1500))
    assert accepted > 100  # or the property would be about nothing


def holds(sql: str) -> bool:
    """Whether it is accepted; if so, the properties of what is accepted."""
    verdict = check_statement(sql)
    if verdict.decision != "analyze":
        assert verdict.reason.endswith(".")
        return False
    (statement,) = pglast.parse_sql(sql)
    nodes = list(walk(statement.stmt))
    assert {type(node) for node in nodes} <= ALLOWED
    assert is_allowed(statement.stmt)
    assert not any(isinstance(n, (ast.IntoClause, ast.LockingClause, ast.InsertStmt, ast.DeleteStmt)) for n in nodes)
    named = {node.funcname[-1].sval for node in nodes if isinstance(node, ast.FuncCall)}
    assert named <= {name for _, name in verdict.names.functions}
    assert not named & {"pg_sleep", "nextval", "setval", "set_config", "lo_create", "query_to_xml", "dblink"}
    assert {n.relname for n in table_references(statement.stmt)} == {n for _, n in verdict.names.relations}
    # what is sent is what was checked
    for sent, kind in ((f"PREPARE p AS {sql}", ast.PrepareStmt), (f"EXPLAIN (COSTS) {sql}", ast.ExplainStmt)):
        must_be_one(sent, kind, sql)
        assert pglast.parse_sql(sent)[0].stmt.query == statement.stmt
    assert fingerprint(sql) is not None
    return True


def test_node_class_nobody_looked_at_is_planned_only() -> None:
    verdict = check_statement("select * from xmltable('/a' passing $1 columns b text)")
    assert (verdict.decision, verdict.reason) == (
        "plan", "It holds a construct pgLoupe does not execute (RangeTableFunc).",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("call", "decision"),
    [
        ("repeat('x', 100000)", "analyze"),
        ("repeat('x', 100001)", "refuse"),
        ("repeat('x', '900000000')", "refuse"),
        ("repeat(repeat('x', 200), 1000)", "refuse"),
        ("repeat('x', 30000 * 30000)", "refuse"),
        ("repeat('x', $1)", "analyze"),  # its value is reckoned with when it is sent
        ("repeat(name, 3)", "analyze"),
        ("repeat('x', id)", "twin"),
        ("repeat(name, 9000)", "twin"),
        ("array_fill(0, array[100, 100])", "analyze"),
        ("array_fill(0, array[1000, 1000])", "refuse"),
        ("format('%s-%s', name, id)", "analyze"),
        ("format('%*s', id, name)", "twin"),
        ("format(name, id)", "twin"),
        ("format('%900000000s', 'x')", "refuse"),
        ("lpad(name, 12, '0')", "analyze"),
        ("factorial(100000)", "refuse"),
    ],
)
def test_memory_that_planning_may_take(call: str, decision: str) -> None:
    assert check_statement(f"select {call} from t").decision == decision


def test_no_utility_statement_is_on_the_list() -> None:
    assert [c.__name__ for c in ALLOWED if c.__name__.endswith("Stmt")] == ["SelectStmt"]


def test_names_are_collected_where_they_hide() -> None:
    sql = """
        with c as (select ev.f(a) from s.t where b operator(ev.@@@) 1)
        select v.attr, (v).other, x::ev.dom, g(1) filter (where h(2)) over (order by k using operator(ev.<)),
               array(select l()), case m() when n() then 1 end
        from c, v, lateral o(p()) q join r using (z) where x not between 1 and 2 and y like any (select w from u)
        group by grouping sets ((aa()), (bb())) having cc() limit dd()
    """
    names = check_statement(sql).names
    assert names == StatementNames(
        relations=(("", "r"), ("", "u"), ("", "v"), ("s", "t")),  # c is a query of its own
        calls=(
            ("", "aa", 0), ("", "bb", 0), ("", "cc", 0), ("", "dd", 0), ("", "g", 1), ("", "h", 1), ("", "l", 0),
            ("", "m", 0), ("", "n", 0), ("", "o", 1), ("", "p", 0), ("ev", "f", 1),
        ),
        operators=(
            ("", "<"), ("", "<="), ("", "<>"), ("", "="), ("", ">"), ("", ">="), ("", "~~"), ("ev", "<"), ("ev", "@@@"),
        ),
        types=(("ev", "dom"),),
        attributes=(Attribute("attr", ("", "v")), Attribute("other")),
    )  # fmt: skip


@pytest.mark.parametrize("pattern", DENIED_FUNCTIONS)
def test_denied_function_is_never_executed_under_any_schema(pattern: str) -> None:
    name = pattern.replace("*", "x")
    for call in (name, f"pg_catalog.{name}", f'"{name}"', name.upper()):
        assert check_statement(f"select (select {call}(1) from a where true)").decision in ("plan", "refuse")


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("PREPARE p AS select 1; select 2", "select 1"),
        ("PREPARE p AS select 1", "select 2"),
        ("PREPARE p AS select 1 from b", "select 1 from a"),
        ("EXPLAIN select 1", "select 1"),
        ("PREPARE p AS select 1 -- x", "select 1 from t -- x"),
    ],
)
def test_text_to_send_that_differs_is_refused(sent: str, text: str) -> None:
    with pytest.raises(StatementFailed, match="is not the one that was checked"):
        must_be_one(sent, ast.PrepareStmt, text)


@pytest.mark.parametrize(
    "values", ["'a', 'b'", "pg_sleep(1)", "(select 1)", "'a'); drop table t; --", "'a' || 'b'", "$1"]
)
def test_value_that_is_no_constant_is_refused(values: str) -> None:
    with pytest.raises(StatementFailed, match="do not stay values"):
        must_be_execute(f"EXPLAIN (FORMAT JSON) EXECUTE p({values})", "p", 1)
    must_be_execute("EXPLAIN (FORMAT JSON) EXECUTE p('x''; drop')", "p", 1)


def test_path_starts_with_postgresql_and_leaves_temporary_schemas_out() -> None:
    assert effective_path(["$user", "app", "public", "pg_catalog", "app", "pg_temp"]) == ("pg_catalog", "app", "public")


def node(**fields: Any) -> dict[str, Any]:
    shown = {key.replace("_", " "): value for key, value in fields.items()}
    return {"Node Type": "Seq Scan", "Total Cost": 10.0, "Plan Rows": 5, "Plan Width": 8, **shown}


def objection(plan: dict[str, Any], request: ExplainRequest = REQUEST, *, recursive: bool = False) -> str | None:
    return plan_objection(parse_plan([{"Plan": plan}]), request, ExplainLimits(), None, recursive)


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (node(), None),
        (node(Total_Cost=1.3e6), None),
        (node(Total_Cost=1.4e6), "Its planned cost of 1,400,000 is above the ceiling of 1,300,000."),
        (node(Plan_Rows=10_000_000), None),
        (node(Plan_Rows=10_000_001), "planned to give 10,000,001 rows"),
        (node(Plans=[node(Plan_Rows=20_000_000)]), "planned to give 20,000,000 rows"),
        (node(**{"Node_Type": "Sort", "Plan_Rows": 1_000_000, "Plan_Width": 1_000}), None),
        (node(**{"Node_Type": "Sort", "Plan_Rows": 1_000_000, "Plan_Width": 1_100}), "may need 1.02 GB of temporary"),
        (node(**{"Node_Type": "Gather", "Workers_Planned": 2}), None),
        (node(**{"Node_Type": "Gather", "Workers_Planned": 3}), "wants 3 parallel workers"),
        (node(**{"Node_Type": "ModifyTable"}), "changes or locks rows"),
        (node(Plans=[node(**{"Node_Type": "LockRows"})]), "changes or locks rows"),
        (node(**{"Node_Type": "Foreign Scan"}), "works on another server"),
        (node(**{"Node_Type": "Custom Scan"}), "whose effects pgLoupe does not know"),
    ],
)
def test_plan_layer_on_both_sides_of_its_limits(plan: dict[str, Any], reason: str | None) -> None:
    found = objection(plan)
    assert found == reason if reason is None else reason in (found or "")


def test_times_of_the_statement_itself_count() -> None:
    for field in ("mean_exec_time_ms", "max_exec_time_ms"):
        assert objection(node(), replace(REQUEST, **{field: 5_000.0})) is None
        assert "more than half of the 10 s" in (objection(node(), replace(REQUEST, **{field: 5_001.0})) or "")


def test_recursive_statement_needs_a_known_time() -> None:
    assert objection(node(), recursive=True) == "It is recursive, and how long it ran so far is not known."
    assert objection(node(), replace(REQUEST, max_exec_time_ms=3.0), recursive=True) is None


def test_random_text_never_breaks_the_first_layers() -> None:
    chosen = random.Random(7)
    for _ in range(300):
        text = "".join(chosen.choice(string.printable + "\0é\u202e\U0001f600") for _ in range(chosen.randint(0, 60)))
        verdict = check_statement(text)
        assert verdict.decision in ("refuse", "plan", "analyze")
