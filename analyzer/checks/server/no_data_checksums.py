"""Pages carry no checksum: damage by a disk or a controller is found late, or never.

With data checksums PostgreSQL notices a page that is not as it was written when it reads it. They are off in clusters
made by initdb before 18 without ``--data-checksums``, and in those that pg_upgrade took from such. To verify: SHOW
data_checksums. They are turned on while the server is stopped (pg_checksums reads every file), or on a replica that
then takes over. The price is some percent of processor time, and hint bits are logged (as with wal_log_hints). Leave
it alone where the file system has checksums of its own (ZFS, Btrfs).
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix
from analyzer.checks.settings import is_off, total_bytes
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.hosts import host_of

check = Check(
    __name__,
    code="SV021",
    title="Pages carry no checksum",
    severity=Severity.INFO,
)


@check.on(ClusterFacts)
def no_data_checksums(facts: ClusterFacts) -> Iterator[Finding]:
    if not is_off(facts, "data_checksums") or host_of(facts) is not None:
        return
    yield check.finding(
        subject="data_checksums",
        message="data_checksums is off: the server cannot tell a page that the storage damaged.",
        hint="Turn checksums on at the next maintenance, unless the file system has its own (ZFS, Btrfs).",
        evidence={"setting": "data_checksums", "value": "off", "databases_bytes": total_bytes(facts) or None},
        fixes=(
            Fix(
                "With the server stopped; reads and writes every file",
                "text",
                "pg_checksums --enable --progress -D <data directory>",
            ),
        ),
    )
