"""What pgLoupe itself failed at on the servers: statements, within a day, and checks, in their last run."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from analyzer.checks import failed_checks
from analyzer.errors import STATEMENT_FAULT
from analyzer.models import ExplainAudit, NoSuggestion, Server, StepStatus
from analyzer.steps.explain_on_twin import NOT_BY_TWIN

LAYER = "pgloupe"  # of the audit's rows: the fault was ours, not the server's or the gate's
WITHIN = timedelta(hours=24)
MOST_SHOWN = 100  # judgement: the same fault mostly stands behind all of them
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Fault:
    """``fingerprint``: of the statement, None of a check and of a statement that is gone; ``times``: how often within
    a day, of a check on how many things."""

    server: Server
    subject: str
    description: str
    times: int
    fingerprint: str | None = None


def statement_faults(servers: Sequence[Server], now: datetime) -> list[Fault]:
    """Two queries."""
    by_id = {server.pk: server for server in servers}
    ours = Q(layer=LAYER) | Q(reason__regex=rf"{re.escape(NOT_BY_TWIN + STATEMENT_FAULT)}\w+\)\.$")
    explained = (
        ExplainAudit.objects.filter(ours, server_id__in=list(by_id), at__gt=now - WITHIN)
        .values_list("server_id", "statement__fingerprint", "reason")
        .annotate(times=Count("pk"))
    )
    begins = Q(reason__startswith=STATEMENT_FAULT) | Q(reason__startswith=f"Not planned: {STATEMENT_FAULT}")
    advised = (
        NoSuggestion.objects.filter(begins, database__server_id__in=list(by_id), decided_at__gt=now - WITHIN)
        .values_list("database__server_id", "statement__fingerprint", "reason")
        .annotate(times=Count("pk"))
    )
    faults = [
        Fault(by_id[server_id], what, reason, times, fingerprint)
        for what, rows in (("EXPLAIN", explained), ("Index advice", advised))
        for server_id, fingerprint, reason, times in rows
    ]
    return sorted(faults, key=lambda f: (f.server.name, f.subject, -f.times, f.fingerprint or ""))


def check_faults(steps: Iterable[StepStatus]) -> list[Fault]:
    """As the notes of the last runs say. What two steps check counts once."""
    most: dict[tuple[int, str, str], Fault] = {}
    for step in steps:
        for failed in failed_checks(step.note):
            fault = Fault(step.server, f"Check {failed.code}", failed.error, failed.subjects)
            known = most.setdefault((step.server_id, failed.code, failed.error), fault)
            if known.times < fault.times:
                most[step.server_id, failed.code, failed.error] = fault
    return sorted(most.values(), key=lambda f: (f.server.name, f.subject, f.description))


def fault_troubles(statements: Sequence[Fault], checks: Sequence[Fault]) -> list[tuple[str, str]]:
    return [
        *_trouble(statements, "statement", "They go without the plan or the advice that it cost them."),
        *_trouble(checks, "check", "What they would have found is not known, and nothing of theirs is closed."),
    ]


def _trouble(faults: Sequence[Fault], thing: str, costs: str) -> Iterator[tuple[str, str]]:
    by_server: dict[str, set[str]] = {}
    for fault in faults:
        by_server.setdefault(fault.server.name, set()).add(fault.fingerprint or fault.subject)
    if not by_server:
        return
    n = sum(map(len, by_server.values()))
    named = [f"{len(things):,} on {name}" for name, things in list(by_server.items())[:MOST_NAMED]]
    more = f" and on {len(by_server) - MOST_NAMED} more servers" if len(by_server) > MOST_NAMED else ""
    yield (
        f"pgLoupe itself failed at {n:,} {thing}{'s' if n > 1 else ''}: {', '.join(named)}{more}.",
        f"{costs} Which they are stands below; the worker’s log has the rest.",
    )
