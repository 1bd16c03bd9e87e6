"""VACUUM is held back by an old snapshot.

VACUUM removes no row version that a snapshot somewhere might still see. One old transaction, prepared transaction,
replication slot or standby (with ``hot_standby_feedback``) is enough: tables and indexes that are updated grow, and
scans read more and more dead rows. Only the oldest counts; once it is gone, the next one does. A slot of logical
replication holds back the system catalogs alone.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.vacuum_holder import holder_words
from analyzer.findings import Finding, Severity
from analyzer.schema.server import ServerFacts
from analyzer.schema.standing import HeldBack, held_back
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="SV012",
    title="VACUUM is held back",
    severity=Severity.WARNING,
    transactions=Threshold(100_000, "transactions begun since", "judgement: less leaves few dead rows"),
    critical_transactions=Threshold(10_000_000, "transactions begun since", "judgement: tables have grown by then"),
    age=Threshold(3_600, "s", "judgement: as for long transactions (SV007)"),
)
HINTS = {
    "session": "End its transaction: commit sooner, or run the report on a replica.",
    "prepared transaction": "Commit it or roll it back, in its database: COMMIT PREPARED or ROLLBACK PREPARED.",
    "slot": "Start the standby of this slot again, or drop the slot if the standby is gone for good.",
    "catalog slot": "Start the subscriber of this slot again, or drop the slot if it is gone for good.",
    "standby": "End the long query on the standby, or switch off hot_standby_feedback there.",
}


@check.on(ServerFacts)
def xmin_held_back(server: ServerFacts) -> Iterator[Finding]:
    if server.standing is None or server.standing.holders is None:
        raise NotRun("needs the transactions' ages in pg_stat_activity, which were not read")
    holders = [held for held in held_back(server.standing) if held.kind != "autovacuum worker"]
    if holders and _is_old(holders[0]):
        yield _finding(holders[0], holders[1:])


def _is_old(held: HeldBack) -> bool:
    is_long = held.since_s is None or held.since_s >= check["age"]
    return held.xid_age >= check["transactions"] and is_long


def _finding(held: HeldBack, others: list[HeldBack]) -> Finding:
    where = f"in database {held.database}" if held.database else "in all databases"
    if held.kind == "catalog slot":
        where = "in the system catalogs"
    since = "" if held.since_s is None else f" ({time_words(held.since_s * 1000)} old)"
    is_critical = held.xid_age >= check["critical_transactions"]
    then = f" Next comes {holder_words(others[0])}, {others[0].xid_age:,} transactions old." if others else ""
    return check.finding(
        about=f"{held.kind} {held.role or ''}@{held.database or ''} {held.application_name}".strip()
        if held.kind in ("session", "standby")
        else f"{held.kind} {held.name}",
        subject="xmin",
        severity=Severity.CRITICAL if is_critical else Severity.WARNING,
        message=(
            f"{_capital(holder_words(held))}{since} holds back VACUUM {where}: it removes no row version that"
            f" was replaced in the last {held.xid_age:,} transactions.{then}"
        ),
        hint=HINTS.get(held.kind, "See on the page of sessions what it does."),
        evidence={
            "held_by": held.kind,
            "name": held.name,
            "xid_age": held.xid_age,
            "held_for_s": None if held.since_s is None else round(held.since_s, 1),
            "application_name": held.application_name or None,
            "role": held.role,
            "database": held.database,
        },
    )


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
