"""Table that holds far more pages than its rows need.

Deletes and updates leave space that VACUUM frees for new rows of the table; the disk gets none of it back, and scans,
caches and backups go on with all of it. Where the database has the extension pgstattuple and the login may call it
(pg_monitor may), tables that look so are measured once a day by pgstattuple_approx; else it is estimated from the
columns' widths in pg_stats, with an error bar, and found only where even its low end is too much. What a fillfactor
keeps free, values out of line (TOAST) and the ends of pages of wide rows are not counted.

To verify: SELECT * FROM pgstattuple_approx('t'). VACUUM FULL writes the table anew under an ACCESS EXCLUSIVE lock:
reads and writes wait until it is done. pg_repack and pg_squeeze (extensions) write it beside, and lock it for moments
only. All need room for a second copy. Then see why VACUUM came too late: its settings for the table, or an old
snapshot; or drop partitions instead of deleting most rows.

Leave it alone where new rows fill the space soon: where a month's inserts would, nothing is said, and nothing as long
as dead rows wait for VACUUM (SC052).
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.checks.free_space_reuse import is_refilled_soon
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.bloat import Unknown, heap_bloat
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified, quote_literal
from analyzer.words.sizes import MB, size_words

check = Check(
    __name__,
    code="SC059",
    title="Table is mostly free space",
    severity=Severity.INFO,
    size=Threshold(100, "MB", "judgement: a smaller table is read in a moment, whatever it holds"),
    free_ratio=Threshold(0.4, "free / size", "judgement: autovacuum's 20 % and ordinary churn explain less"),
    warning=Threshold(10_240, "MB", "judgement: disk, memory and backups that somebody pays for"),
    dead_ratio=Threshold(0.25, "dead / all rows", "judgement: as of SC052, which speaks of those first"),
)


@check.on(TableFacts)
def table_mostly_free_space(table: TableFacts, context: Context) -> Iterator[Finding]:
    if table.kind not in "rm" or (table.size_bytes or 0) < check["size"] * MB:
        return
    bloat = heap_bloat(table, context.facts.taken_at if context.facts is not None else None)
    if isinstance(bloat, Unknown):
        raise NotRun(bloat.reason)
    dead, live = table.activity.dead_rows, table.activity.live_rows
    if bloat.low_ratio < check["free_ratio"] or dead > (dead + live) * check["dead_ratio"]:
        return
    if is_refilled_soon(table, bloat):
        return
    on = qualified(table.schema, table.name)
    measure = Fix(
        "Measure it (extension pgstattuple; reads what VACUUM has not marked as all visible)",
        "sql",
        f"SELECT * FROM pgstattuple_approx({quote_literal(on)});",
    )
    yield check.finding(
        subject=table.name,
        message=(
            f"{table.qualified_name} takes {size_words(bloat.size_bytes)}, and {bloat.words} of that is free space."
        ),
        hint=(
            "New rows fill it; only writing the table anew gives it back: VACUUM FULL, which locks it until it is done,"
            " or pg_repack or pg_squeeze, which lock it for moments. See first why VACUUM came too late, or what"
            " deleted so much at once."
        ),
        severity=Severity.WARNING if bloat.low_bytes >= check["warning"] * MB else Severity.INFO,
        evidence={
            "size_bytes": bloat.size_bytes, "free_bytes": bloat.wasted_bytes, "least_free_bytes": bloat.low_bytes,
            "most_free_bytes": bloat.high_bytes, "is_measured": bloat.measured_at is not None,
        },
        table=table.qualified_name,
        fixes=(
            *(() if bloat.measured_at is not None else (measure,)),
            Fix(
                f"Write it anew (ACCESS EXCLUSIVE: reads and writes wait; needs about"
                f" {size_words(bloat.size_bytes - bloat.wasted_bytes)} of disk, and as much as its indexes have)",
                "sql",
                f"VACUUM (FULL, VERBOSE, ANALYZE) {on};",
            ),
        ),
    )  # fmt: skip
