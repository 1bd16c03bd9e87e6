"""Which statements to explain next: those that cost most or changed most and have no fresh plan, inside the budget."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum

from analyzer.models import Database, ExplainAudit, ExplainState, ParameterSample, Role, Server, Statement
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.inner_query import inner_query, planned_query
from analyzer.statements.resolution import explained_way
from analyzer.store.series.totals import StatementRate
from analyzer.words.lists import and_list

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


def remaining_budget_ms(server: Server, now: datetime) -> float:
    """Server time that EXPLAIN may still use, of the server's budget per hour."""
    recent = ExplainAudit.objects.filter(server=server, at__gt=now - BUDGET_WINDOW)
    used = recent.aggregate(ms=Sum("duration_ms"))["ms"]
    return server.explain_budget_s_per_hour * 1000 - (used or 0.0)


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


@dataclass(frozen=True, slots=True)
class TextToExplain:
    """``rewrites``: how it differs from what the application sent, in words."""

    sql: str
    search_path: tuple[str, ...]
    rewrites: tuple[str, ...] = ()


def text_to_explain(statement: Statement, facts: SchemaFacts | None) -> TextToExplain:
    """The query that a statement runs, on the tables it reads: where several schemas have them, on the largest."""
    sent = statement.normalized_sql
    sql = planned_query(sent, facts) or sent
    rewrites = []
    inner = inner_query(sent)
    if inner is not None:
        rewrites.append(f"the query inside {inner.wrapped_in} was planned")
    elif sql != sent:
        rewrites.append("the query of the materialized view was planned")
    if facts is None:
        return TextToExplain(sql, ("public",), tuple(rewrites))
    way = explained_way(sql, facts, roles_of(statement))
    if way is None:
        return TextToExplain(sql, facts.search_path, tuple(rewrites))
    resolution, ways = way
    if ways > 1:
        tables = and_list([table.qualified_name for table in resolution.tables.values()])
        rewrites.append(f"of {ways} schemas that have its tables one was taken ({tables})")
    return TextToExplain(resolution.sql, resolution.path or facts.search_path, tuple(rewrites))


def roles_of(statement: Statement) -> tuple[str, ...]:
    """Names of those who ran it."""
    oids = statement.entries.filter(is_own=False).values("role_oid")
    roles = Role.objects.filter(server=statement.server_id, oid__in=oids)
    return tuple(roles.order_by("name").values_list("name", flat=True))


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
        tables_read = facts.tables_read(name, schema) if facts else ()
        if not tables_read:
            parts.append(written)
        for table in tables_read:
            parts.extend((table.qualified_name, *(f"{c.name} {c.type_name}" for c in table.columns)))
            parts.extend(sorted(f"{i.definition} {i.is_usable}" for i in table.indexes))
    return hashlib.md5("\n".join(parts).encode(), usedforsecurity=False).hexdigest()


def _why(state: ExplainState | None, rate: StatementRate, signature: str, has_real_values: bool, now: datetime) -> str:
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
