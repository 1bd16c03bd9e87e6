"""The operating system sorts texts otherwise than when the indexes were built.

A new glibc or ICU can change the order of texts. Indexes on texts are then no longer in order: queries miss rows,
unique indexes take doubles, partitions hold rows of others. The database notes the version its collation had (15 and
later; on 13 and 14 it cannot be seen) and the server compares.

Rebuild all indexes with texts in the database, then tell it that this was done. Do not refresh the version without
rebuilding: that only hides it. REINDEX CONCURRENTLY leaves out the indexes of exclusion constraints, with a warning;
those are rebuilt under a lock. A template seldom has indexes on texts of its own. A unique index that cannot be
rebuilt has doubles by now; find them with ``GROUP BY ... HAVING count(*) > 1`` with enable_indexscan,
enable_indexonlyscan and enable_bitmapscan off. Databases whose collation is C are not concerned.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import to_copy_concurrently
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.quoting import quote_identifier

check = Check(
    __name__,
    code="SV039",
    title="Collation changed under the indexes",
    severity=Severity.CRITICAL,
)


@check.on(ClusterFacts)
def collation_changed(facts: ClusterFacts) -> Iterator[Finding]:
    if facts.server_version_num < 150_000:
        raise NotRun("needs PostgreSQL 15: older ones do not keep the version of a database's collation")
    for database in facts.databases or ():
        then, now = database.collation_version, database.collation_version_now
        if then is None or now is None or then == now or not database.allows_connections:
            continue
        yield check.finding(
            subject=database.name,
            message=(
                f"Indexes on texts in database {database.name} were built with version {then} of collation"
                f" {database.collate}; the operating system now has {now}. Queries may miss rows."
            ),
            hint="Rebuild the indexes, then refresh the version. Not the second without the first.",
            evidence={"collation": database.collate, "recorded_version": then, "version_now": now},
            severity=Severity.INFO if database.is_template else None,
            fixes=_fixes(quote_identifier(database.name)),
        )


def _fixes(name: str) -> tuple[Fix, ...]:
    return (
        to_copy_concurrently(
            "Connected to this database, not in a transaction; reads and writes go on",
            f"REINDEX DATABASE CONCURRENTLY {name};",
        ),
        Fix(
            "Then what that leaves out: lists statements that lock their table against writes and nearly all reads",
            "sql",
            "SELECT format('REINDEX INDEX %s;', indexrelid::regclass) FROM pg_index WHERE indisexclusion;",
        ),
        Fix("When all are rebuilt without an error", "sql", f"ALTER DATABASE {name} REFRESH COLLATION VERSION;"),
    )
