"""Invalid index: it serves no query, and writes may keep it up all the same.

A CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY that failed, was cancelled or met a deadlock leaves one behind. One
that came as far as being "ready" (pg_index.indisready) gets every new row, and a unique one refuses duplicates; one
that did not is empty, and only keeps updates of its columns from being HOT. While the build is running that is as it
should be, and nothing is said. An index of a partitioned table is invalid as long as a partition has none attached;
those of the partitions work.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import to_copy_concurrently
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import IndexOf
from analyzer.schema.quoting import qualified

LEFT_BY_REINDEX = ("_ccnew", "_ccold")  # the manual, REINDEX: "Rebuilding Indexes Concurrently"

check = Check(__name__, code="IX002", title="Invalid index", severity=Severity.WARNING)


@check.on(IndexOf)
def invalid_index(of: IndexOf) -> Iterator[Finding]:
    table, index = of.table, of.index
    if index.is_usable or index.is_being_built:
        return
    if index.is_being_built is None:
        raise NotRun("this login cannot see whether the index is being built (pg_read_all_stats, in pg_monitor)")
    name = qualified(index.schema, index.name)
    is_leftover = index.name.rstrip("0123456789").endswith(LEFT_BY_REINDEX)
    effect = "Writes keep it up, no query uses it." if index.is_ready else "No write goes into it, no query uses it."
    if table.kind == "p":
        why, hint = "not every partition has it attached", "Build it on the partitions that lack it and attach those."
        effect = "Partitions that have theirs use it, the others are read without."
        fixes: tuple[Fix, ...] = ()
    elif is_leftover:
        is_old = index.name.rstrip("0123456789").endswith("_ccold")
        other = "the index that replaced it is there" if is_old else "the index it was to replace is still there"
        why, hint = "a REINDEX CONCURRENTLY left it", f"Drop it; {other}."
        fixes = (_drop(name),)
    else:
        why = "its build did not finish"
        hint = "Build it again, or drop it where it is not wanted."
        fixes = (
            to_copy_concurrently("Build it again (not in a transaction)", f"REINDEX INDEX CONCURRENTLY {name};"),
            _drop(name),
        )
    yield check.finding(
        subject=index.name,
        message=f"Index {index.name} of {table.qualified_name} is invalid: {why}. {effect}",
        hint=hint,
        evidence={"size_bytes": index.size_bytes, "method": index.method, "is_unique": index.is_unique},
        table=table.qualified_name,
        fixes=fixes,
    )


def _drop(name: str) -> Fix:
    return to_copy_concurrently("Drop it (not in a transaction)", f"DROP INDEX CONCURRENTLY IF EXISTS {name};")
