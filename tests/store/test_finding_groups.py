"""Findings that stand for several things: one key, what nobody judged stays, what people said goes over."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.checks.grouping import grouped
from analyzer.findings import Finding, Severity
from analyzer.models import Database, FindingEvent, FindingRecord
from analyzer.store.finding_life import mute
from analyzer.store.findings import keep_findings, open_findings
from analyzer.store.gains import GOES_ON
from tests.checks.builders import facts

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
TOGETHER = {"SC053": Severity.INFO}
SEVERAL = "SC053:shop:several tables"
See = Callable[..., list[tuple[str, bool]]]


def of(table: str, code: str = "SC053", severity: Severity = Severity.INFO) -> Finding:
    name = table.rpartition(".")[2]
    return Finding(code, "Old", severity, name, "m", "h", {}, about=table, table=table)


@pytest.fixture
def database(server) -> Database:
    return Database.objects.create(server=server, oid=5, name="shop")


@pytest.fixture
def see(database) -> See:
    """``see(tables...)``: a run an hour later that finds these; the keys that are open then, and whether muted."""
    names = [f"{schema}.orders" for schema in ("a", "b", "c", "d")]
    tables = [{"name": "orders", "schema": n[0], "oid": 16384 + at, "columns": ["x"]} for at, n in enumerate(names)]
    known, now = facts({"tables": tables}), [NOW]

    def see(*some: str | Finding, unjudged: tuple[str, ...] = (), code: str = "SC053") -> list[tuple[str, bool]]:
        findings = [one if isinstance(one, Finding) else of(one, code) for one in some]
        now[0] += timedelta(hours=1)
        keep_findings(
            database.server, database, grouped(findings, known, TOGETHER), [code],
            unjudged={code: unjudged} if unjudged else {}, now=now[0],
        )  # fmt: skip
        kept = FindingRecord.objects.filter(closed_at__isnull=True).order_by("key")
        return [(record.key, record.muted_at is not None) for record in kept]

    return see


def mute_all() -> None:
    mute(FindingRecord.objects.filter(closed_at__isnull=True), "ann", "known")


def history() -> list[tuple[str, str]]:
    return list(FindingEvent.objects.order_by("pk").values_list("kind", "detail"))


def test_one_key_of_one_table_and_of_two(see: See, database: Database) -> None:
    assert see("a.orders") == [(SEVERAL, False)]
    assert [f.key for f in open_findings(database)] == [SEVERAL]
    assert see("a.orders", "b.orders") == [(SEVERAL, False)]
    assert see("b.orders") == [(SEVERAL, False)]
    assert see("a.orders", "b.orders") == [(SEVERAL, False)]  # each was there before
    assert history() == [("opened", ""), ("worse", "new: b.orders")]
    assert see() == []


def test_one_table_more_shows_a_muted_one_again(see: See) -> None:
    see("a.orders", "b.orders")
    mute_all()
    assert see("a.orders") == see("b.orders", "a.orders") == [(SEVERAL, True)]
    assert see("a.orders", "c.orders") == [(SEVERAL, False)]
    assert history()[-1] == ("unmuted", "new: c.orders")


def test_what_an_older_version_called_by_its_table_goes_on(see: See, database: Database) -> None:
    keep_findings(database.server, database, [of("a.orders")], ["SC053"], now=NOW)
    mute_all()
    assert see("a.orders") == [(SEVERAL, True)]
    record = FindingRecord.objects.get(key=SEVERAL)
    assert (record.first_seen, record.mute_reason, record.reopened_at) == (NOW, "known", None)
    assert FindingEvent.objects.get(kind="closed").detail == GOES_ON


def test_tenants_are_told_together_from_three_on_and_stay_muted_on_the_way(see: See) -> None:
    see("a.orders", "b.orders", code="SC001")
    mute_all()
    assert see("a.orders", "b.orders", "c.orders", code="SC001") == [("SC001:*.orders:orders", False)]  # one is new
    mute_all()
    assert see("a.orders", "c.orders", code="SC001") == [
        ("SC001:a.orders:orders", True),
        ("SC001:c.orders:orders", True),
    ]
    assert see("a.orders", "b.orders", "c.orders", code="SC001") == [("SC001:*.orders:orders", True)]
    assert set(FindingRecord.objects.filter(closed_at=None).values_list("first_seen")) == {(NOW + timedelta(hours=1),)}


def test_a_group_that_not_all_were_judged_of_stays_and_what_it_tells_does_not_open(see: See) -> None:
    group = ("SC001:*.orders:orders", True)
    see("a.orders", "b.orders", "c.orders", code="SC001")
    mute_all()
    assert see("a.orders", "b.orders", unjudged=("c.orders",), code="SC001") == [group]
    assert see(unjudged=("a.orders", "b.orders", "c.orders"), code="SC001") == [group]
    grave = replace(of("a.orders", "SC001"), severity=Severity.CRITICAL)
    assert see(grave, unjudged=("c.orders",), code="SC001") == [group, ("SC001:a.orders:orders", False)]
    assert see(unjudged=("d.orders",), code="SC001") == []


def test_a_member_that_was_mended_keeps_no_group_open(see: See) -> None:
    see("a.orders", "b.orders")
    see("a.orders", unjudged=("b.orders",))
    assert see(unjudged=("b.orders",)) == [(SEVERAL, False)]
    see("a.orders")  # b is mended
    assert see(unjudged=("b.orders",)) == []


def test_together_stays_while_its_only_table_is_not_judged(see: See) -> None:
    see("a.orders")
    assert see(unjudged=("a.orders",)) == [(SEVERAL, False)]
    see("a.orders", "b.orders")
    assert see(unjudged=("b.orders",)) == [(SEVERAL, False)]
    assert see(unjudged=("c.orders",)) == []
