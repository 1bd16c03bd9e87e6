"""Prepared transaction left open.

PREPARE TRANSACTION takes a transaction out of its session: it keeps its locks, and VACUUM keeps every row version it
might still see, until somebody says COMMIT PREPARED or ROLLBACK PREPARED, also after a restart of the server. The
transaction manager that prepared it does so within seconds, or has lost it.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.checks import Check, Fix, NotRun, Threshold
from analyzer.findings import Finding, Severity
from analyzer.schema.quoting import quote_literal
from analyzer.schema.server import ServerFacts
from analyzer.schema.standing import PreparedTransaction
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="SV010",
    title="Prepared transaction left open",
    severity=Severity.CRITICAL,
    age=Threshold(300, "s", "judgement: a transaction manager that lives commits within seconds"),
)


@check.on(ServerFacts)
def prepared_transaction_left(server: ServerFacts) -> Iterator[Finding]:
    if server.standing is None or server.standing.prepared is None:
        raise NotRun("needs pg_prepared_xacts, which was not read")
    left: defaultdict[tuple[str, str], list[PreparedTransaction]] = defaultdict(list)
    for prepared in server.standing.prepared:
        if prepared.age_s >= check["age"]:
            left[prepared.role, prepared.database].append(prepared)
    for (role, database), transactions in sorted(left.items()):
        yield _finding(role, database, sorted(transactions, key=lambda p: -p.age_s))


def _finding(role: str, database: str, transactions: list[PreparedTransaction]) -> Finding:
    oldest, n = transactions[0], len(transactions)
    many = n > 1
    return check.finding(
        about=f"{role}@{database}",
        subject="prepared transaction",
        message=(
            f"{n} prepared transaction{'s' if many else ''} of role {role} in database {database}"
            f" {'have' if many else 'has'} been left open, the oldest ({oldest.gid!r}) for"
            f" {time_words(oldest.age_s * 1000)}: its locks stay, and VACUUM keeps what it might see."
        ),
        hint="Ask its transaction manager what became of it; then end it there, as its owner or a superuser.",
        evidence={
            "prepared_transactions": n,
            "oldest_age_s": round(oldest.age_s, 1),
            "oldest_gid": oldest.gid,
            "oldest_xid_age": oldest.xid_age,
        },
        fixes=(
            Fix("Take it back", "sql", f"ROLLBACK PREPARED {quote_literal(oldest.gid)};"),
            Fix("Or complete it", "sql", f"COMMIT PREPARED {quote_literal(oldest.gid)};"),
        ),
    )
