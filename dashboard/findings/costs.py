"""What findings cost a server: over all its statements, by check, the costliest first.

A finding's time is the share it takes of its statement's explained run, times what the statement took in the last
day (``checks/impact.py``). Time that was assumed and not measured, such as round trips, is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.checks import all_checks
from analyzer.models import FindingRecord, Server
from analyzer.store.series.totals import ServerRates, StatementRate, watched_s
from analyzer.store.series.windows import A_DAY, Window
from dashboard.permissions import viewer_required
from dashboard.servers.choice import redirect_to_server, server_and_others
from dashboard.servers.rows import open_findings

MOST_FINDINGS = 5_000  # of the costliest: what is left out would come last
STATEMENTS_SHOWN = 5  # of each check; the list of findings has the others


@dataclass(frozen=True, slots=True)
class StatementCost:
    """What findings of one check take of one statement, a day; ``share_ratio`` of all the statement's time."""

    finding: FindingRecord  # the costliest
    time_s_per_day: float
    share_ratio: float


@dataclass(frozen=True, slots=True)
class CheckCost:
    """What one check's findings take of a server's statements, a day; ``share_ratio`` of all their time."""

    code: str
    title: str
    time_s_per_day: float
    share_ratio: float
    findings: int
    statements: Sequence[StatementCost] = field(repr=False)

    @property
    def shown(self) -> Sequence[StatementCost]:
        return self.statements[:STATEMENTS_SHOWN]

    @property
    def width(self) -> str:
        return f"{max(1.0, 100 * self.share_ratio):.1f}"


@viewer_required
@require_GET
def all_costs(request: HttpRequest) -> HttpResponse:
    return redirect_to_server(request, "costs", "findings", "What findings cost")


@viewer_required
@require_GET
def costs(request: HttpRequest, server: str) -> HttpResponse:
    of_server, others = server_and_others(server)
    window = Window(timezone.now() - A_DAY, timezone.now())
    of_a_day = ServerRates(of_server, window)
    daily = of_a_day.by_statement()
    by_check = costs_by_check(costliest(of_server), daily, of_a_day.server_time_s_per_day())
    context = {
        "section": "findings",
        "server": of_server,
        "other_servers": others,
        "checks": by_check,
        "statements": len({cost.finding.statement_id for check in by_check for cost in check.statements}),
        "watched_s": watched_s(daily),
        "has_findings": bool(by_check) or open_findings().filter(server=of_server).exists(),
    }
    return render(request, "dashboard/costs.html", context)


def costliest(server: Server) -> Iterable[FindingRecord]:
    """Open findings on statements of the server that take time. One query."""
    return (
        open_findings()
        .filter(server=server, statement__isnull=False, impact_s_per_day__gt=F("impact_assumed_s_per_day"))
        .select_related("statement", "server")
        .only(
            "code", "title", "subject", "impact_s_per_day", "impact_assumed_s_per_day", "server__slug",
            "statement__fingerprint", "statement__normalized_sql",
        )
        .order_by("-impact_s_per_day", "pk")[:MOST_FINDINGS]
    )  # fmt: skip


def costs_by_check(
    records: Iterable[FindingRecord], daily: Mapping[int, StatementRate], server_s_per_day: float
) -> list[CheckCost]:
    """The checks with the statements behind them. No statement counts with more than its own time."""
    titles = {check.code: check.title for check in all_checks()}
    by_check: dict[str, dict[int, list[FindingRecord]]] = {}
    for finding in records:
        pk = finding.statement_id
        if pk is not None and pk in daily:
            by_check.setdefault(finding.code, {}).setdefault(pk, []).append(finding)
    costs = []
    for code, by_statement in by_check.items():
        statements = [_statement_cost(some, daily[pk].total_time_s_per_day) for pk, some in by_statement.items()]
        statements.sort(key=attrgetter("time_s_per_day"), reverse=True)
        time_s = sum(cost.time_s_per_day for cost in statements)
        share = min(1.0, time_s / server_s_per_day) if server_s_per_day else 0.0
        number = sum(len(some) for some in by_statement.values())
        costs.append(CheckCost(code, titles.get(code, code), time_s, share, number, statements))
    return sorted(costs, key=lambda cost: (-cost.time_s_per_day, cost.code))


def _statement_cost(some: Sequence[FindingRecord], statement_s_per_day: float) -> StatementCost:
    measured_s = sum((f.impact_s_per_day or 0.0) - f.impact_assumed_s_per_day for f in some)
    time_s = min(measured_s, statement_s_per_day)
    return StatementCost(some[0], time_s, time_s / statement_s_per_day if statement_s_per_day else 0.0)
