"""The server does not measure what would be needed to explain its load.

``track_activities`` off hides what sessions do. Without ``track_io_timing`` no plan and no counter tells how much of
a time was waiting for the disk. ``compute_query_id`` off (14 and later) leaves statements without an id, and
pg_stat_statements counts none.

track_io_timing asks the clock at each read: pg_test_timing tells what that costs; below 100 ns it is not noticed.
Leave it off where the clock is slow.
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.settings import is_off, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts

check = Check(
    __name__,
    code="SV023",
    title="The server does not measure what it does",
    severity=Severity.INFO,
)

# setting -> what it should be, what is missing without it, how bad
MISSING = {
    "track_activities": ("on", "what sessions are doing is not to be seen", Severity.WARNING),
    "compute_query_id": ("auto", "statements have no id and are not counted", Severity.WARNING),
    "track_io_timing": ("on", "how long statements wait for reads and writes is not measured", Severity.INFO),
}


@check.on(ClusterFacts)
def activity_not_measured(facts: ClusterFacts) -> Iterator[Finding]:
    for name, (wanted, missing, severity) in MISSING.items():
        if not is_off(facts, name):
            continue
        is_timing = name == "track_io_timing"
        costs = "Below 100 ns a call in pg_test_timing it" if is_timing else "It"
        yield check.finding(
            subject=name,
            severity=severity,
            message=f"{name} is off: {missing}.",
            hint=f"{costs} costs next to nothing: set it {wanted}.",
            evidence={"setting": name, "value": "off"},
            fixes=(setting_fix(facts, name, wanted),),
        )
