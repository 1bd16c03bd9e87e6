"""Statements written otherwise that findings offer, planned on the twin beside the statement as it is.

Both without values of parameters. Planned anew where the statement or its tables' structure changed, and once a day:
statistics change meanwhile.
"""

import hashlib
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F
from django.utils.dateparse import parse_datetime

from analyzer.advice.planned_rewrites import planned_rewrite
from analyzer.advice.planner import Planner, Refused
from analyzer.advice.queries import generic_query
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.checks.rewrites import SAME_ROWS
from analyzer.errors import costing_only
from analyzer.models import Database, FindingRecord
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents import Equivalent
from analyzer.steps.explain import schema_signature
from analyzer.store.rewrite_costs import KeptFix, keep_costs

MOST_FINDINGS = 20  # in one run, the costliest first
BEGUN_WITHIN_S = 120.0  # judgement: the advice before it may have taken most of the task's time
ANEW_AFTER = timedelta(days=1)  # judgement: as often as statements are explained anew


def plan_rewrites(
    twin: Planner, database: Database, recorded: Iterable[WorkloadStatement], facts: SchemaFacts, now: datetime
) -> None:
    """``recorded``: the workload; a finding whose statement is not in it waits until it runs again.

    A fault of ours over one is kept as why it was not planned. Once time is up the others wait for the next run.
    """
    statements = {statement.fingerprint: statement for statement in recorded}
    explained: dict[str, Mapping[str, Any] | Refused] = {}
    begun = time.monotonic()
    for record, signature in _waiting(database, statements, facts, now):
        if time.monotonic() - begun > BEGUN_WITHIN_S:
            return
        of = {"for": signature, "at": now.isoformat(), "planner": "twin"}
        costs: dict[str, dict[str, Any]] = {}
        fault: dict[str, str] = {}
        with costing_only(record.about, fault):
            statement = statements[record.about]
            if statement.fingerprint not in explained:
                explained[statement.fingerprint] = _as_it_is(twin, statement, facts)
            original = explained[statement.fingerprint]
            for fix in _rewritten(record):
                costs[fix["code"]] = _costs(twin, original, fix["code"], facts)
        for reason in fault.values():
            costs = {fix["code"]: {"cost_after": None, "problem": reason} for fix in _rewritten(record)} | costs
        keep_costs(record, {code: of | each for code, each in costs.items()})


def are_waiting(database: Database, recorded: Iterable[WorkloadStatement], facts: SchemaFacts, now: datetime) -> bool:
    return bool(_waiting(database, {statement.fingerprint: statement for statement in recorded}, facts, now))


def _waiting(
    database: Database, statements: Mapping[str, WorkloadStatement], facts: SchemaFacts, now: datetime
) -> list[tuple[FindingRecord, str]]:
    """Findings to plan for with what it will be good for: those never planned as things are now before old ones."""
    records = FindingRecord.objects.filter(database=database, closed_at__isnull=True, muted_at__isnull=True)
    offering = records.filter(about__in=list(statements), fixes__contains=[{"language": "sql"}]).defer("evidence")
    costliest = (F("impact_s_per_day").desc(nulls_last=True), "pk")
    new, old = [], []
    for record in offering.select_related("statement").order_by(*costliest):
        if record.statement is None or not _rewritten(record):
            continue
        signature = _signature(statements[record.about], record.statement.tables, facts)
        planned = [fix.get("planned") for fix in _rewritten(record)]
        if any(each is None or each["for"] != signature for each in planned):
            new.append((record, signature))
        elif any(now - (parse_datetime(each["at"]) or now) >= ANEW_AFTER for each in planned if each is not None):
            old.append((record, signature))
    return [*new, *old][:MOST_FINDINGS]


def _rewritten(record: FindingRecord) -> list[KeptFix]:
    return [fix for fix in record.fixes if fix["language"] == "sql" and fix["title"].startswith(SAME_ROWS)]


def _signature(statement: WorkloadStatement, tables: list[str], facts: SchemaFacts) -> str:
    text = f"{statement.sql}\n{schema_signature(facts, tables)}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _as_it_is(twin: Planner, statement: WorkloadStatement, facts: SchemaFacts) -> Mapping[str, Any] | Refused:
    query = generic_query(statement, facts)
    return query if isinstance(query, Refused) else twin.explain(query)


def _costs(twin: Planner, original: Mapping[str, Any] | Refused, code: str, facts: SchemaFacts) -> dict[str, Any]:
    """Both costs; ``cost_after`` is None where one of both cannot be planned, and ``problem`` says why."""
    if isinstance(original, Refused):
        return {"cost_after": None, "problem": f"The statement as it is cannot be planned: {original.reason}"}
    found = planned_rewrite(twin, Equivalent("", code.rstrip(";")), original, facts)
    return {
        "cost_before": found.cost_before,
        "cost_after": found.cost_after,
        "is_cheaper": found.is_cheaper,
        "factor": found.factor,
        "problem": found.problem or "",
    }
