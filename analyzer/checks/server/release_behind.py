"""The server runs a minor release with known, corrected faults, or a version that gets no corrections any more.

Minor releases correct faults, among them some that damage data or open holes; they need new packages and a restart, no
dump. Five years after its first release a version gets its last one. The newest releases known here are in a table of
this pgLoupe with its date: there may be newer ones since, never older ones.

Read the notes of all releases between (https://www.postgresql.org/docs/release/): some ask to rebuild an index. On a
managed service choose the version in its console. Leave it alone until the next maintenance, but not for a year.
"""

from collections.abc import Iterator
from datetime import date

from analyzer.checks import Check, Threshold
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.hosts import host_of

check = Check(
    __name__,
    code="SV038",
    title="PostgreSQL release is behind",
    severity=Severity.WARNING,
    behind=Threshold(2, "minor releases", "judgement: the newest one may wait for the next maintenance"),
    end_in=Threshold(180, "days", "judgement: an upgrade of the major version takes months to prepare"),
)

AS_OF = date(2026, 11, 30)
# major -> a minor release that was out by AS_OF, and the day of the last one.
# Sources: https://www.postgresql.org/support/versioning/ (the days), packages at hand on AS_OF (the releases).
NEWEST = {
    13: (23, date(2025, 11, 13)),
    14: (23, date(2026, 11, 12)),
    15: (20, date(2027, 11, 11)),
    16: (14, date(2028, 11, 9)),
    17: (10, date(2029, 11, 8)),
    18: (6, date(2030, 11, 14)),
}


@check.on(ClusterFacts)
def release_behind(facts: ClusterFacts) -> Iterator[Finding]:
    major, minor = divmod(facts.server_version_num, 10_000)
    host = host_of(facts)
    where = f" On {host.name} see which release the service offers, and choose it in its console." if host else ""
    today = facts.taken_at.date()
    newest, last_day = NEWEST.get(major, (None, None))
    if newest is not None and newest - minor >= check["behind"]:
        yield check.finding(
            subject="minor release",
            message=(
                f"The server runs {major}.{minor}; {major}.{newest} is out (as of {AS_OF}): {newest - minor} releases"
                " of"
                " corrections are missing."
            ),
            hint=f"Install the newest {major}.x and restart the server; no dump is needed.{where}",
            evidence={"minor": minor, "newest_known_minor": newest, "as_of": str(AS_OF)},
        )
    if last_day is None:
        if major < min(NEWEST):
            yield _end(major, None, where)
    elif (last_day - today).days <= check["end_in"]:
        yield _end(major, (last_day, today), where)


def _end(major: int, days: tuple[date, date] | None, where: str) -> Finding:
    """``days``: the last release's and today."""
    is_over = days is None or days[0] < days[1]
    on = f" on {days[0]}" if days else " long ago"
    return check.finding(
        subject="major version",
        title="PostgreSQL version gets no more corrections" if is_over else "PostgreSQL version ends soon",
        severity=Severity.WARNING if is_over else Severity.INFO,
        message=f"PostgreSQL {major} {'got' if is_over else 'gets'} its last release{on}.",
        hint=f"Plan the upgrade to a newer major version (pg_upgrade, or logical replication for a short stop).{where}",
        evidence={"major": major, "last_release": str(days[0]) if days else None},
    )
