"""What sessions do at this moment -> findings: part of the step ``activity``, in the process that looks at sessions.

Apart from ``check.py``, so that this process need not load the advisor.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from analyzer.checks import in_words, run_checks
from analyzer.models import Server, StatementEntry
from analyzer.monitored.readings import ActivityRow, is_ours
from analyzer.schema.server import ServerFacts, SessionFacts
from analyzer.steps.time_limit import STOP_ON
from analyzer.store import findings
from analyzer.store.check_rules import rules_of


def check_sessions(server: Server, taken_at: datetime, backends: Sequence[ActivityRow], now: datetime) -> list[str]:
    """Findings on what sessions do at this moment; ``taken_at`` is by the server's clock, as are the rows' times."""
    rules = rules_of(server)
    facts = ServerFacts(taken_at, tuple(_sessions(server, taken_at, backends)))
    outcome = run_checks(facts, rules=rules, stop_on=STOP_ON)
    findings.keep_outcome(server, None, outcome, ServerFacts, now)
    return in_words(outcome)


def _sessions(server: Server, taken_at: datetime, backends: Sequence[ActivityRow]) -> Iterable[SessionFacts]:
    backends = [row for row in backends if row.state not in (None, "idle") and not is_ours(row.text)]
    if not backends:
        return
    roles = dict(server.roles.values_list("oid", "name"))
    databases = dict(server.databases.values_list("oid", "name"))
    queryids = {row.queryid for row in backends if row.queryid}
    fingerprints = dict(
        StatementEntry.objects.filter(server=server, queryid__in=queryids, statement__isnull=False).values_list(
            "queryid", "statement__fingerprint"
        )
    )

    def age(since: datetime | None) -> float | None:
        return None if since is None else max(0.0, (taken_at - since).total_seconds())

    for row in backends:
        yield SessionFacts(
            pid=row.pid,
            state=row.state,
            transaction_s=age(row.xact_start),
            statement_s=age(row.query_start),
            in_state_s=age(row.state_change),
            wait_event_type=row.wait_event_type,
            wait_event=row.wait_event,
            role=roles.get(row.role_oid) if row.role_oid else None,
            database=databases.get(row.database_oid) if row.database_oid else None,
            application_name=row.application_name,
            fingerprint=fingerprints.get(row.queryid) if row.queryid else None,
            blocked_by=row.blocked_by,
        )
