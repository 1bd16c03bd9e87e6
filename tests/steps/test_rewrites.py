"""The twin is asked once what a statement written otherwise costs, again when that is old; it stays with the fix."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analyzer.advice.planner import Query, Refused
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.findings import Finding, Fix, Severity
from analyzer.models import Database, FindingRecord, Server, Statement
from analyzer.runtime.processes import RuntimeFailure
from analyzer.schema.facts import SchemaFacts
from analyzer.steps import advise
from analyzer.steps.rewrites import MOST_FINDINGS, plan_rewrites
from analyzer.store.findings import keep_findings, open_findings
from tests.checks.builders import facts

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
SQL, CHEAP, DEAR, REFUSED = "select v from t", "SELECT v FROM cheap", "SELECT v FROM dear", "SELECT v FROM unknown"
FIXES = tuple(Fix("The same rows", "sql", f"{sql};") for sql in (DEAR, CHEAP, REFUSED))
IN_DJANGO = Fix("In Django, likewise", "django", "filter()")
FACTS = facts({"tables": [{"name": "t", "columns": ["id", "v"], "indexes": [{"name": "ix", "columns": ["v"]}]}]})


class Twin:
    """Answers with a cost by the table that is read; ``asked``: texts."""

    costs: Mapping[str, float] = {"t": 100.0, "cheap": 10.0, "dear": 120.0}
    plans_made = 0

    def __init__(self) -> None:
        self.asked: list[str] = []

    def explain(self, query: Query) -> Mapping[str, Any] | Refused:
        self.asked.append(query.sql)
        cost = self.costs.get(query.sql.rpartition(" ")[2])
        if cost is None:
            return Refused("There is no such table.")
        return {"Plan": {"Node Type": "Result", "Total Cost": cost, "Startup Cost": 0.0, "Plan Rows": 1}}


@pytest.fixture
def database() -> Database:
    server = Server.objects.create(name="shop", slug="shop", host="h", user="u", dbname="shop")
    return Database.objects.create(server=server, oid=5, name="shop")


def find(database: Database, *fixes: Fix, name: str = "f1", impact: float = 3.5) -> FindingRecord:
    Statement.objects.get_or_create(
        server=database.server, fingerprint=name,
        defaults={"normalized_sql": SQL, "kind": "select", "tables": ["t"], "first_seen": NOW, "last_seen": NOW},
    )  # fmt: skip
    finding = Finding(
        code="PL058", title="UNION removes nothing", severity=Severity.WARNING, subject=name, message="m", hint="h",
        evidence={}, about=name, fixes=fixes, impact_s_per_day=impact,
    )  # fmt: skip
    keep_findings(database.server, database, [finding], {"PL058"}, {name}, now=NOW)
    return FindingRecord.objects.get(about=name)


def asked(database: Database, sql: str = SQL, known: SchemaFacts = FACTS, now: datetime = NOW) -> list[str]:
    """What a run asks the twin."""
    twin = Twin()
    names = FindingRecord.objects.values_list("about", flat=True)
    recorded = [WorkloadStatement(name, sql, 1.0, 1.0, 1.0) for name in names]
    plan_rewrites(twin, database, recorded, known, now)  # type: ignore[arg-type]
    return twin.asked


def kept(record: FindingRecord) -> list[tuple[str, Any, bool]]:
    record.refresh_from_db()
    return [(fix["code"], fix.get("planned", {}).get("cost_after"), fix.get("no_gain", False)) for fix in record.fixes]


def test_costs_stay_with_the_fix_and_what_gains_nothing_goes_last(database):
    record = find(database, *FIXES, IN_DJANGO)
    assert asked(database) == [SQL, DEAR, CHEAP, REFUSED]
    for _ in range(2):
        assert kept(record) == [
            (f"{CHEAP};", 10.0, False), (f"{REFUSED};", None, False), ("filter()", None, False),
            (f"{DEAR};", 120.0, True),
        ]  # fmt: skip
        find(database, *FIXES, IN_DJANGO)  # the checks judge again
    planned = record.fixes[0]["planned"]
    assert (planned["cost_before"], planned["factor"], planned["planner"]) == (100.0, "10x cheaper", "twin")
    assert record.fixes[1]["planned"]["problem"] == "There is no such table."
    assert open_findings(database)[0].fixes[0] == FIXES[1]
    assert asked(database) == []


def test_no_list_shows_a_fix_without_a_gain(database):
    """Nor the code for an ORM, which says the same."""
    record = find(database, IN_DJANGO, FIXES[0])
    assert record.first_fix["language"] == "django"
    asked(database)
    record.refresh_from_db()
    assert record.first_fix is None
    other = Fix("Otherwise", "text", "set work_mem")
    record = find(database, IN_DJANGO, FIXES[0], other)
    assert record.first_fix["code"] == other.code


def test_it_is_asked_anew_where_something_changed_or_a_day_has_passed(database):
    find(database, FIXES[1])
    assert asked(database) == [SQL, CHEAP]
    without_index = replace(FACTS, tables=tuple(replace(table, indexes=()) for table in FACTS))
    assert asked(database, known=without_index) == [SQL, CHEAP]
    assert asked(database, f"{SQL} where id = 1", without_index) != []
    assert asked(database, f"{SQL} where id = 1", without_index, NOW + timedelta(hours=23)) == []
    assert asked(database, f"{SQL} where id = 1", without_index, NOW + timedelta(hours=25)) != []
    find(database, FIXES[2])
    assert asked(database)[-1] == REFUSED


def test_the_costliest_come_first_and_the_others_in_the_next_run(database):
    for n in range(MOST_FINDINGS + 1):
        find(database, FIXES[1], name=f"f{n}", impact=float(n))
    assert asked(database).count(CHEAP) == MOST_FINDINGS
    assert FindingRecord.objects.exclude(fixes__0__has_key="planned").get().about == "f0"
    assert asked(database).count(CHEAP) == 1


def test_a_statement_that_pgloupe_fails_at_costs_the_others_nothing(database, monkeypatch):
    bad, good = find(database, FIXES[1], FIXES[0], name="bad", impact=9.0), find(database, FIXES[1], name="good")
    asking = Twin.explain

    def explain(twin: Twin, query: Query) -> Mapping[str, Any] | Refused:
        if query.sql == DEAR:
            raise KeyError("x")
        return asking(twin, query)

    monkeypatch.setattr(Twin, "explain", explain)
    asked(database)
    assert kept(bad) == [(f"{CHEAP};", 10.0, False), (f"{DEAR};", None, False)]
    assert bad.fixes[1]["planned"]["problem"] == "pgLoupe could not work on this statement (KeyError)."
    assert kept(good) == [(f"{CHEAP};", 10.0, False)]
    assert asked(database) == []  # not in each run again


def test_advice_is_kept_where_the_twin_fails_at_rewrites(database, monkeypatch):
    record = find(database, FIXES[1])
    workload = [WorkloadStatement(record.about, SQL, 1.0, 1.0, 1.0)]

    @contextmanager
    def ending(*_: object, **__: object) -> Iterator[Twin]:
        yield Twin()
        raise RuntimeFailure("The twin's PostgreSQL has ended")

    monkeypatch.setattr(advise, "lease", ending)
    monkeypatch.setattr(advise, "connection_settings", lambda *_: None)
    said = advise._plan_rewrites(database.server, database, workload, FACTS, NOW)
    assert said == "Statements written otherwise were not planned: The twin's PostgreSQL has ended"
    assert kept(record) == [(f"{CHEAP};", 10.0, False)]
    assert advise._plan_rewrites(database.server, database, workload, FACTS, NOW) == ""  # nothing waits: no twin
