"""A statement whose plan changed and that got slower, from the readings of a server to the finding."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from analyzer.checks import Rules
from analyzer.models import Database, FindingRecord, PlanPeriodRecord, Statement
from analyzer.monitored.readings import NamesByOid
from analyzer.plans import parse_plan
from analyzer.plans.shape import shape_of
from analyzer.steps import check_past
from analyzer.steps.check_past import check_pasts
from analyzer.store import plan_periods
from analyzer.store.plans import keep_plan
from analyzer.store.series.partitions import floor_to
from analyzer.store.series.past import pasts
from analyzer.store.series.snapshots import keep_names
from analyzer.store.series.totals import rates
from analyzer.store.series.windows import Window
from analyzer.store.tidying import tidy_store
from tests.store.conftest import FakeServer, make_server, remove

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
BY_INDEX = {
    "Plan": {
        "Node Type": "Index Scan", "Relation Name": "t", "Alias": "t", "Index Name": "ix_t_b", "Total Cost": 8.4,
        "Index Cond": "(b = 1)",
    }
}  # fmt: skip
WHOLE = {"Plan": {"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t", "Total Cost": 900, "Filter": "(b = 1)"}}
MINUTES_SLOW, HOURS = 40, 4


@pytest.fixture(scope="module")
def history(django_db_setup: None, django_db_blocker: Any) -> Iterator[FakeServer]:
    """Four whole hours at a minute: statement 1 takes 2 ms a call, in the last 40 minutes 10 ms; the others 1 ms."""
    with django_db_blocker.unblock():
        fake = FakeServer(make_server("past"))
        fake.now = floor_to(timezone.now(), "hour") - timedelta(hours=HOURS)
        keep_names(fake.server, NamesByOid({5: "shop"}, {10: "joe"}))
        for queryid in range(1, 8):
            fake.run(queryid)
        fake.read(0)
        fake.name({1: "select a from t where b = $1", **{n: f"select a{n} from u" for n in range(2, 8)}})
        for minute in range(HOURS * 60):
            is_slow = minute >= HOURS * 60 - MINUTES_SLOW
            fake.run(1, calls=100, time_ms=1000 if is_slow else 200, shared_hit_blocks=400)
            for queryid in range(2, 8):
                fake.run(queryid, calls=10, time_ms=10)
            fake.read()
        tidy_store(fake.now + timedelta(minutes=4))
        yield fake
        remove(fake.server)


def look(fake: FakeServer, *seen: tuple[float, dict[str, Any], str]) -> list[FindingRecord]:
    """``seen``: minutes ago, plan, source of its values. The findings that are open afterwards."""
    database = Database.objects.get(server=fake.server)
    statement = Statement.objects.get(server=fake.server, normalized_sql__contains="where b")
    for minutes_ago, plan, values in seen:
        parsed = parse_plan(plan)
        keep_plan(
            statement, database, shape=shape_of(parsed), plan=plan, values_source=values, is_analyzed=False,
            server_version_num=180000, total_cost=parsed.root.total_cost, now=fake.now - timedelta(minutes=minutes_ago),
        )  # fmt: skip
    daily = rates(fake.server, Window(fake.now - timedelta(days=1), fake.now))
    check_pasts(fake.server, database, daily, Rules(), fake.now, fake.now - timedelta(days=8))
    return list(FindingRecord.objects.filter(server=fake.server, closed_at__isnull=True))


def test_a_new_plan_and_the_time_since_are_a_finding_until_it_is_fast_again(history: FakeServer) -> None:
    [finding] = look(history, (180, BY_INDEX, "sampled"), (90, BY_INDEX, "sampled"), (20, WHOLE, "sampled"))
    assert (finding.code, finding.about, finding.statement_id) == (
        "ST010",
        Statement.objects.get(normalized_sql__contains="where b").fingerprint,
        Statement.objects.get(normalized_sql__contains="where b").pk,
    )
    assert finding.message.endswith("its plan changed: Index Scan on t using ix_t_b became Seq Scan.")
    evidence = finding.evidence
    assert (evidence["time_before_ms"], evidence["time_after_ms"], evidence["slower_factor"]) == (2.0, 10.0, 5.0)
    assert evidence["calls_since"] == MINUTES_SLOW * 100
    assert (evidence["blocks_per_call_since"], evidence["others_slower_factor"]) == (4.0, 1.0)
    assert finding.impact_s_per_day == pytest.approx(0.008 * 144_000)
    periods = PlanPeriodRecord.objects.order_by("first_seen").values_list("times_seen", flat=True)
    assert list(periods) == [2, 1]


def test_a_change_without_words_is_a_finding_all_the_same(history: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_words(*_: Any) -> None:
        raise ValueError

    monkeypatch.setattr(plan_periods, "differences_in_words", no_words)
    [finding] = look(history, (180, BY_INDEX, "sampled"), (20, WHOLE, "sampled"))
    assert finding.code == "ST010"
    assert "its plan changed" in finding.message


def test_what_was_found_in_one_that_is_cheap_or_did_not_run_stays(
    history: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [finding] = look(history, (180, BY_INDEX, "sampled"), (20, WHOLE, "sampled"))
    monkeypatch.setattr(check_past, "LOOKED_AT", 0)
    assert look(history) == [finding]
    check_pasts(history.server, finding.database, {}, Rules(), history.now, history.now - timedelta(days=8))
    assert FindingRecord.objects.get(pk=finding.pk).closed_at is None


def test_a_plan_for_other_values_or_one_that_was_there_before_is_no_change(history: FakeServer) -> None:
    assert look(history, (90, BY_INDEX, "sampled"), (20, WHOLE, "rare"), (19, BY_INDEX, "sampled")) == []
    assert look(history, (18, WHOLE, "sampled"))[0].code == "ST010"
    assert look(history, (10, BY_INDEX, "sampled"), (5, WHOLE, "sampled")) != []  # the first change stands
    PlanPeriodRecord.objects.all().delete()
    alternating = [(minutes, plan, "typical") for minutes, plan in ((200, WHOLE), (100, BY_INDEX), (20, WHOLE))]
    assert look(history, *alternating) == []


def test_figures_are_those_that_were_counted(history: FakeServer) -> None:
    database = Database.objects.get(server=history.server)
    statement = Statement.objects.get(server=history.server, normalized_sql__contains="where b")
    [past] = pasts(database, {statement.pk: statement.fingerprint, -1: "gone"}, history.now)
    assert past.recent.total_calls == HOURS * 60 * 100
    assert past.recent.time_ms.sum() == (HOURS * 60 - MINUTES_SLOW) * 200 + MINUTES_SLOW * 1000
    assert past.hours.calls.tolist() == [6_000.0] * HOURS
