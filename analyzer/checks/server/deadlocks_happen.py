"""Transactions deadlock: the server ends one of them with an error.

Two transactions lock the same rows or tables in different orders. Each deadlock costs deadlock_timeout (1 s) of
waiting and one transaction, which the application has to try again. The server's log names the two statements and
what they waited for. Let all code lock in one order (ORDER BY the key in SELECT ... FOR UPDATE and in bulk updates),
keep transactions short. Leave it alone where they are few and tried again.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.counters import databases_then, watched, watched_words
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.words.durations import DAY_S

check = Check(
    __name__,
    code="SV030",
    title="Transactions deadlock",
    severity=Severity.WARNING,
    deadlocks=Threshold(5, "a day", "judgement: one now and then is tried again and nobody notices"),
)


@check.on(ClusterFacts)
def deadlocks_happen(facts: ClusterFacts) -> Iterator[Finding]:
    for now, then in databases_then(facts):
        deadlocks = now.deadlocks - then.deadlocks
        if deadlocks < check["deadlocks"] or deadlocks * DAY_S / watched(facts) < check["deadlocks"]:
            continue
        yield check.finding(
            subject=now.name,
            message=f"{deadlocks:,} transactions in database {now.name} ended in a deadlock in {watched_words(facts)}.",
            hint=(
                "The server's log names both statements of each (deadlock detected). Lock rows in one order everywhere:"
                " ORDER BY the key before FOR UPDATE and in bulk updates."
            ),
            evidence={"deadlocks": deadlocks, "deadlocks_since_reset": now.deadlocks},
        )
