"""The replica cancels queries because what the primary did conflicts with them.

WAL from the primary waits for at most max_standby_streaming_delay (30 s); then queries that still need what it removes
are ended with "canceling statement due to conflict with recovery". ``hot_standby_feedback = on`` keeps VACUUM on the
primary from removing rows that the replica's queries need, at the price of dead rows there; a longer delay lets the
replica lag. pg_stat_database_conflicts tells the kinds. Leave it alone where the queries are tried again.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.counters import databases_then, watched, watched_words
from analyzer.checks.settings import is_off, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.words.durations import DAY_S

check = Check(
    __name__,
    code="SV033",
    title="The replica cancels queries",
    severity=Severity.WARNING,
    conflicts=Threshold(10, "a day", "judgement: single ones are tried again"),
)


@check.on(ClusterFacts)
def replica_cancels_queries(facts: ClusterFacts) -> Iterator[Finding]:
    if not facts.is_replica:
        return
    for now, then in databases_then(facts):
        conflicts = now.conflicts - then.conflicts
        if conflicts < check["conflicts"] or conflicts * DAY_S / watched(facts) < check["conflicts"]:
            continue
        without = is_off(facts, "hot_standby_feedback")
        yield check.finding(
            subject=now.name,
            message=(
                f"{conflicts:,} queries in database {now.name} of this replica were cancelled in"
                f" {watched_words(facts)}:"
                " they conflicted with what the primary did."
            ),
            hint=(
                "Turn hot_standby_feedback on, if dead rows on the primary are the lesser evil, or run long queries"
                " on a"
                " replica with a longer max_standby_streaming_delay."
            ),
            evidence={"conflicts": conflicts, "hot_standby_feedback": "off" if without else None},
            fixes=(setting_fix(facts, "hot_standby_feedback", "on", "On the replica"),) if without else (),
        )
