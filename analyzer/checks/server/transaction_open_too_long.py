"""Transaction open too long.

While it is open VACUUM keeps every row version it might still see, in all tables of the database, and the locks it
took stay taken. "Idle in transaction" means that the application began one and does something else: usually a call to
another service, or a connection that was not given back. Commit before waiting for anything, and let the server end
what is forgotten: ``idle_in_transaction_session_timeout``. A backup or a long report is a long transaction that works;
it is told only when it is very long.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.session_words import statement_words
from analyzer.findings import Finding, Severity
from analyzer.schema.quoting import quote_identifier
from analyzer.schema.server import ServerFacts, SessionFacts

check = Check(
    __name__,
    code="SV007",
    title="Transaction open too long",
    severity=Severity.WARNING,
    idle=Threshold(60, "s", "judgement: no page and no job waits so long between two statements"),
    critical_idle=Threshold(600, "s", "judgement: autovacuum has come by several times in vain"),
    working=Threshold(3_600, "s", "judgement: reports and backups of most databases are done in an hour"),
)


@check.on(ServerFacts)
def transaction_open_too_long(server: ServerFacts) -> Iterator[Finding]:
    groups: defaultdict[tuple[str, str, str, bool], list[SessionFacts]] = defaultdict(list)
    for session in server.sessions:
        is_idle = (session.state or "").startswith("idle in transaction")
        open_s = session.in_state_s if is_idle else session.transaction_s
        if open_s is not None and open_s >= check["idle" if is_idle else "working"]:
            who = (session.role or "?", session.database or "?", session.application_name, is_idle)
            groups[who].append(session)
    for (role, database, application, is_idle), sessions in sorted(groups.items()):
        yield _finding(role, database, application, is_idle, sessions)


def _finding(role: str, database: str, application: str, is_idle: bool, sessions: list[SessionFacts]) -> Finding:
    longest = max(sessions, key=lambda s: (s.in_state_s if is_idle else s.transaction_s) or 0.0)
    open_s = (longest.in_state_s if is_idle else longest.transaction_s) or 0.0
    blocked = f", application {application!r}" if application else ""
    is_waiting = not is_idle and all(session.wait_event_type == "Lock" for session in sessions)
    working = "in a transaction that waits for a lock" if is_waiting else "in a transaction that works"
    doing = "idle in a transaction" if is_idle else working
    n = len(sessions)
    is_critical = is_idle and open_s >= check["critical_idle"]
    fixes = (
        Fix(
            "Let the server end what is forgotten (new sessions of this role)",
            "sql",
            f"ALTER ROLE {quote_identifier(role)} SET idle_in_transaction_session_timeout = '60s';",
        ),
    )
    return check.finding(
        about=f"{role}@{database} {application}".strip(),
        subject="idle in transaction" if is_idle else "long transaction",
        severity=Severity.CRITICAL if is_critical else Severity.WARNING,
        message=(
            f"{n} session{'s' if n > 1 else ''} of role {role} in database {database}{blocked}"
            f" {'have' if n > 1 else 'has'} been {doing}, the longest for {_minutes(open_s)} (process {longest.pid})."
            f"{statement_words(longest)}"
        ),
        hint=(
            "Find the code that waits inside a transaction: it has to commit first."
            if is_idle
            else f"See what holds the lock{_holders(longest)}."
            if is_waiting
            else "See whether it can be done in smaller transactions, or on a replica."
        ),
        evidence={
            "sessions": n,
            "longest_open_s": round(open_s, 1),
            "transaction_s": None if longest.transaction_s is None else round(longest.transaction_s, 1),
            "longest_pid": longest.pid,
            "application_name": application,
            "route": longest.route or None,
        },
        fixes=fixes if is_idle and role != "?" else (),
        related_fingerprints=tuple(dict.fromkeys(s.fingerprint for s in sessions if s.fingerprint))[:5],
    )


def _holders(session: SessionFacts) -> str:
    """pg_blocking_pids() gives 0 for a prepared transaction, which no process has."""
    named = [f"process {pid}" if pid else "a prepared transaction" for pid in dict.fromkeys(session.blocked_by)]
    return f": {' and '.join(named)}" if named else ""


def _minutes(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7_200 else f"{seconds / 3600:.1f} hours"
