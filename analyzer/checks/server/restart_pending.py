"""Settings were changed that need a restart, and the server has not been restarted.

What the configuration files say is not what holds: the change is forgotten until some restart, maybe one in the night
after a crash, brings it. pg_settings.pending_restart marks them; pg_file_settings has the new values. Restart at the
next maintenance, or take the change back.
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.settings import settings_of
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.words.lists import and_list

check = Check(
    __name__,
    code="SV041",
    title="Changed settings wait for a restart",
    severity=Severity.INFO,
)


@check.on(ClusterFacts)
def restart_pending(facts: ClusterFacts) -> Iterator[Finding]:
    waiting = sorted(name for name, setting in settings_of(facts).settings.items() if setting.pending_restart)
    if not waiting:
        return
    yield check.finding(
        subject="pending_restart",
        message=(
            f"{and_list(waiting)} {'were' if len(waiting) > 1 else 'was'} changed and will hold after a restart only."
        ),
        hint="Restart the server at the next maintenance, or take the change back.",
        evidence={"settings": ", ".join(waiting), "running_since": str(facts.started_at) if facts.started_at else None},
        members=tuple(waiting),
    )
