"""Pages were read whose checksum is wrong: the storage damaged data.

Each is a page of a table or an index that is not as PostgreSQL wrote it. Do not wait: take a copy of the data
directory as it is, look at the disks and at the kernel's log, and restore from a backup that is older than the
damage, or fail over to a replica, which has its own pages. ``pg_checksums --check`` (server stopped) or
``pg_amcheck`` tell what else is concerned. A damaged index can be built anew with REINDEX. The counter is since the
statistics were reset; it may speak of damage that was repaired.
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts

check = Check(
    __name__,
    code="SV032",
    title="Pages with a wrong checksum were read",
    severity=Severity.CRITICAL,
)


@check.on(ClusterFacts)
def checksum_failures(facts: ClusterFacts) -> Iterator[Finding]:
    for database in facts.databases or ():
        if not database.checksum_failures:
            continue
        since = f" since {database.stats_reset:%Y-%m-%d}" if database.stats_reset else ""
        many = database.checksum_failures > 1
        yield check.finding(
            subject=database.name,
            message=(
                f"In database {database.name} {database.checksum_failures:,} page{'s' if many else ''} with a wrong"
                f" checksum {'were' if many else 'was'} read{since}."
            ),
            hint=(
                "Copy the data directory, look at the disks, and restore from a backup or fail over to a sound replica."
            ),
            evidence={"checksum_failures": database.checksum_failures},
        )
