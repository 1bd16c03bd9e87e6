"""Tables that were never analysed.

Without statistics the planner guesses: a hundredth or a third of the rows, ten pages, 200 different values. Plans come
out wrong by factors of a thousand. A database that was just restored has none at all, nor has one after pg_upgrade to
a version before 18. To verify, look at last_analyze and last_autoanalyze in pg_stat_user_tables.

ANALYZE reads a sample of each table and blocks neither reads nor writes; of a restored database run it before anybody
works on it (vacuumdb --analyze-in-stages). If autovacuum does not come by, see whether it is on. Leave alone tables
that are filled and dropped within a job.
"""

from collections.abc import Iterator, Sequence

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.grouping import MOST_NAMES, left_out, listed
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.quoting import qualified
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC050",
    title="Tables never analysed",
    severity=Severity.WARNING,
    rows=Threshold(1_000, "rows", "judgement: of fewer rows no plan is wrong by much"),
    whole_ratio=Threshold(0.8, "tables / tables", "judgement: so many at once come from a restore"),
)


@check.on(SchemaFacts)
def never_analysed(facts: SchemaFacts) -> Iterator[Finding]:
    tables = [t for t in facts if t.kind in "rm" and _rows_at_least(t) >= check["rows"]]
    if not tables:
        return
    if all(table.storage is None for table in tables):
        raise NotRun("needs the tables' sizes and ages")
    if not facts.statistics_readable:
        raise NotRun("needs SELECT on the tables, to see their columns' statistics")
    tables = [table for table in tables if table.is_readable]
    never = sorted((t for t in tables if _is_never_analysed(t)), key=_rows_at_least, reverse=True)
    if not never:
        return
    names = [table.qualified_name for table in never]
    is_whole = len(never) > 1 and len(never) >= len(tables) * check["whole_ratio"]
    count = f"{len(never)} of {len(tables)} tables with {check['rows']:,.0f} rows and more"
    yield check.finding(
        about=facts.database,
        subject="tables never analysed",
        message=f"{count} {'were' if len(never) > 1 else 'was'} never analysed: {some_of(names)}."
        + (" Was the database just restored?" if is_whole else ""),
        hint="Analyse them, before somebody judges their plans.",
        evidence={"never_analysed": len(never), "tables": len(tables), "names": listed(names)},
        members=tuple(names),
        table=names[0] if len(names) == 1 else None,
        fixes=(
            Fix(
                "Statistics (SHARE UPDATE EXCLUSIVE: reads and writes go on)",
                "sql",
                "ANALYZE;" if is_whole else "\n".join(_statements(never)),
            ),
        ),
    )


def _statements(tables: Sequence[TableFacts]) -> Iterator[str]:
    shown = tables[:MOST_NAMES]
    yield from (f"ANALYZE {qualified(table.schema, table.name)};" for table in shown)
    yield from left_out(len(shown), len(tables))


def _rows_at_least(table: TableFacts) -> float:
    """What is known of its rows: the server's count since the last reset, or what an index build left behind."""
    return max(table.activity.live_rows, table.rows or 0.0)


def _is_never_analysed(table: TableFacts) -> bool:
    if table.storage is None or table.storage.analyzed_at is not None or not table.columns:
        return False
    return all(column.null_frac is None for column in table.columns)
