"""A finding's history: what checks saw and what people did, and when a muted one shows again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from analyzer.findings import Finding, Severity
from analyzer.models import CheckRule, Database, FindingEvent, FindingRecord, ServerEvent, SuggestionRecord
from analyzer.schema.changes import SchemaChange
from analyzer.store import events, finding_life
from analyzer.store.finding_life import assign, mute, state, unmute
from analyzer.store.findings import keep_findings
from analyzer.store.tidying import tidy_store

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
COSTLY = Finding(
    code="PL004", title="Scan", severity=Severity.WARNING, subject="Seq Scan on t", message="m", hint="h",
    evidence={}, about="f1", impact_s_per_day=100.0, watched_s=86_400.0,
)  # fmt: skip


@pytest.fixture
def database(server) -> Database:
    return Database.objects.create(server=server, oid=5, name="shop")


@pytest.fixture
def see(database):
    """``see(hours, impact, ...)``: a run of the check at that hour that finds it so; ``see(hours)`` finds nothing."""

    def see(hours: float, *impacts: float, watched_s: float = 86_400.0) -> None:
        found = [replace(COSTLY, impact_s_per_day=impact, watched_s=watched_s) for impact in impacts]
        keep_findings(database.server, database, found, ["PL004"], now=NOW + timedelta(hours=hours))

    return see


def history() -> list[tuple[str, str, str]]:
    return list(FindingEvent.objects.order_by("at", "pk").values_list("kind", "by", "detail"))


def test_found_gone_and_back_are_told_in_order(see):
    see(0, 100)
    see(1, 101)
    see(2)
    see(3, 90)
    assert [what for what, _, _ in history()] == ["opened", "closed", "reopened"]
    closed = FindingEvent.objects.get(kind="closed")
    assert closed.impact_s_per_day == 101  # what it cost, and no longer does
    assert state(FindingRecord.objects.get(), NOW + timedelta(hours=3)) == "back"


@pytest.mark.parametrize(
    ("later", "watched_s", "is_worse"), [(199, 86_400, False), (200, 86_400, True), (900, 600, False)]
)
def test_worse_is_twice_what_it_was_over_long_enough(see, later, watched_s, is_worse):
    see(0, 100)
    see(5, later, watched_s=watched_s)
    see(6, later, watched_s=watched_s)
    assert ("worse" in {what for what, _, _ in history()}) is is_worse
    assert (FindingRecord.objects.get().worse_since == NOW + timedelta(hours=5)) is is_worse


def test_worse_again_is_twice_what_it_was_when_it_last_got_worse(see):
    for hour, impact in enumerate((100, 200, 390, 5000, 9999, 10000)):
        see(hour, impact)
    assert history() == [
        ("opened", "", ""), ("worse", "", "it cost 1 min 40 s a day"), ("worse", "", "it cost 3 min 20 s a day"),
        ("worse", "", "it cost 1 h 23 min a day"),
    ]  # fmt: skip
    assert FindingRecord.objects.get().worse_since == NOW + timedelta(hours=5)


def test_what_costs_again_what_it_did_is_no_longer_worse_after_a_day(see):
    def is_worse_after(hours: float, impact: float) -> bool:
        see(hours, impact)
        return FindingRecord.objects.get().worse_since is not None

    see(0, 100)
    costs = [(1, 900), (24, 150), (25, 300), (26, 199), (27, 150), (28, 200)]
    assert [is_worse_after(*cost) for cost in costs] == [True, True, True, False, False, True]
    assert [what for what, _, _ in history()] == ["opened", "worse", "worse"]


def test_what_got_dearer_is_not_told_again_with_each_member(database):
    def see(hours: float, impact: float, *members: str, severity: Severity = Severity.INFO) -> FindingRecord:
        found = replace(COSTLY, impact_s_per_day=impact, members=members, severity=severity)
        keep_findings(database.server, database, [found], ["PL004"], now=NOW + timedelta(hours=hours))
        return FindingRecord.objects.get()

    see(0, 100, "a")
    see(1, 900, "a")
    see(2, 900, "a", "b")
    see(3, 900, "a", "b")
    see(4, 950, "a", "b", severity=Severity.WARNING)
    see(5, 950, "a", "b", severity=Severity.WARNING)
    assert history()[1:] == [
        ("worse", "", "it cost 1 min 40 s a day"), ("worse", "", "new: b"), ("worse", "", "it was info"),
    ]  # fmt: skip
    assert see(40, 120, "a", "b", severity=Severity.WARNING).worse_since == NOW + timedelta(
        hours=4
    )  # more severe still
    assert see(41, 900, "a", "b", severity=Severity.WARNING).worse_since == NOW + timedelta(hours=41)
    assert history()[-1] == ("worse", "", "it cost 1 min 40 s a day")
    keep_findings(database.server, database, [], ["PL004"], now=NOW + timedelta(hours=43))
    see(44, 900, "a")
    assert see(45, 1700, "a").worse_since is None


def test_what_is_more_severe_stays_so_whatever_it_costs(database):
    for day, (severity, impact) in enumerate([(Severity.INFO, 100), (Severity.CRITICAL, 100), (Severity.CRITICAL, 50)]):
        found = replace(COSTLY, severity=severity, impact_s_per_day=impact)
        keep_findings(database.server, database, [found], ["PL004"], now=NOW + timedelta(days=2 * day))
    assert FindingRecord.objects.get().worse_since == NOW + timedelta(days=2)


def test_what_was_changed_meanwhile_is_named(database):
    """Settings that the finding names, tables it is about; not what changed before it was last seen."""
    server, hour = database.server, timedelta(hours=1)
    setting = replace(COSTLY, code="SV035", subject="log_lock_waits", about="")
    table = replace(COSTLY, code="SC001", table="public.t", about="public.t")
    sessions = replace(COSTLY, code="SV007", about="app@shop")
    events.note_settings(server, ["log_lock_waits from off to on"], NOW - hour, NOW - 2 * hour)
    keep_findings(server, None, [setting, sessions], ["SV035", "SV007"], now=NOW)
    keep_findings(server, database, [table], ["SC001"], now=NOW)
    several = [f"enable_{n} from on to off" for n in range(6)]
    waits = "log_lock_waits from a, b to a, c"
    events.note_settings(server, [*several, waits], NOW + hour, NOW)
    assert len(events.events_between(server, NOW, NOW + hour)) == 1
    events.note_schema(
        database, [SchemaChange("public.t", "t: index ix new"), SchemaChange("u", "u: x")], NOW + hour, NOW
    )
    ServerEvent.objects.create(server=server, kind="restart", at=NOW + hour, description="PostgreSQL was restarted")
    keep_findings(server, None, [], ["SV035", "SV007"], now=NOW + 2 * hour)
    keep_findings(server, database, [], ["SC001"], now=NOW + 2 * hour)
    closed = FindingEvent.objects.filter(kind="closed").values_list("finding__code", "detail")
    assert dict(closed) == {
        "SV035": waits, "SC001": "t: index ix new", "SV007": "PostgreSQL was restarted",
    }  # fmt: skip


def test_what_is_cheap_is_not_worse(see):
    see(0, 5)
    see(5, 50)
    assert [what for what, _, _ in history()] == ["opened"]


def test_a_first_impact_of_minutes_is_not_what_later_ones_are_compared_with(see):
    see(0, 10, watched_s=300)
    see(2, 100, watched_s=7_200)
    see(4, 150, watched_s=14_400)
    assert [what for what, _, _ in history()] == ["opened"]
    see(6, 200)
    assert [what for what, _, _ in history()] == ["opened", "worse"]


def test_muted_until_it_costs_twice_as_much(see):
    see(0, 100)
    mute([FindingRecord.objects.get()], "ann", "it is a batch")
    see(1, 190)
    assert FindingRecord.objects.get().muted_by == "ann"
    see(2, 210)
    record = FindingRecord.objects.get()
    assert (record.muted_at, record.mute_reason, state(record, NOW)) == (None, "", "worse")
    assert sorted(history())[-1][0] == "unmuted"
    assert "when it was muted" in FindingEvent.objects.get(kind="unmuted").detail
    see(3, 410)
    see(4, 420)
    see(30, 190)
    assert [what for what, _, _ in history() if what != "muted"] == ["opened", "unmuted", "worse"]
    assert FindingRecord.objects.get().worse_since is None


def test_what_gets_more_severe_is_worse_and_no_longer_muted(database):
    def see(*severities: Severity, **more: object) -> FindingRecord:
        for hour, severity in enumerate(severities):
            found = replace(COSTLY, code="SC019", severity=severity, impact_s_per_day=None, **more)
            keep_findings(database.server, database, [found], ["SC019"], now=NOW + timedelta(hours=hour))
        return FindingRecord.objects.latest("pk")

    mute([see(Severity.WARNING)], "ann", "next year")
    assert see(Severity.INFO, Severity.WARNING).muted_at is not None
    assert see(Severity.CRITICAL).muted_at is None
    assert FindingEvent.objects.latest("pk").detail == "it was warning"
    FindingEvent.objects.all().delete()
    see(Severity.INFO, Severity.CRITICAL)  # it was so before
    assert history() == []
    by_time = {"subject": "by its time", "time_ms": 10.0, "run_time_ms": 20.0}
    assert see(Severity.WARNING, Severity.CRITICAL, **by_time).worse_since is None  # moves with the calls
    assert see(Severity.INFO, Severity.WARNING, Severity.CRITICAL, subject="two steps").worse_since is not None
    assert history()[-2:] == [("worse", "", "it was info"), ("worse", "", "it was warning")]


def test_muted_for_a_week(see):
    see(0, 100)
    mute([FindingRecord.objects.get()], "ann", "next week", until=NOW + timedelta(days=7))
    see(24 * 7 - 1, 100)
    assert FindingRecord.objects.get().muted_at is not None
    see(24 * 7, 100)
    assert FindingRecord.objects.get().muted_at is None
    assert FindingEvent.objects.get(kind="unmuted").detail == "its time was over"


def test_people_are_named(see):
    see(0, 100)
    record = FindingRecord.objects.get()
    assign(record, "bob", "ann")
    assign(record, "bob", "ann")  # nothing new
    mute([record], "ann", "later")
    unmute(record, "bob")
    assert history() == [
        ("opened", "", ""), ("assigned", "ann", "bob"), ("muted", "ann", "later"), ("unmuted", "bob", ""),
    ]  # fmt: skip


def test_what_mended_it_is_told_where_it_is_known(see, database):
    see(0, 100)
    SuggestionRecord.objects.create(
        database=database, key="k", table="public.t", name="ix_t_a", method="btree", columns=["a"], level="rule",
        first_seen=NOW, last_seen=NOW, finding_keys=[COSTLY.key], built_at=NOW + timedelta(minutes=30),
        built_index_name="ix_own_name",
    )  # fmt: skip
    see(1)
    assert FindingEvent.objects.get(kind="closed").detail == "index ix_own_name was built"


def test_a_check_switched_off_mended_nothing(see, database):
    see(0, 100)
    CheckRule.objects.create(
        server=database.server, code="PL004", is_off=True, reason="noise", changed_at=timezone.now(), changed_by="ann"
    )
    see(1)
    assert FindingEvent.objects.get(kind="closed").detail == "the check was switched off by ann: noise"


def test_the_history_of_what_comes_and_goes_all_day_is_cut_but_for_what_people_did(see, monkeypatch):
    monkeypatch.setattr(finding_life, "MOST_EVENTS", 3)
    see(0, 100)
    mute(FindingRecord.objects.all(), "ada", "known")
    unmute(FindingRecord.objects.get(), "ada")
    for hour in range(1, 7):
        see(hour, *([100] if hour % 2 == 0 else []))
    tidy_store(timezone.now())
    kept = [(what, by) for what, by, _ in FindingEvent.objects.order_by("pk").values_list("kind", "by", "detail")]
    newest = [("reopened", ""), ("closed", ""), ("reopened", "")]
    assert kept == [("muted", "ada"), ("unmuted", "ada"), *newest]


def test_another_rule_beside_a_muted_one_shows_it_again_by_its_whole_name(database):
    rule = replace(COSTLY, code="SV046", members=("app from 10.0.0.0/8 to all",))
    keep_findings(database.server, None, [rule], ["SV046"], now=NOW)
    mute(FindingRecord.objects.all(), "ann", "known")
    more = replace(rule, members=(*rule.members, "all from ::/0 to all"))
    keep_findings(database.server, None, [more], ["SV046"], now=NOW + timedelta(hours=1))
    assert FindingEvent.objects.get(kind="unmuted").detail == "new: all from ::/0 to all"
