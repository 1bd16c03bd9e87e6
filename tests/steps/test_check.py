"""Step check: plans are judged once, what was not judged closes nothing, sessions are judged as they are sampled."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pglast import parse_sql

from analyzer.checks import FailedCheck, Outcome, Rules, engine, failed_checks
from analyzer.checks.facts import StatementFacts
from analyzer.checks.plan import seq_scan_discards_rows
from analyzer.checks.schema import table_without_primary_key
from analyzer.models import (
    CheckRule,
    Database,
    FindingEvent,
    FindingRecord,
    PlanRecord,
    Server,
    Statement,
    StatementEntry,
    SuggestionRecord,
)
from analyzer.monitored.readings import ActivityRow
from analyzer.plans import parse_plan
from analyzer.plans.shape import shape_of
from analyzer.schema.standing import Slot, Standing
from analyzer.statements import tree
from analyzer.steps import check, judgement
from analyzer.steps import schema as schema_step
from analyzer.steps.check_sessions import check_sessions
from analyzer.store import schemas
from analyzer.store.check_rules import change_rule, rules_of
from analyzer.store.gains import measure_gone
from analyzer.store.plans import keep_plan
from analyzer.store.series.activity import keep_activity
from analyzer.store.series.partitions import ensure_partition
from analyzer.store.series.totals import StatementRate
from analyzer.store.statements_not_run import NEVER, still_seen_from
from tests.checks.builders import facts

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
SEEN_FROM = NOW - timedelta(days=8)
SCAN = {
    "Plan": {
        "Node Type": "Seq Scan", "Relation Name": "t", "Schema": "public", "Alias": "t", "Actual Startup Time": 10.0,
        "Actual Total Time": 40.0, "Actual Rows": 1, "Actual Loops": 1, "Filter": "(a = 1)",
        "Rows Removed by Filter": 200_000,
    },
    "Execution Time": 41.0,
}  # fmt: skip
RATE = StatementRate(calls_per_day=1000.0, total_time_s_per_day=41.0, mean_exec_time_ms=41.0, rows_per_call=1.0)


@pytest.fixture
def database() -> Database:
    server = Server.objects.create(name="one", slug="one", host="h", user="u", dbname="shop")
    return Database.objects.create(server=server, oid=5, name="shop")


def a_plan(database: Database, fingerprint: str = "f1", plan: object = SCAN) -> PlanRecord:
    statement, _ = Statement.objects.get_or_create(
        server=database.server,
        fingerprint=fingerprint,
        defaults={"normalized_sql": "select 1", "kind": "select", "first_seen": NOW, "last_seen": NOW},
    )
    parsed = parse_plan(plan)
    return keep_plan(
        statement, database, shape=shape_of(parsed), plan=plan, values_source="none", is_analyzed=True,
        server_version_num=180000, execution_time_ms=parsed.execution_time_ms, now=NOW,
    )  # fmt: skip


def judge(database: Database, rate: StatementRate = RATE, rules: Rules = engine.AS_THEY_COME) -> engine.Outcome:
    daily = dict.fromkeys(Statement.objects.values_list("pk", flat=True), rate)
    return check.check_plans(database.server, database, daily, None, rules, NOW, SEEN_FROM)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The plans that the step parsed."""
    seen: list[object] = []

    def parse(plan: object) -> object:
        seen.append(plan)
        return parse_plan(plan)

    for step in (judgement, check):  # of plans, of statements
        monkeypatch.setattr(step, "parse_plan", parse)
    return seen


def test_a_plan_that_did_not_change_is_not_judged_again(database: Database, parsed: list[object]) -> None:
    a_plan(database)
    first = judge(database)
    assert [(f.key, f.impact_s_per_day) for f in first.findings] == [("PL004:f1:Seq Scan on t", 40.0)]
    again = judge(database)
    assert (again.findings, len(parsed)) == (first.findings, 1)


def test_calls_are_put_in_anew(database: Database, parsed: list[object]) -> None:
    a_plan(database)
    judge(database)
    (finding,) = judge(database, replace(RATE, calls_per_day=100_000.0)).findings
    assert (finding.impact_s_per_day, finding.severity.name, len(parsed)) == (4_000.0, "CRITICAL", 1)


def test_a_new_plan_other_rules_or_another_version_of_the_checks_are_judged(
    database: Database, parsed: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_plan(database)
    judge(database)
    a_plan(database, plan=SCAN | {"Execution Time": 42.0})  # the same shape, explained again
    judge(database)
    assert len(parsed) == 2
    off = Rules(thresholds={("PL004", "rows_read"): 1_000_000.0})
    assert (judge(database, rules=off).findings, len(parsed)) == ([], 3)
    monkeypatch.setattr(judgement, "version", lambda: "another")
    assert (len(judge(database).findings), len(parsed)) == (1, 4)


def test_a_check_that_fails_on_a_plan_closes_nothing_of_that_statement(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_plan(database)
    a_plan(database, "f2")
    judge(database)
    of_check = seq_scan_discards_rows.check
    function = of_check.function

    def fail_on_one(node, context):  # type: ignore[no-untyped-def]
        if context.fingerprint == "f1":
            raise ZeroDivisionError
        yield from ()

    monkeypatch.setattr(of_check, "function", fail_on_one)
    monkeypatch.setattr(judgement, "version", lambda: "broken")
    outcome = judge(database)
    open_now = list(FindingRecord.objects.filter(closed_at__isnull=True).values_list("about", flat=True))
    assert (outcome.failed, open_now) == ({"PL004": {"f1": "ZeroDivisionError"}}, ["f1"])
    monkeypatch.setattr(of_check, "function", function)
    monkeypatch.setattr(judgement, "version", lambda: "mended")
    judge(database)
    assert FindingRecord.objects.filter(closed_at__isnull=True).count() == 2


def test_a_plan_too_large_to_be_kept_closes_nothing(database: Database) -> None:
    record = a_plan(database)
    judge(database)
    PlanRecord.objects.filter(pk=record.pk).update(plan=[], judged_with="")
    outcome = judge(database)
    assert outcome.not_run["PL004"] == {"f1": "the plan is too large to be kept"}
    assert FindingRecord.objects.get().closed_at is None


def test_a_check_that_is_switched_off_closes_its_findings(database: Database) -> None:
    a_plan(database)
    judge(database)
    of_check = seq_scan_discards_rows.check
    change_rule(database.server, of_check, is_off=True, thresholds={}, reason="known", by="eve")
    judge(database, rules=rules_of(database.server))
    assert FindingRecord.objects.get().closed_at == NOW
    change_rule(database.server, of_check, is_off=False, thresholds={}, reason="", by="eve")
    assert (CheckRule.objects.count(), rules_of(database.server)) == (0, Rules())


STALE = {
    "Plan": {
        "Node Type": "Index Scan", "Index Name": "stale_kind", "Relation Name": "t", "Schema": "public", "Alias": "t",
        "Plan Rows": 1, "Actual Startup Time": 0.1, "Actual Total Time": 34.2, "Actual Rows": 180_000,
        "Actual Loops": 1, "Index Cond": "(t.kind = 'fresh'::text)",
    },
    "Execution Time": 47.6,
}  # fmt: skip


def test_figures_that_moved_have_the_plans_judged_that_tell_of_them(database: Database, parsed: list[object]) -> None:
    a_plan(database, "stale", STALE)
    for n in range(5):
        a_plan(database, f"f{n}")

    def after(at: datetime, modified: int, live: int) -> list[str]:
        table = {"name": "t", "columns": ["kind", "a"], "rows": 200_000.0,
                 "activity": {"modified_since_analyze": modified, "live_rows": live},
                 "storage": {"last_autoanalyze": at.isoformat()}}  # fmt: skip
        daily = dict.fromkeys(Statement.objects.values_list("pk", flat=True), RATE)
        known = facts({"tables": [table]})
        check.check_plans(database.server, database, daily, known, engine.AS_THEY_COME, NOW, SEEN_FROM)
        return list(FindingRecord.objects.filter(closed_at__isnull=True, code="PL072").values_list("about", flat=True))

    assert (after(SEEN_FROM, 180_000, 200_000), len(parsed)) == (["stale"], 6)
    assert (after(SEEN_FROM, 190_000, 210_000), len(parsed)) == (["stale"], 6)
    assert (after(NOW, 0, 210_000), len(parsed)) == ([], 7)


def test_unchanged_plans_cost_a_few_queries_whatever_their_number(
    database: Database, parsed: list[object], django_assert_num_queries
) -> None:
    for n in range(30):
        a_plan(database, f"f{n}", SCAN | {"Plan": SCAN["Plan"] | {"Rows Removed by Filter": 10}})
    judge(database)
    daily = dict.fromkeys(Statement.objects.values_list("pk", flat=True), RATE)
    with django_assert_num_queries(3):  # plans, schema, open findings
        check.check_plans(database.server, database, daily, None, engine.AS_THEY_COME, NOW, SEEN_FROM)
    assert len(parsed) == 30


def a_statement(database: Database, fingerprint: str, sql: str) -> Statement:
    """One that ran in the database; ``kind`` as of every utility that runs a query."""
    statement = Statement.objects.create(
        server=database.server, fingerprint=fingerprint, normalized_sql=sql, kind="select", text_state="ok",
        first_seen=NOW, last_seen=NOW,
    )  # fmt: skip
    StatementEntry.objects.create(
        server=database.server, statement=statement, role_oid=10, database_oid=database.oid, queryid=statement.pk
    )
    return statement


def a_page(database: Database, statement: Statement, skipped: int, at: datetime, *, executed: bool = True) -> None:
    """A plan that skips rows, of a shape of its own for each number."""
    plan = {"Plan": {"Node Type": "Limit", "Actual Startup Time": 26.1, "Actual Total Time": 26.2, "Actual Rows": 20,
            "Actual Loops": 1, "Plans": [{"Node Type": "Seq Scan", "Parent Relationship": "Outer",
            "Relation Name": "t", "Alias": "t", "Actual Startup Time": 0.1, "Actual Total Time": 25.4,
            "Actual Rows": 20 + skipped, "Actual Loops": 1}]}, "Execution Time": 26.3}  # fmt: skip
    keep_plan(
        statement, database, shape=f"{skipped}", plan=plan, values_source="none", is_analyzed=executed,
        server_version_num=180000, execution_time_ms=26.3, now=at,
    )  # fmt: skip


def skipped_rows(database: Database) -> list[object]:
    daily = dict.fromkeys(Statement.objects.values_list("pk", flat=True), RATE)
    outcome = check.check_statements(database.server, database, daily, None, engine.AS_THEY_COME, NOW, SEEN_FROM)
    return [f.evidence["skipped_rows"] for f in outcome.findings if f.code == "ST002"]


def test_statements_without_offset_are_not_parsed_and_no_plan_of_them_is_read(
    database: Database, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries
) -> None:
    texts: list[str] = []

    def parse(text: str) -> object:
        texts.append(text)
        return parse_sql(text)

    for n in range(30):
        a_page(database, a_statement(database, f"f{n}", f"select a from t_{n} order by a limit $1"), 90_000, NOW)
    monkeypatch.setattr(tree, "parse_sql", parse)
    daily = dict.fromkeys(Statement.objects.values_list("pk", flat=True), RATE)
    with django_assert_num_queries(3):  # statements, open groups of what was not judged, open findings
        check.check_statements(database.server, database, daily, None, engine.AS_THEY_COME, NOW, SEEN_FROM)
    assert texts == []
    a_page(database, a_statement(database, "g", "select a from t_g order by a limit $1 Offset $2"), 90_000, NOW)
    assert (skipped_rows(database), texts) == ([90_000], ["select a from t_g order by a limit $1 Offset $2"])


def test_a_statement_is_judged_by_the_plans_of_its_newest_executed_round(
    database: Database, parsed: list[object], django_assert_num_queries
) -> None:
    statement = a_statement(database, "f", "declare c cursor for select a from t order by a limit $1 offset $2")
    for skipped in range(50_000, 50_020):
        a_page(database, statement, skipped, NOW - timedelta(days=2))
    for skipped in range(20_000, 20_007):  # more than a few: one for each kind of value
        a_page(database, statement, skipped, NOW - timedelta(days=1))
    a_page(database, statement, 99_000, NOW, executed=False)
    assert (skipped_rows(database), len(parsed)) == ([20_006], 7)
    about = StatementFacts(
        "f", statement.normalized_sql, "select", read_plans=partial(check._plans_of, statement, database)
    )
    with django_assert_num_queries(2):  # which are newest, and those
        assert len(about.plans) == 7
    a_page(database, statement, 10, NOW)
    assert skipped_rows(database) == []


def test_what_is_found_in_a_statement_stays_until_it_was_not_seen_for_long(database: Database) -> None:
    """A day without it (a weekly job, pgLoupe stopped) tells nothing; what is found by its calls alone is rare then."""
    statement = a_statement(database, "f", "select a from t order by a limit $1 offset $2")
    a_page(database, statement, 90_000, NOW)
    rare = SCAN | {"Execution Time": 4.0, "Plan": SCAN["Plan"] | {"Actual Total Time": 4.0}}
    a_plan(database, "f", rare)
    often = replace(RATE, calls_per_day=1_000_000.0, mean_exec_time_ms=4.0)
    rules = engine.AS_THEY_COME

    def look(daily: dict[int, StatementRate], at: datetime, rules: Rules = rules) -> set[str]:
        check.check_plans(database.server, database, daily, None, rules, at, at - timedelta(days=8))
        check.check_statements(database.server, database, daily, None, rules, at, at - timedelta(days=8))
        return set(FindingRecord.objects.filter(closed_at__isnull=True).values_list("code", flat=True))

    assert look({statement.pk: often}, NOW) == {"ST002", "PL004"}
    assert look({}, NOW + timedelta(days=7)) == {"ST002", "PL004"}
    assert look({}, NOW + timedelta(days=7), Rules(off=frozenset({"PL004"}))) == {"ST002"}
    assert look({}, NOW + timedelta(days=8)) == set()
    closed = FindingEvent.objects.get(kind="closed", finding__code="ST002")
    assert closed.detail == "its statement was not seen for 8 days"
    assert measure_gone(database.server, NOW + timedelta(days=8)) == 0


def test_the_time_that_a_statement_was_not_seen_is_of_what_was_watched(database: Database) -> None:
    """Of eleven days before now four without pgLoupe."""
    server = database.server
    with connection.cursor() as cursor:
        for day in (*range(10, 5, -1), 1, 0):
            at = NOW - timedelta(days=day)
            ensure_partition("server_delta", at)
            cursor.execute(
                "insert into server_delta (server_id, taken_at, interval_s) values (%s, %s, 86400)", [server.pk, at]
            )
    assert still_seen_from(server, NOW) == NEVER  # seven days were watched
    with connection.cursor() as cursor:
        at = NOW - timedelta(days=11)
        ensure_partition("server_delta", at)
        cursor.execute(
            "insert into server_delta (server_id, taken_at, interval_s) values (%s, %s, 86400)", [server.pk, at]
        )
    assert still_seen_from(server, NOW) == at


def test_suggestions_stay_when_nothing_ran_for_a_day(database: Database) -> None:
    schemas.keep_schema(database, facts({"tables": [{"name": "t", "columns": ["a"], "rows": 10}]}))
    SuggestionRecord.objects.create(
        database=database, key="k", table="public.t", name="ix_t_a", method="btree", columns=["a"], level="rule",
        first_seen=NOW, last_seen=NOW,
    )  # fmt: skip
    check.check_server(database.server)
    assert SuggestionRecord.objects.get().closed_at is None


def test_a_step_reads_the_rules_once(database: Database) -> None:
    schemas.keep_schema(database, facts({"tables": [{"name": "t", "columns": ["a"], "rows": 10}]}))
    with CaptureQueriesContext(connection) as queries:
        check.check_server(database.server)
    asked = [query["sql"] for query in queries if f'FROM "{CheckRule._meta.db_table}"' in query["sql"]]
    assert len(asked) == 1


def test_checks_that_fail_are_said_first_and_counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise TypeError("secret")

    monkeypatch.setattr(table_without_primary_key.check, "function", failing)
    two = facts(
        {"tables": [{"name": name, "columns": ["a"], "rows": 10} for name in ("t; SC001 (KeyError) on 9", "u")]}
    )
    schemas.keep_schema(database, two)
    note = check.check_server(database.server)
    assert note.startswith("Checks failed: SC009 (TypeError) on 2; SC009 failed on 2 things: TypeError")
    assert failed_checks(note) == [FailedCheck("SC009", "TypeError", 2)]
    outcomes: list[Outcome] = []
    schema_step._keep(database.server, database, two, {}, NOW, outcomes)
    assert [(outcome.not_run, list(outcome.failed)) for outcome in outcomes] == [({}, ["SC009"])]


def session(pid: int, state: str, since_s: float, now: datetime, **more: object) -> ActivityRow:
    since = now - timedelta(seconds=since_s)
    values = {
        "backend_start": since, "xact_start": since, "query_start": since, "wait_event_type": None, "wait_event": None,
        "role_oid": 10, "database_oid": 5, "application_name": "web", "queryid": None, "text": "select 1", **more,
    }  # fmt: skip
    return ActivityRow(pid=pid, state_change=since, state=state, **values)  # type: ignore[arg-type]


def test_sessions_idle_in_transaction_are_found_and_closed(database: Database) -> None:
    now = timezone.now()
    database.server.roles.create(oid=10, name="app")

    def look(backends: Sequence[ActivityRow]) -> list[tuple[str, bool]]:
        check_sessions(database.server, now, backends, now)
        return [(r.about, r.closed_at is None) for r in FindingRecord.objects.filter(code="SV007")]

    waiting = session(7, "idle in transaction", 90, now)
    ours = session(8, "idle in transaction", 90, now, text="select /* pgloupe */ 1")
    assert look([waiting, ours, session(9, "active", 1, now)]) == [("app@shop web", True)]
    assert look([session(9, "active", 1, now)]) == [("app@shop web", False)]


@pytest.mark.parametrize("version", [13, 14])
def test_blocked_sessions_are_found_with_their_root(database: Database, version: int) -> None:
    """Since when it waits is told by the server from 14 on; before, by the looks that saw it wait."""
    now = timezone.now()
    server = database.server
    server.roles.create(oid=10, name="app")
    root = session(7, "idle in transaction", 30, now)
    since = now - timedelta(seconds=20)
    waits = session(8, "active", 25, now, wait_event_type="Lock", blocked_by=(7,))
    if version == 13:
        for at in (since, now):
            keep_activity(server, [(at, [waits])])
    else:
        waits = replace(waits, waits_since=since)
    check_sessions(server, now, [root, waits], now)
    (found,) = FindingRecord.objects.filter(code="SV008")
    assert (found.about, found.evidence["longest_wait_s"], found.evidence["root_pid"]) == ("app@shop web", 20.0, 7)


def test_what_stands_beside_sessions_is_judged_and_closes_only_when_read(database: Database) -> None:
    now = timezone.now()
    slot = Slot("standby_2", "physical", is_active=False, wal_status="lost")

    def look(standing: Standing | None) -> list[bool]:
        check_sessions(database.server, now, [], now, standing)
        return [r.closed_at is None for r in FindingRecord.objects.filter(code="SV011")]

    assert look(Standing(slots=(slot,))) == [True]
    assert look(None) == look(Standing()) == [True]
    assert look(Standing(slots=())) == [False]


def test_a_look_at_sessions_that_are_all_idle_costs_two_queries(database: Database, django_assert_num_queries) -> None:
    now = timezone.now()
    with django_assert_num_queries(2):  # rules, open findings
        check_sessions(database.server, now, [session(9, "idle", 1, now)], now)
    with django_assert_num_queries(4):  # and the names of roles and databases
        check_sessions(database.server, now, [session(9, "active", 1, now)], now)
