"""What the engine promises of every check: dispatch, one check's failure, what was not judged, rules of a server."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import analyzer.steps
from analyzer.checks import Check, Context, NotRun, Rules, Threshold, engine, in_words, run_checks
from analyzer.checks.kinds import KINDS
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan, PlanNode, parse_plan
from analyzer.schema.facts import ColumnFacts, SchemaFacts, TableFacts
from tests.checks.builders import facts

TWO_SCANS = """{"Plan": {"Node Type": "Append", "Plans": [
 {"Node Type": "Seq Scan", "Relation Name": "a", "Alias": "a"}, {"Node Type": "Sort"}, {"Node Type": "Sort"}]}}"""
TABLES = facts({"tables": [{"name": "good", "rows": 5}, {"name": "bad", "rows": 5}]})


def a_check(code: str = "XX001", **thresholds: Threshold) -> Check:
    return Check("tests.checks.a_check", code=code, title="A check", severity=Severity.WARNING, **thresholds)


def a_finding(check: Check, subject: str) -> Finding:
    return check.finding(subject=subject, message="m", hint="h", evidence={})


def registered(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> None:
    monkeypatch.setattr(engine, "all_checks", lambda: checks)


def test_kind_that_no_step_provides_is_refused_at_import() -> None:
    with pytest.raises(TypeError) as refused:
        a_check().on(ColumnFacts)
    assert str(refused.value) == (
        "tests.checks.a_check: no step provides ColumnFacts; analyzer/checks/kinds.py has the list"
    )


def test_node_types_are_refused_where_there_are_no_nodes() -> None:
    with pytest.raises(TypeError, match="only PlanNode has node types"):
        a_check().on(TableFacts, "Seq Scan")


def test_every_container_is_handed_over_by_a_step() -> None:
    """Who runs the checks of a container names its type to ``keep_outcome``."""
    kept = set()
    for path in Path(analyzer.steps.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "findings.keep_outcome":
                kept.add(ast.unparse(node.args[3]))
    assert kept == {kind.container.__name__ for kind in KINDS.values()}


def test_plan_nodes_are_dispatched_by_type(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    check = a_check()

    @check.on(PlanNode, "Sort", "Append")
    def look(node: PlanNode) -> Iterator[Finding]:
        seen.append(node.node_type)
        yield from ()

    registered(monkeypatch, check)
    run_checks(parse_plan(TWO_SCANS))
    assert seen == ["Append", "Sort", "Sort"]


def test_two_nodes_with_the_same_label_are_two_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    check = a_check()

    @check.on(PlanNode, "Sort")
    def look(node: PlanNode) -> Iterator[Finding]:
        yield a_finding(check, node.label)

    registered(monkeypatch, check)
    found = run_checks(parse_plan(TWO_SCANS), Context(fingerprint="f1")).findings
    assert [(f.key, f.place) for f in found] == [
        ("XX001:f1:Sort", "1"),
        ("XX001:f1:Sort (no. 2 of the plan)", "2"),
    ]


def test_a_finding_gives_way_to_a_better_explanation_of_the_same_node(monkeypatch: pytest.MonkeyPatch) -> None:
    better, worse, general = a_check("XX001"), a_check("XX002"), a_check("XX003")
    worse.gives_way_to = general.gives_way_to = frozenset(["XX001"])

    @better.on(PlanNode, "Sort")
    def explain(node: PlanNode) -> Iterator[Finding]:
        if node.raw.get("Sort Method"):
            yield a_finding(better, node.label)

    @worse.on(PlanNode, "Sort")
    def say(node: PlanNode) -> Iterator[Finding]:
        yield a_finding(worse, node.label)

    @general.on(Plan)
    def of_the_whole(plan: Plan) -> Iterator[Finding]:
        yield a_finding(general, "plan")
        yield general.finding(subject=plan.nodes[2].label, message="m", hint="h", evidence={}, node=plan.nodes[2])

    registered(monkeypatch, better, worse, general)
    plan = parse_plan(TWO_SCANS.replace('"Sort"}]', '"Sort", "Sort Method": "quicksort"}]'))
    assert [(f.code, f.place, f.subject) for f in run_checks(plan).findings] == [
        ("XX002", "1", "Sort"),
        ("XX001", "2", "Sort (no. 2 of the plan)"),
        ("XX003", "1", "Sort"),
    ]
    # switched off, the better one explains nothing
    left = run_checks(plan, rules=Rules(off=frozenset(["XX001"]))).findings
    assert [f.code for f in left] == ["XX002", "XX002", "XX003", "XX003"]


def test_what_takes_hardly_any_of_the_time_explains_no_whole_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    better, general = a_check("XX001"), a_check("XX003")
    general.gives_way_to = frozenset(["XX001"])
    times = {"better": 9.0}

    @better.on(PlanNode, "Append")
    def explain(node: PlanNode) -> Iterator[Finding]:
        yield replace(a_finding(better, node.label), time_ms=times["better"], run_time_ms=100.0)

    @general.on(Plan)
    def of_the_whole(plan: Plan) -> Iterator[Finding]:
        yield replace(a_finding(general, "plan"), time_ms=100.0, run_time_ms=100.0)

    registered(monkeypatch, better, general)
    assert [f.code for f in run_checks(parse_plan(TWO_SCANS)).findings] == ["XX001", "XX003"]
    times["better"] = 10.0
    assert [f.code for f in run_checks(parse_plan(TWO_SCANS)).findings] == ["XX001"]


def test_a_check_that_fails_stops_no_other_and_is_kept_with_its_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    failing, working = a_check("XX001"), a_check("XX002")

    @failing.on(TableFacts)
    def fail(table: TableFacts) -> Iterator[Finding]:
        yield a_finding(failing, "before it fails")
        if table.name == "bad":
            raise ZeroDivisionError("a value of the data")

    @working.on(TableFacts)
    def work(table: TableFacts) -> Iterator[Finding]:
        yield a_finding(working, table.name)

    registered(monkeypatch, failing, working)
    outcome = run_checks(TABLES)
    assert [f.key for f in outcome.findings] == [
        "XX001:public.good:before it fails",
        "XX002:public.good:good",
        "XX002:public.bad:bad",
    ]
    assert (outcome.failed, outcome.unjudged) == (
        {"XX001": {"public.bad": "ZeroDivisionError"}},
        {"XX001": {"public.bad"}},
    )
    assert in_words(outcome) == ["XX001 failed on public.bad: ZeroDivisionError"]
    outcome.not_run["XX000"] = {"": "no statistics"}
    assert in_words(outcome)[0].startswith("XX001 failed")  # it may be cut short


def test_not_run_holds_for_the_thing_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    check = a_check()

    @check.on(TableFacts)
    def look(table: TableFacts) -> Iterator[Finding]:
        if table.name == "bad":
            raise NotRun("no statistics")
        yield a_finding(check, table.name)

    registered(monkeypatch, check)
    outcome = run_checks(TABLES)
    assert [f.about for f in outcome.findings] == ["public.good"]
    assert outcome.not_run == {"XX001": {"public.bad": "no statistics"}}
    assert in_words(outcome) == ["XX001 not run on public.bad: no statistics"]


def test_many_things_not_judged_for_one_reason_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    check = a_check()

    @check.on(TableFacts)
    def look(table: TableFacts) -> Iterator[Finding]:
        raise NotRun("no statistics")

    registered(monkeypatch, check)
    assert in_words(run_checks(TABLES)) == ["XX001 not run on 2 things: no statistics"]


def test_error_that_is_not_the_checks_own_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class TimeIsUp(Exception):
        pass

    check = a_check()

    @check.on(SchemaFacts)
    def look(schema: SchemaFacts) -> Iterator[Finding]:
        raise TimeIsUp

    registered(monkeypatch, check)
    with pytest.raises(TimeIsUp):
        run_checks(TABLES, stop_on=(TimeIsUp,))
    assert run_checks(TABLES).failed == {"XX001": {"": "TimeIsUp"}}


def test_rules_of_a_server_change_thresholds_and_switch_checks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    check = a_check(rows=Threshold(10, "rows", "judgement: a test"))

    @check.on(TableFacts)
    def look(table: TableFacts) -> Iterator[Finding]:
        if (table.rows or 0) >= check["rows"]:
            yield a_finding(check, table.name)

    registered(monkeypatch, check)
    assert run_checks(TABLES).findings == []
    changed = Rules(thresholds={("XX001", "rows"): 5.0})
    assert [f.subject for f in run_checks(TABLES, rules=changed).findings] == ["good", "bad"]
    assert run_checks(TABLES, rules=Rules(off=frozenset({"XX001"}), thresholds=changed.thresholds)).findings == []
    assert check["rows"] == 10


def test_impact_is_put_in_after_the_plan_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    check = a_check()

    @check.on(Plan)
    def look(plan: Plan) -> Iterator[Finding]:
        yield check.finding(subject="s", message="m", hint="h", evidence={}, time_ms=60.0, run_time_ms=100.0)

    registered(monkeypatch, check)
    plan = parse_plan(TWO_SCANS)
    (once,) = run_checks(plan, Context(calls_per_day=10.0, mean_exec_time_ms=50.0)).findings
    assert (once.impact_s_per_day, once.severity) == (0.3, Severity.WARNING)  # its share of what the calls took
    (slower,) = run_checks(plan, Context(calls_per_day=10.0, mean_exec_time_ms=500.0)).findings
    own = Rules(thresholds={("TIME", "short_ms"): 101.0})
    assert run_checks(plan, Context(calls_per_day=10.0, mean_exec_time_ms=50.0), rules=own).findings == []
    assert slower.impact_s_per_day == 0.6  # nobody saw where the rest went
    (often,) = run_checks(plan, Context(calls_per_day=100_000.0)).findings
    assert (often.impact_s_per_day, often.severity) == (6_000.0, Severity.CRITICAL)


def test_version_changes_with_the_code_that_judges(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "checks" / "plan").mkdir(parents=True)
    module = tmp_path / "checks" / "plan" / "one.py"
    module.write_text("a = 1")
    monkeypatch.setattr(engine, "__file__", str(tmp_path / "checks" / "engine.py"))
    version = engine.version.__wrapped__
    before = version()
    assert version() == before
    module.write_text("a = 2")
    assert version() != before
    before = version()
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "facts.py").write_text("what a check of plans looks up")
    assert version() != before
