"""Which statements to explain next: those that cost most or changed most and have no fresh plan, inside the budget."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum

from analyzer.facts import SchemaFacts
from analyzer.models import Database, ExplainAudit, ExplainState, ParameterSample, Statement
from analyzer.store.totals import StatementRate

FRESH_FOR = timedelta(hours=24)  # judgement: data and statistics move in a day
RETRY_AFTER = timedelta(minutes=10)  # when the connection failed; and at the soonest after a changed mean
RETRY_WHEN_BUSY = timedelta(minutes=1)  # a busy server may be idle at the next round
CHANGED_FACTOR = 2.0  # judgement: a mean that doubled or halved is worth a new plan
SOON_OVER = ("connection", "conflict")  # layers whose failures tell nothing of the statement
BUDGET_WINDOW = timedelta(hours=1)
# of the gate, which decide without looking at values: real ones change nothing there
LAYERS_BEFORE_VALUES = ("text", "ast", "catalog", "rights", "mode", "pooler")


@dataclass(frozen=True, slots=True)
class ToExplain:
    statement: Statement
    rate: StatementRate
    signature: str
    because: str


def remaining_budget_ms(database: Database, budget_s_per_hour: float, now: datetime) -> float:
    """Server time that EXPLAIN may still use, of the budget per hour and database."""
    used = ExplainAudit.objects.filter(
        server_id=database.server_id, database_name=database.name, at__gt=now - BUDGET_WINDOW
    ).aggregate(ms=Sum("duration_ms"))["ms"]
    return budget_s_per_hour * 1000 - (used or 0.0)


def choose(
    database: Database, rates: Mapping[int, StatementRate], facts: SchemaFacts | None, now: datetime, limit: int
) -> list[ToExplain]:
    """Statements to explain, the most urgent first, ``limit`` at most."""
    statements = Statement.objects.filter(
        pk__in=list(rates),
        kind__in=Statement.PLANNABLE,
        text_state=Statement.TextState.OK,
        entries__database_oid=database.oid,
        entries__is_own=False,
        entries__toplevel=True,
    ).distinct()
    states = {s.statement_id: s for s in ExplainState.objects.filter(database=database, statement__in=statements)}
    sampled = set(ParameterSample.objects.filter(database=database).values_list("statement_id", flat=True))
    chosen = []
    for statement in statements:
        rate = rates[statement.pk]
        signature = schema_signature(facts, statement.tables)
        because = _why(states.get(statement.pk), rate, signature, statement.pk in sampled, now)
        if because:
            chosen.append(ToExplain(statement, rate, signature, because))
    chosen.sort(key=lambda c: (-c.rate.total_time_s_per_day, c.statement.pk))
    return chosen[:limit]


def next_time(outcome: str, layer: str, now: datetime) -> datetime:
    """When to look at a statement again if nothing about it changes."""
    if layer == "load":
        return now + RETRY_WHEN_BUSY
    # what the server refused or a limit ended would be refused or ended again, with an error in the server's log
    return now + (RETRY_AFTER if outcome == "failed" and layer in SOON_OVER else FRESH_FOR)


def schema_signature(facts: SchemaFacts | None, tables: Sequence[str]) -> str:
    """Of everything about ``tables`` (as written: "schema.name" or "name") that a plan can use, statistics aside."""
    parts: list[str] = []
    for written in sorted(tables):
        schema, _, name = written.rpartition(".")
        table = facts.find_table(name, schema or None) if facts else None
        if table is None:
            parts.append(written)
            continue
        parts.extend((table.qualified_name, *(f"{c.name} {c.type_name}" for c in table.columns)))
        parts.extend(sorted(f"{i.definition} {i.is_usable}" for i in table.indexes))
    return hashlib.md5("\n".join(parts).encode(), usedforsecurity=False).hexdigest()


def _why(
    state: ExplainState | None, rate: StatementRate, signature: str, has_real_values: bool, now: datetime
) -> str:
    """Why it needs a plan now; "" when it has a fresh one."""
    if state is None:
        return "no plan yet"
    if state.schema_signature != signature:
        return "its tables or their indexes changed"
    if state.next_at <= now:
        return "its plan is old"
    if has_real_values and not state.used_real_values:
        if state.outcome == "executed":
            return "it was explained with assumed values and real ones have been seen since"
        return "it was not executed for want of values, and real ones have been seen since"
    before, mean = state.mean_exec_time_ms, rate.mean_exec_time_ms
    if before and mean and state.outcome != "failed" and now - state.explained_at > RETRY_AFTER:
        factor = mean / before
        if factor >= CHANGED_FACTOR or factor <= 1 / CHANGED_FACTOR:
            return f"its mean time changed by a factor of {max(factor, 1 / factor):.1f}"
    return ""
