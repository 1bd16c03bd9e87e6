"""WAL archiving fails.

The server keeps every WAL file that was not archived: the disk fills, and then the server stops; until then a
restore from the archive ends at the last file that is in it. What ``archive_command`` printed stands in the server's
log.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.findings import Finding, Severity
from analyzer.schema.server import ServerFacts
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="SV014",
    title="WAL archiving fails",
    severity=Severity.WARNING,
    failing=Threshold(300, "s", "judgement: the server tries three times a minute; a restart of the archive is over"),
    critical_failing=Threshold(3_600, "s", "judgement: an hour of WAL is kept and is in no backup"),
)


@check.on(ServerFacts)
def archiving_fails(server: ServerFacts) -> Iterator[Finding]:
    if server.standing is None or server.standing.limits is None:
        raise NotRun("needs pg_stat_archiver, which was not read")
    limits, archiver = server.standing.limits, server.standing.archiver
    if limits.is_replica and limits.archive_mode != "always":
        return  # a standby archives nothing: what failed did so before it was one
    if archiver is None or archiver.failing_s is None or archiver.failing_s < check["failing"]:
        return
    last = (
        "No file has been archived"
        if archiver.last_archived_s is None
        else f"The last file was archived {time_words(archiver.last_archived_s * 1000)} ago"
    )
    yield check.finding(
        about="archiver",
        subject="archiver",
        severity=Severity.CRITICAL if archiver.failing_s >= check["critical_failing"] else Severity.WARNING,
        message=(
            f"Every attempt to archive WAL seen in the last {time_words(archiver.failing_s * 1000)} has failed, last of"
            f" {archiver.last_failed_wal or '?'}. {last}."
        ),
        hint="See in the server's log what archive_command or archive_library said; the file is tried again.",
        evidence={
            "failing_s": round(archiver.failing_s, 1),
            "failed_count": archiver.failed_count,
            "last_failed_wal": archiver.last_failed_wal,
            "last_archived_ago_s": None if archiver.last_archived_s is None else round(archiver.last_archived_s, 1),
        },
    )
