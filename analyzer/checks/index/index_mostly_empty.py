"""B-tree whose pages are mostly empty.

Deleted keys leave room that only keys of the same range use again, so that an index can take many times what it would
if it were built now: more pages to read, to cache and to back up. Where the database has the extension pgstattuple and
the login may call it (pg_monitor may), indexes that look so are measured once a day by pgstatindex; else it is
estimated from the columns' widths, with an error bar, and found only where even its low end is too much. Partial ones
and those on expressions are only measured.

To verify: SELECT * FROM pgstatindex('i'). REINDEX CONCURRENTLY builds it anew beside the old one under a SHARE UPDATE
EXCLUSIVE lock: reads and writes go on, VACUUM and DDL of the table wait, and it needs room for the new one. Two thirds
full is what keys in random order make of any B-tree, and nothing to mend. Leave it alone where a month's inserts would
fill it, which only keys in any order do: then nothing is said.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.checks.free_space_reuse import is_index_refilled_soon
from analyzer.checks.grouping import to_copy_concurrently
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.bloat import Unknown, btree_bloat
from analyzer.schema.facts import IndexOf
from analyzer.schema.quoting import qualified, quote_literal
from analyzer.words.sizes import MB, size_words

check = Check(
    __name__,
    code="IX010",
    title="Index is mostly empty",
    severity=Severity.INFO,
    size=Threshold(100, "MB", "judgement: a smaller one stays in memory"),
    free_ratio=Threshold(0.55, "free / size", "judgement: full to 40 %, of 90 % when it is new"),
    warning=Threshold(10_240, "MB", "judgement: disk, memory and backups that somebody pays for"),
)


@check.on(IndexOf)
def index_mostly_empty(of: IndexOf, context: Context) -> Iterator[Finding]:
    table, index = of.table, of.index
    if table.kind not in "rm" or index.method != "btree" or not index.is_usable:
        return
    if (index.size_bytes or 0) < check["size"] * MB:
        return
    bloat = btree_bloat(table, index, context.facts.taken_at if context.facts is not None else None)
    if isinstance(bloat, Unknown):
        raise NotRun(bloat.reason)
    if bloat.low_ratio < check["free_ratio"] or is_index_refilled_soon(table, index, bloat):
        return
    name = qualified(index.schema, index.name)
    measure = Fix("Measure it (extension pgstattuple; reads all of it)", "sql",
                  f"SELECT * FROM pgstatindex({quote_literal(name)});")  # fmt: skip
    yield check.finding(
        subject=index.name,
        message=(
            f"Index {index.name} of {table.qualified_name} takes {size_words(bloat.size_bytes)}; built anew it would be"
            f" smaller by {bloat.words}."
        ),
        hint="REINDEX CONCURRENTLY builds it anew while reads and writes go on.",
        severity=Severity.WARNING if bloat.low_bytes >= check["warning"] * MB else Severity.INFO,
        evidence={
            "size_bytes": bloat.size_bytes, "free_bytes": bloat.wasted_bytes, "least_free_bytes": bloat.low_bytes,
            "most_free_bytes": bloat.high_bytes, "is_measured": bloat.measured_at is not None, "scans": index.scans,
        },
        table=table.qualified_name,
        fixes=(
            *(() if bloat.measured_at is not None else (measure,)),
            to_copy_concurrently(
                "Build it anew (SHARE UPDATE EXCLUSIVE: reads and writes go on; not in a transaction)",
                f"REINDEX INDEX CONCURRENTLY {name};",
            ),
        ),
    )  # fmt: skip
