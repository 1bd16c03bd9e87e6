"""Long waits for locks leave no trace in the server's log.

With ``log_lock_waits = on`` a wait longer than deadlock_timeout (1 s) writes one line with both processes and what is
waited for: afterwards it is the only way to know who blocked whom. It costs nothing else.
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.settings import is_off, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts

check = Check(
    __name__,
    code="SV035",
    title="Waits for locks are not logged",
    severity=Severity.INFO,
)


@check.on(ClusterFacts)
def lock_waits_not_logged(facts: ClusterFacts) -> Iterator[Finding]:
    if not is_off(facts, "log_lock_waits"):
        return
    yield check.finding(
        subject="log_lock_waits",
        message="log_lock_waits is off: the log does not tell who waited for whose lock.",
        hint="Turn it on; it writes one line for each wait longer than deadlock_timeout.",
        evidence={"setting": "log_lock_waits", "value": "off"},
        fixes=(setting_fix(facts, "log_lock_waits", "on"),),
    )
