"""What the statements of a finding took before it was gone and since, measured; and which statements are new."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from analyzer.behaviour.past import SpanFigures
from analyzer.findings import Finding, Severity
from analyzer.models import CheckRule, Database, FindingEvent, Statement, SuggestionRecord
from analyzer.monitored.readings import NamesByOid, StatementText
from analyzer.store import gains
from analyzer.store.findings import keep_findings
from analyzer.store.gains import MeasuredSavings, gained, is_gain, measure_gone
from analyzer.store.new_statements import keep_news, new_statements, news_of
from analyzer.store.series.partitions import floor_to
from analyzer.store.series.rollups import roll_up
from analyzer.store.series.snapshots import keep_names, keep_texts
from analyzer.store.series.windows import Window
from analyzer.words.durations import DAY_S
from dashboard.findings.closed import gained_line, gone_line
from tests.store.conftest import FakeServer

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
EVERY_S = 900  # the longest that is no gap
TEXTS = {1: "select a from t where b = $1", 2: "select c from u where d = $1", 3: "select e from w"}


def scan(statement: Statement, code: str = "PL004") -> Finding:
    return Finding(
        code=code, title="Scan", severity=Severity.WARNING, subject="Seq Scan on t", message="m", hint="h",
        evidence={}, about=statement.fingerprint, impact_s_per_day=100.0, watched_s=86_400.0,
    )  # fmt: skip


class History:
    """A server whose statements' times per call can be changed while its hours go by."""

    def __init__(self, fake: FakeServer) -> None:
        self.fake, self.server = fake, fake.server
        fake.now = floor_to(fake.now, "hour")
        keep_names(fake.server, NamesByOid({5: "shop"}, {10: "joe"}))
        self.database = Database.objects.get(server=fake.server, oid=5)
        for queryid in TEXTS:
            fake.run(queryid)
        fake.read(0)
        fake.name(TEXTS)

    def statement(self, queryid: int) -> Statement:
        return Statement.objects.get(server=self.server, normalized_sql=TEXTS[queryid])

    def pass_by(self, hours: float, **ms: float) -> None:
        """``q1=100``: statement 1 runs ten times a minute, of 100 ms each."""
        for _ in range(round(hours * 3600 / EVERY_S)):
            for name, time_ms in ms.items():
                self.fake.run(int(name[1:]), calls=EVERY_S // 6, time_ms=EVERY_S / 6 * time_ms)
            self.fake.read(EVERY_S)
        roll_up(self.server)

    def find(self, *findings: Finding) -> None:
        keep_findings(self.server, self.database, findings, ["PL004", "PL005"], now=self.fake.now)


@pytest.fixture
def history(fake: FakeServer) -> History:
    return History(fake)


def last_closing() -> FindingEvent:
    return FindingEvent.objects.filter(kind="closed").latest("pk")


def test_a_finding_that_is_gone_says_what_its_statement_takes_since(history):
    history.pass_by(24, q1=100.0, q2=50.0)
    history.find(scan(history.statement(1)))
    history.pass_by(2, q1=100.0, q2=50.0)
    history.find()
    history.pass_by(0.5, q1=1.0)
    assert measure_gone(history.server, history.fake.now) == 0  # no whole hour since
    history.pass_by(3.5, q1=1.0)
    assert measure_gone(history.server, history.fake.now) == 1
    assert measure_gone(history.server, history.fake.now) == 0
    gain = last_closing().gain
    assert gain["before_s_per_day"] == pytest.approx(1440, rel=0.01)
    assert gain["since_s_per_day"] == pytest.approx(14.4, rel=0.01)
    assert (gain["since_measured_s"], gain["index"]) == (4 * 3600, "")
    said = "Gone on 5 Mar: its statement took 24 min a day before, 14.4 s a day since (measured over 4 hours)"
    assert gone_line(last_closing()).replace("\u202f", " ") == said
    assert gained(None, history.fake.now).findings == 0  # some hours are no day
    history.pass_by(20, q1=1.0)
    measure_gone(history.server, history.fake.now)
    total = gained([history.server], history.fake.now)
    assert (total.s_per_day, total.findings) == (pytest.approx(1425.6, rel=0.01), 1)
    line = "Gone in the last 30 days: 23 min 46 s a day, with 1 finding (measured)"
    assert gained_line(total).replace("\u202f", " ") == line
    history.find(scan(history.statement(1)))  # it came back
    assert gained(None, history.fake.now).findings == 0


def test_two_findings_of_a_statement_save_its_time_once_and_the_last_counts(history):
    history.pass_by(24, q1=100.0)
    history.find(scan(history.statement(1)), scan(history.statement(1), "PL005"))
    history.pass_by(2, q1=100.0)
    history.find()
    history.pass_by(24, q1=40.0)
    measure_gone(history.server, history.fake.now)
    total = gained(None, history.fake.now)
    assert (round(total.s_per_day), total.findings) == (864, 2)
    last = last_closing()
    assert is_gain(last.gain)
    last.gain["statements"][0]["since_s_per_day"] = 1400.0
    last.save()
    assert gained(None, history.fake.now) == MeasuredSavings(0, 0)


def test_a_rise_is_said_and_saves_nothing(history):
    one, two = scan(history.statement(1)), replace(scan(history.statement(1), "PL005"))
    history.pass_by(24, q1=100.0)
    history.find(one, two)
    history.pass_by(2, q1=100.0)
    history.find()
    history.pass_by(25, q1=200.0)
    measure_gone(history.server, history.fake.now)
    total = gained(None, history.fake.now)
    assert (round(total.s_per_day), total.findings) == (0, 0)
    assert not is_gain(last_closing().gain)
    assert gained_line(total) == ""
    assert "but the time is no less: its statement took 24" in gone_line(last_closing())


def test_what_is_only_not_due_is_no_gain(history):
    """Statement 2 ran for an hour of the day, statement 1 all day: that neither runs since says something of one."""
    history.pass_by(1, q1=100.0, q2=900.0)
    history.pass_by(23, q1=100.0)
    history.find(scan(history.statement(1)), scan(history.statement(2)))
    history.pass_by(2, q1=100.0)
    history.find()
    history.pass_by(25)
    measure_gone(history.server, history.fake.now)
    assert gained(None, history.fake.now).s_per_day == pytest.approx(1440, rel=0.01)
    assert "a day before, not run since (measured)" in gone_line(last_closing())


def test_the_index_that_mended_it_is_named_and_a_switched_off_check_gains_nothing(history):
    finding = scan(history.statement(1))
    history.find(finding)
    history.pass_by(26, q1=100.0)
    built_at = history.fake.now
    SuggestionRecord.objects.create(
        database=history.database, key="k", table="public.t", name="ix", method="btree", columns=["b"], ddl="",
        undo_ddl="", level="planned", reason="", finding_keys=[finding.key], first_seen=built_at, last_seen=built_at,
        state="built", built_at=built_at, built_index_name="ix_t_b", outcome={"until": built_at.isoformat()},
    )  # fmt: skip
    history.pass_by(1, q1=1.0)
    history.find()
    history.pass_by(24, q1=1.0)
    measure_gone(history.server, history.fake.now)
    assert gone_line(last_closing()).startswith("Mended on 5 Mar by index ix_t_b: its statement took 24")
    assert "(measured)" in gone_line(last_closing())
    history.find(finding)
    CheckRule.objects.create(
        server=history.server, code="PL004", is_off=True, reason="r", changed_at=built_at, changed_by="ada"
    )
    history.find()
    history.pass_by(3, q1=1.0)
    assert measure_gone(history.server, history.fake.now) == 0
    assert gone_line(last_closing()) == ""


def test_a_statement_is_new_that_costs_and_was_not_there_before(history):
    server, fake = history.server, history.fake
    type(server).objects.filter(pk=server.pk).update(created_at=fake.now)
    server.refresh_from_db()

    def new() -> list[str]:
        return [n.normalized_sql for n in new_statements(server, Window(fake.now - timedelta(days=1), fake.now))]

    history.pass_by(23, q1=10.0)
    assert new() == []  # in a server's first day everything is
    history.pass_by(3, q1=10.0)
    fake.run(7, calls=1, time_ms=0.1)
    fake.read(EVERY_S)
    fake.name({7: "select cheap from t"})
    history.pass_by(1, q1=10.0, q8=200.0)
    fake.name({8: "select costly from t"})
    Statement.objects.filter(normalized_sql=TEXTS[1]).update(first_seen=fake.now)  # its text was read anew
    assert new() == ["select costly from t"]
    keep_news(server, fake.now)
    [(of, kept)], counts = news_of([server], fake.now)
    assert (of, kept.normalized_sql, kept.calls, counts) == (server, "select costly from t", 600, {server: 1})
    assert kept.load_ratio == pytest.approx(120 / (120 + 143), rel=0.02)
    fake.roles[9], fake.hidden = 11, frozenset({11})
    history.pass_by(0.5, q9=500.0)
    fake.hidden = frozenset()
    history.pass_by(0.5, q9=500.0)
    keep_texts(server, [StatementText(11, 5, 9, True, "select visible from t")], now=fake.now)
    assert "select visible from t" not in new()
    history.pass_by(7, q1=1.0)
    history.pass_by(0.5, q10=500.0)
    fake.name({10: "select later from t"})
    assert "select later from t" in new()


def test_many_that_are_gone_cost_no_more_queries(history, django_assert_max_num_queries):
    found = [replace(scan(history.statement(1)), subject=f"node {n}") for n in range(40)]
    history.find(*found)
    history.pass_by(3, q1=100.0)
    history.find()
    history.pass_by(1, q1=1.0)
    with django_assert_max_num_queries(12):
        assert measure_gone(history.server, history.fake.now) == 40
    with django_assert_max_num_queries(2):
        measure_gone(history.server, history.fake.now)


@pytest.mark.parametrize(
    ("weeks_before", "days_since", "before_s", "since_s", "is_gained"),
    [
        (1, 2, 0, 0, False),  # closed on a Friday evening: the weekend before was as quiet
        (1, 7, 5 / 7, 5 / 14, True),
        (0, 2, 0, 0, False),  # nothing is known of weekends
        (0, 3, 1, 0.5, True),  # the Monday is a working day as the Friday was
    ],
)
def test_a_weekend_is_no_gain(weeks_before, days_since, before_s, since_s, is_gained):
    """A statement that runs on working days, for half the time since Friday night."""
    closed = int(datetime(2026, 3, 7, tzinfo=UTC).timestamp())
    start = closed - DAY_S * (7 * weeks_before or 1)
    hours = dict.fromkeys(range(start, closed + days_since * DAY_S, 3600), 3600.0)
    ran = [at for at in hours if datetime.fromtimestamp(at, tz=UTC).weekday() < 5]
    times = np.array([1000 / 24 * (1.0 if at < closed else 0.5) for at in ran])
    figures = SpanFigures(3600, np.array(ran, dtype=float), times, times, times, times)
    spans = gains._Spans((closed - 7 * DAY_S, closed), (closed, closed + days_since * DAY_S))
    gain = gains._gain({"f": figures}, spans, hours)
    assert is_gain(gain) == is_gained
    if is_gained:
        assert (gain["before_s_per_day"], gain["since_s_per_day"]) == pytest.approx((before_s, since_s))


def test_of_many_closings_the_costliest_come_first_and_the_others_next(history, monkeypatch):
    monkeypatch.setattr(gains, "MOST_AT_ONCE", 2)
    found = [replace(scan(history.statement(1)), subject=f"node {n}", impact_s_per_day=float(n)) for n in range(3)]
    history.find(*found)
    history.pass_by(3, q1=100.0)
    history.find()
    history.pass_by(1, q1=1.0)

    def measured() -> set[str]:
        closings = FindingEvent.objects.filter(gain__has_key="since_s_per_day")
        return set(closings.values_list("finding__subject", flat=True))

    assert measure_gone(history.server, history.fake.now) == 2
    assert measured() == {"node 2", "node 1"}
    assert measure_gone(history.server, history.fake.now) == 1
    assert measured() == {"node 2", "node 1", "node 0"}
