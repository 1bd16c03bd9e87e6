"""max_connections is far above what is used.

Each connection that is allowed takes a little shared memory and lengthens the lists that every snapshot and lock
looks through; worse, a burst may really open them all, each with work_mem of its own. Poolers (PgBouncer, the
framework's) keep the number near the processors'. How many were open is known here of two moments only: look at the
peak before lowering it. Leave it alone where many services hold a few idle connections each. A replica is left out:
it must allow as many as its primary.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.settings import for_everybody, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.hosts import host_of

check = Check(
    __name__,
    code="SV043",
    title="Far more connections are allowed than used",
    severity=Severity.INFO,
    allowed=Threshold(1_000, "connections", "judgement: fewer cost next to nothing while they are not used"),
    used_ratio=Threshold(0.1, "used / allowed", "judgement: no peak is ten times any moment"),
)


@check.on(ClusterFacts)
def far_more_connections_allowed(facts: ClusterFacts) -> Iterator[Finding]:
    if facts.is_replica:
        return
    setting = for_everybody(facts, "max_connections")
    if setting is None or int(setting.value) < check["allowed"] or host_of(facts) is not None:
        return  # services derive it from the memory of the instance
    if facts.earlier is None or facts.databases is None or facts.earlier.databases is None:
        raise NotRun("needs a second reading, an hour after the first")
    used = max(sum(d.sessions for d in databases) for databases in (facts.databases, facts.earlier.databases))
    allowed = int(setting.value)
    if used > allowed * check["used_ratio"]:
        return
    yield check.finding(
        subject="max_connections",
        message=f"max_connections is {allowed:,}; at two moments, hours apart, at most {used:,} were open.",
        hint="Lower it to about twice the peak, and let a pooler share connections where many clients come.",
        evidence={"max_connections": allowed, "most_sessions_seen": used},
        fixes=(setting_fix(facts, "max_connections", str(max(100, used * 4)), "If the peak is no higher"),),
    )
