"""One statement: what it costs, why, and what to do."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import ExplainAudit, FindingRecord, PlanRecord, Statement
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.statements.display import display_sql
from analyzer.statements.inner_query import inner_query
from analyzer.statements.parse import parse_statement
from analyzer.store.events import events_of_statement
from analyzer.store.series.timelines import statement_timeline
from analyzer.store.series.totals import StatementTotals, statement_totals
from analyzer.store.suggestions import naming
from analyzer.words.durations import DAY_S, SHORTEST_OF_A_DAY_S
from dashboard.charts import charts
from dashboard.charts.marks import grouped, of_events
from dashboard.permissions import viewer_required
from dashboard.servers.routes import statement_callers
from dashboard.servers.state import sampling_state
from dashboard.statements.plan_periods import plan_periods
from dashboard.statements.plan_text import plan_text
from dashboard.statements.tables import notes_of, tables_of
from dashboard.windows import about, window_of

PLANS_SHOWN = 20
SUGGESTIONS_LOOKED_AT = 10


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A plan of the list; ``x`` and ``width``: when it was seen, of a bar 100 wide over all plans shown."""

    plan: PlanRecord
    x: str
    width: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class RelatedRow:
    """Another statement of a finding that names this one too."""

    statement: Statement
    finding: FindingRecord


@viewer_required
@require_GET
def statement(request: HttpRequest, server: str, fingerprint: str) -> HttpResponse:
    record = get_object_or_404(Statement.objects.select_related("server"), server__slug=server, fingerprint=fingerprint)
    window = window_of(request, record.server)
    page = statement_totals(record.server, window, limit=1, filters={"statement_ids": [record.pk]})
    totals = page.rows[0] if page.rows else None
    findings = list(_findings(record))
    is_open = [f for f in findings if f.closed_at is None and f.muted_at is None]
    keys = [finding.key for finding in is_open]
    suggested = list(naming(record.server, keys, record.fingerprint)[:SUGGESTIONS_LOOKED_AT])
    suggestions = [s for s in suggested if s.closed_at is None]
    plans = list(record.plans.defer("plan").order_by("-last_seen", "-pk")[:PLANS_SHOWN])
    plan = _chosen(plans, request.GET.get("plan"))
    periods, changes = plan_periods(record, timezone.now())
    happened = of_events(events_of_statement(record, window.start, window.end), record.server.dbname)
    marks = grouped([*changes, *happened], window.start, window.end, record.server.created_at)
    has_no_plan = _has_no_plan(record)
    context = {
        "section": "statements",
        "server": record.server,
        "statement": record,
        "heading": _heading(record),
        "pretty_sql": display_sql(record.normalized_sql),
        "state": sampling_state(record.server),
        **about(window),
        "totals": _summary(totals, page.covered_s),
        "timeline": charts.statement_load(
            statement_timeline(record, window, charts.NEEDED), record.server.created_at, marks
        ),
        "marks": marks,
        "callers": statement_callers(record, window),
        "findings": is_open,
        "hidden_findings": len(findings) - len(is_open),
        "suggestions": suggestions,
        "built": [s for s in suggested if s.closed_at is not None],
        "no_suggestions": [] if suggestions else list(record.no_suggestions.order_by("-decided_at")[:3]),
        "has_no_plan": has_no_plan,
        "text_state": _text_state(record),
        "periods": periods,
        "plans": _plan_rows(plans, plan),
        "related": _related(record, is_open),
        "plan": plan,
        "plan_lines": plan_text(plan.plan) if plan else "",
        "no_plan_because": "" if plan else has_no_plan or _why_no_plan(record),
        "tables": tables_of(record),
        "notes": notes_of(record),
    }
    return render(request, "dashboard/statement.html", context)


def _findings(statement: Statement) -> QuerySet[FindingRecord]:
    """About the statement itself, or naming it among those concerned."""
    return (
        FindingRecord.objects.select_related("server", "database")
        .filter(
            Q(statement=statement) | Q(server=statement.server, related_fingerprints__contains=[statement.fingerprint])
        )
        .order_by("-severity", F("impact_s_per_day").desc(nulls_last=True), "pk")[:100]
    )


def _related(statement: Statement, findings: list[FindingRecord]) -> list[RelatedRow]:
    """The other statements of its findings: an N+1's parent on the child's page and the other way round. One query."""
    named = {f.pk: {f.about, *f.related_fingerprints[:20]} - {statement.fingerprint} for f in findings}
    wanted = set().union(*named.values())
    if not wanted:
        return []
    others = {s.fingerprint: s for s in Statement.objects.filter(server=statement.server, fingerprint__in=wanted)}
    return [
        RelatedRow(others[name], finding) for finding in findings for name in sorted(named[finding.pk] & others.keys())
    ][:20]


def _chosen(plans: list[PlanRecord], wanted: str | None) -> PlanRecord | None:
    """The one asked for, else the newest that was executed, else the newest."""
    by_id = {str(plan.pk): plan for plan in plans}
    executed = (plan for plan in plans if plan.is_analyzed)
    return by_id.get(wanted or "") or next(executed, plans[0] if plans else None)


def _plan_rows(plans: list[PlanRecord], current: PlanRecord | None) -> list[PlanRow]:
    if not plans:
        return []
    start = min(plan.first_seen for plan in plans)
    span_s = max((max(plan.last_seen for plan in plans) - start).total_seconds(), 1.0)
    rows = []
    for plan in plans:
        width = min(100.0, max(3.0, 100 * (plan.last_seen - plan.first_seen).total_seconds() / span_s))
        x = min(100 - width, 100 * (plan.first_seen - start).total_seconds() / span_s)
        rows.append(PlanRow(plan, f"{x:.1f}", f"{width:.1f}", plan is current))
    return rows


def _heading(statement: Statement) -> str:
    """ "Select from shop_order, shop_customer", "LOCK on shop_order": the text itself stands below."""
    inner = inner_query(statement.normalized_sql)
    tables = statement.tables if inner is None else [str(table) for table in parse_statement(inner.sql).tables]
    if not tables:
        return f"{statement.kind} statement".capitalize() if statement.kind != "unknown" else "Statement"
    names = ", ".join(tables[:3]) + (" and more" if len(tables) > 3 else "")
    word = {"insert": "Insert into", "update": "Update of", "delete": "Delete from", "merge": "Merge into"}
    if statement.kind in word:  # the first is written to
        reading = f", reading {names.removeprefix(tables[0]).lstrip(', ')}" if len(tables) > 1 else ""
        heading = f"{word[statement.kind]} {tables[0]}{reading}"
    elif statement.kind == "select":
        heading = f"Select from {names}"
    else:
        heading = f"{statement.normalized_sql.split(maxsplit=1)[0].upper()} on {names}"
    return (f"{inner.wrapped_in}: {heading}" if inner is not None and inner.runs else heading)[:200]


def _summary(totals: StatementTotals | None, covered_s: float) -> dict[str, object]:
    if totals is None:
        none = 0 if covered_s else None  # measured, and it did not run
        names = ("load_ratio", "total_exec_time_ms", "calls", "read_bytes")
        unknown = ("per_day_s", "rows_per_call", "mean_ms", "max_ms", "hit_ratio")
        return {**dict.fromkeys(names, none), **dict.fromkeys(unknown)}
    return {
        "load_ratio": totals.load_ratio,
        "total_exec_time_ms": totals.total_exec_time_ms,
        "per_day_s": totals.total_exec_time_ms / 1000 * DAY_S / covered_s if covered_s >= SHORTEST_OF_A_DAY_S else None,
        "calls": totals.calls,
        "rows_per_call": totals.rows_per_call,
        "mean_ms": totals.mean_exec_time_ms,
        "max_ms": totals.max_exec_time_ms,
        "read_bytes": totals.shared_read_blocks * PAGE_BYTES,
        "hit_ratio": totals.hit_ratio,
    }


def _text_state(statement: Statement) -> str:
    if statement.text_state == Statement.TextState.TRUNCATED:
        return "not one that pgLoupe's parser takes: it may have been cut short"
    return str(statement.get_text_state_display())


def _has_no_plan(statement: Statement) -> str:
    """Why it will never have one, "" where it may."""
    if statement.text_state != Statement.TextState.OK or statement.kind in Statement.PLANNABLE:
        return ""
    inner = inner_query(statement.normalized_sql)
    if inner is not None:  # EXPLAIN, WITH NO DATA
        return "It plans a query and does not run it: that query has a plan where it runs."
    if statement.kind == "utility":
        return "It is a utility statement, which has no plan of its own."
    return "Its text is not one statement that PostgreSQL plans by itself."


def _why_no_plan(statement: Statement) -> str:
    last = (
        ExplainAudit.objects.filter(statement=statement, at__gt=timezone.now() - timedelta(days=7))
        .order_by("-at")
        .first()
    )
    if last is not None:
        return f"{last.decision.replace('_', ' ').capitalize()}: {last.reason}"
    if set(statement.entries.order_by().values_list("toplevel", flat=True).distinct()) == {False}:
        return (
            "It runs inside other statements only, as of functions, whose variables its text may name: it is planned on"
            " the twin for advice, and the server is not asked for it."
        )
    if statement.text_state != Statement.TextState.OK:
        return f"A plan needs the whole text; it is {_text_state(statement)}."
    if statement.server.explain_mode == "off":
        return "EXPLAIN is switched off for this server."
    return "The statements that cost the most are explained first, within the server's budget."
