"""A finding's life: opened, seen again, closed, reopened, muted; suggestions and plans likewise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analyzer.advice.definition import IndexColumn
from analyzer.advice.rules.suggest import Advice, Suggestion
from analyzer.findings import EvidenceLevel, Finding, Fix, Severity
from analyzer.models import Database, FindingRecord, NoSuggestion, PlanRecord, Statement, SuggestionRecord
from analyzer.store.finding_life import mute, unmute
from analyzer.store.findings import keep_findings, open_findings
from analyzer.store.plans import keep_plan
from analyzer.store.suggestions import keep_suggestions

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
LATER, LAST = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
FINDING = Finding(
    code="PL004", title="Sequential scan", severity=Severity.WARNING, subject="Seq Scan on t", message="It read 9.",
    hint="See.", evidence={"rows_read": 9, "kept_ratio": 0.5}, about="f1", impact_s_per_day=3.5, table="public.t",
    level=EvidenceLevel.EXECUTED, fixes=(Fix("Index", "sql", "create index"),), related_fingerprints=("f2",),
)  # fmt: skip
OTHER = replace(FINDING, about="f2", subject="Seq Scan on u")


@pytest.fixture
def database(server) -> Database:
    return Database.objects.create(server=server, oid=5, name="shop")


@pytest.fixture
def statements(server) -> dict[str, Statement]:
    return {
        f: Statement.objects.create(
            server=server, fingerprint=f, normalized_sql=f, kind="select", first_seen=NOW, last_seen=NOW
        )
        for f in ("f1", "f2")
    }


def record(about: str = "f1") -> FindingRecord:
    return FindingRecord.objects.get(about=about)


def test_found_again_moves_last_seen_only(server, database, statements):
    keep_findings(server, database, [FINDING], {"PL004"}, now=NOW)
    keep_findings(server, database, [replace(FINDING, message="It read 10.")], {"PL004"}, now=LATER)
    found = record()
    assert (found.first_seen, found.last_seen, found.closed_at) == (NOW, LATER, None)
    assert (found.message, found.statement) == ("It read 10.", statements["f1"])


def test_a_kept_finding_comes_back_whole(server, database):
    keep_findings(server, database, [FINDING], {"PL004"}, now=NOW)
    assert open_findings(database) == [FINDING]


def test_not_found_again_closes_and_found_again_reopens(server, database):
    keep_findings(server, database, [FINDING], {"PL004"}, now=NOW)
    keep_findings(server, database, [], {"PL004"}, now=LATER)
    assert record().closed_at == LATER
    keep_findings(server, database, [], {"PL004"}, now=LAST)
    assert record().closed_at == LATER  # since when it is gone
    keep_findings(server, database, [FINDING], {"PL004"}, now=LAST)
    assert (record().closed_at, record().first_seen) == (None, NOW)


def test_check_that_did_not_run_closes_nothing(server, database):
    keep_findings(server, database, [FINDING], {"PL004"}, now=NOW)
    keep_findings(server, database, [], {"SC001"}, now=LATER)
    keep_findings(server, database, [], set(), now=LATER)
    assert record().closed_at is None


@pytest.mark.parametrize("by_statement", [True, False])
def test_run_over_one_statement_closes_only_its_findings(server, database, statements, by_statement):
    keep_findings(server, database, [FINDING, OTHER], {"PL004"}, now=NOW)
    scope: Any = statements["f1"] if by_statement else ["f1"]
    keep_findings(server, database, [], {"PL004"}, scope, now=LATER)
    assert (record("f1").closed_at, record("f2").closed_at) == (LATER, None)


def test_other_databases_findings_stay_open(server, database):
    other = Database.objects.create(server=server, oid=6, name="crm")
    for place in (database, other, None):
        keep_findings(server, place, [FINDING], {"PL004"}, now=NOW)
    keep_findings(server, other, [], {"PL004"}, now=LATER)
    assert [f.closed_at for f in FindingRecord.objects.order_by("pk")] == [None, LATER, None]
    keep_findings(server, None, [FINDING], {"PL004"}, now=LAST)
    assert FindingRecord.objects.count() == 3


def test_muted_stays_muted_through_closing_and_reopening(server, database):
    keep_findings(server, database, [FINDING], {"PL004"}, now=NOW)
    mute([record()], "ann", "archive table")
    for found in ([FINDING], [], [FINDING]):
        keep_findings(server, database, found, {"PL004"}, now=LATER)
    assert (record().muted_by, record().mute_reason, record().muted_at is None) == ("ann", "archive table", False)
    unmute(record(), "ann")
    assert (record().muted_by, record().mute_reason, record().muted_at) == ("", "", None)


def test_same_finding_twice_in_one_run_is_one(server, database):
    assert len(keep_findings(server, database, [FINDING, FINDING], {"PL004"}, now=NOW)) == 1


SUGGESTION = Suggestion(
    key="ix:public.t:(a)", schema="public", table="t", columns=(IndexColumn("a"),), method="btree", name="ix_t_a",
    ddl="CREATE INDEX CONCURRENTLY", undo_ddl="DROP INDEX CONCURRENTLY", estimated_size_bytes=8192,
    helps=(("f1", 2.5),), reason="equality on a", warnings=("large",), finding_keys=("PL004:f1:x",),
    saved_time_s_per_day=2.0,
)  # fmt: skip


def test_suggestions_open_close_and_come_back(database, statements):
    keep_suggestions(database, Advice([SUGGESTION], {"f2": "covered"}), now=NOW)
    kept = SuggestionRecord.objects.get()
    assert (kept.columns, kept.level, kept.helped_time_s_per_day, kept.closed_at) == (["a"], "rule", 2.5, None)
    assert kept.helps == [{"fingerprint": "f1", "total_time_s_per_day": 2.5}]
    assert [(n.statement.fingerprint, n.reason) for n in NoSuggestion.objects.all()] == [("f2", "covered")]
    keep_suggestions(database, Advice([], {"f1": "small", "gone": "unknown here"}), now=LATER)
    assert SuggestionRecord.objects.get().closed_at == LATER
    assert [(n.statement.fingerprint, n.reason) for n in NoSuggestion.objects.all()] == [("f1", "small")]
    keep_suggestions(database, Advice([replace(SUGGESTION, ddl="NEW")]), now=LAST)
    again = SuggestionRecord.objects.get()
    assert (again.closed_at, again.first_seen, again.last_seen, again.ddl) == (None, NOW, LAST, "NEW")


def test_suggestion_that_helps_nobody_measured_has_no_time(database):
    keep_suggestions(database, Advice([replace(SUGGESTION, helps=())]), now=NOW)
    assert SuggestionRecord.objects.get().helped_time_s_per_day is None


def test_plan_of_a_known_shape_replaces_its_figures(database, statements):
    def keep(shape: str, cost: float, is_analyzed: bool = False, now: datetime = NOW) -> PlanRecord:
        return keep_plan(
            statements["f1"], database, shape=shape, plan={"cost": cost}, values_source="generic",
            is_analyzed=is_analyzed, server_version_num=150000, total_cost=cost, now=now,
        )  # fmt: skip

    first = keep("s", 1)
    again = keep("s", 2, now=LATER)
    assert (again.pk, again.times_seen, again.total_cost, again.plan) == (first.pk, 2, 2, {"cost": 2})
    assert (again.first_seen, again.last_seen) == (NOW, LATER)
    keep("s", 3, is_analyzed=True)
    keep("t", 4)
    assert PlanRecord.objects.count() == 3


def test_what_is_said_of_one_page_never_passes_to_another(server, database):
    def n_plus_one(page: str, suffix: bool = False) -> Finding:
        subject = f"t(a) per row of u, by statement {page}" if suffix else "t(a) per row of u"
        return replace(
            FINDING, code="ST001", subject=subject, family="t(a) per row of u", related_fingerprints=(page, "more")
        )

    def opened() -> dict[str, str]:
        kept = FindingRecord.objects.filter(closed_at__isnull=True)
        return {r.subject.removeprefix("t(a) per row of u"): r.related_fingerprints[0] for r in kept}

    keep_findings(server, database, [n_plus_one("aa"), n_plus_one("bb", suffix=True)], {"ST001"}, now=NOW)
    assert opened() == {"": "aa", ", by statement bb": "bb"}
    keep_findings(server, database, [n_plus_one("bb")], {"ST001"}, now=LATER)  # the other page is mended
    assert opened() == {", by statement bb": "bb"}
    keep_findings(server, database, [n_plus_one("bb"), n_plus_one("cc", suffix=True)], {"ST001"}, now=LAST)
    assert opened() == {", by statement bb": "bb", ", by statement cc": "cc"}
    keep_findings(server, database, [n_plus_one("bb"), n_plus_one("dd", suffix=True)], {"ST001"}, now=LAST)
    assert opened() == {", by statement bb": "bb", ", by statement cc": "dd"}  # the page by another statement
    assert all(r.key.endswith(r.subject) for r in FindingRecord.objects.all())
