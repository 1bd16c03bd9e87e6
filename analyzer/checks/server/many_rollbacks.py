"""A large part of the transactions is rolled back.

A transaction ends so after an error (a violated constraint, a failed serialization, a timeout), when a connection is
lost, or because the application asks for it. Whatever it did was for nothing, and its rows are left for VACUUM. The
server's log has the errors. Some frameworks and poolers end each reading transaction with ROLLBACK: then it is no
problem, and this check is one to switch off for the server.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.counters import databases_then, watched, watched_words
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.words.durations import DAY_S

check = Check(
    __name__,
    code="SV031",
    title="Many transactions are rolled back",
    severity=Severity.INFO,
    rollbacks=Threshold(100_000, "a day", "judgement: one a second; pgLoupe's own readings end so, 20,000 a day"),
    rollback_ratio=Threshold(0.1, "rolled back / all", "judgement: errors are a small part of what is asked"),
)


@check.on(ClusterFacts)
def many_rollbacks(facts: ClusterFacts) -> Iterator[Finding]:
    for now, then in databases_then(facts):
        rollbacks, commits = now.rollbacks - then.rollbacks, now.commits - then.commits
        if rollbacks * DAY_S / watched(facts) < check["rollbacks"] or rollbacks <= 0:
            continue
        if rollbacks < (rollbacks + commits) * check["rollback_ratio"]:
            continue
        yield check.finding(
            subject=now.name,
            message=(
                f"{rollbacks:,} of {rollbacks + commits:,} transactions in database {now.name} were rolled back in"
                f" {watched_words(facts)}."
            ),
            hint=(
                "Look for the errors in the server's log. Where the application ends its reads with ROLLBACK it is"
                " harmless."
            ),
            evidence={"rollbacks": rollbacks, "commits": commits},
        )
