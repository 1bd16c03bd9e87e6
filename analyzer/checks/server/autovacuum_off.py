"""Autovacuum does not run.

Without it dead rows pile up in every table, statistics stay as they were, and at 200 million transactions it starts
all the same, against wraparound, at a bad moment. ``track_counts = off`` has the same effect: autovacuum then does
not know where to go. Verify with SHOW; pg_stat_user_tables.last_autovacuum tells when it last came. Turn it on, and
where it is too much for a table, set that table's own parameters. Leave it alone only while a bulk load runs.
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.settings import is_off, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts

check = Check(
    __name__,
    code="SV022",
    title="Autovacuum does not run",
    severity=Severity.CRITICAL,
)


@check.on(ClusterFacts)
def autovacuum_off(facts: ClusterFacts) -> Iterator[Finding]:
    if facts.is_replica:
        return
    off = [name for name in ("autovacuum", "track_counts") if is_off(facts, name)]
    if not off:
        return
    yield check.finding(
        subject="autovacuum",
        message=(
            f"{' and '.join(off)} {'are' if len(off) > 1 else 'is'} off: no table is vacuumed or analysed by itself,"
            " until"
            " one is so old that the server has to."
        ),
        hint="Turn it on; for a table for which it is too much, set autovacuum's parameters of that table.",
        evidence={"settings_off": ", ".join(off)},
        members=tuple(off),
        fixes=tuple(setting_fix(facts, name, "on") for name in off),
    )
