"""max_connections is far above what is used.

Each connection that is allowed takes a little shared memory and lengthens the lists that every snapshot and lock
looks through; worse, a burst may really open them all, each with work_mem of its own. Poolers (PgBouncer, the
framework's) keep the number near the processors'. How many were open is known of the moments at which the server was
read, every few minutes: a week of them is the least to judge by, and a burst of seconds may lie between two. Leave it
alone where many services hold a few idle connections each. A replica is left out: it must allow as many as its primary.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.pool_size import pool_evidence, pool_words
from analyzer.checks.settings import for_everybody, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.hosts import host_of
from analyzer.words.lists import counted

check = Check(
    __name__,
    code="SV043",
    title="Far more connections are allowed than used",
    severity=Severity.INFO,
    allowed=Threshold(1_000, "connections", "judgement: fewer cost next to nothing while they are not used"),
    used_ratio=Threshold(0.1, "used / allowed", "judgement: no burst is ten times the most of a week's moments"),
    days=Threshold(7, "days of readings", "judgement: a week holds every day's habits once"),
)

ROOM = 4  # judgement: times the most that was seen; between two readings there may have been more
LEAST = 100  # PostgreSQL's default


@check.on(ClusterFacts)
def far_more_connections_allowed(facts: ClusterFacts) -> Iterator[Finding]:
    if facts.is_replica:
        return
    setting = for_everybody(facts, "max_connections")
    if setting is None or int(setting.value) < check["allowed"] or host_of(facts) is not None:
        return  # services derive it from the memory of the instance
    used = max(facts.most_sessions.values(), default=0)
    allowed = int(setting.value)
    lowered = max(LEAST, used * ROOM)
    if used > allowed * check["used_ratio"] or lowered >= allowed:
        return
    days = len(facts.most_sessions) - 1  # today has only begun
    if days < max(1, check["days"]):
        raise NotRun(f"needs {counted(round(check['days']), 'day')} of readings, there are {max(0, days)}")
    yield check.finding(
        subject="max_connections",
        message=(
            f"max_connections is {allowed:,}; at the readings of {counted(days, 'day')}, one every few minutes, at most"
            f" {used:,} were open.{pool_words(facts.at_work)}"
        ),
        hint=(
            f"Lower it, to {lowered:,} if the peak is no higher, and let a pooler share connections where many clients"
            " come."
        ),
        evidence={"max_connections": allowed, "most_sessions_seen": used, "days": days, **pool_evidence(facts.at_work)},
        fixes=(setting_fix(facts, "max_connections", str(lowered), "If the peak is no higher"),),
    )
