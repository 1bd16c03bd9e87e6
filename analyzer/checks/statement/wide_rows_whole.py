"""All columns of a wide table, in a statement that returns many rows.

``SELECT *``, or what an object mapper writes for it, brings every column of each row: the server unpacks the large
ones (TOAST), sends them, and the client makes objects of them. Where only a few are used, naming those saves most of
it, and an index may hold them all. The bytes are an estimate: rows that pg_stat_statements counted, times the
columns' mean widths from pg_stats, which count large values as they are stored, compressed.

Leave it alone where the rows are really used whole: an export, a page that shows one object.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.blocks import TableUse
from analyzer.words.durations import allows_daily_rate, seen_of
from analyzer.words.lists import and_list
from analyzer.words.sizes import GB, size_words

check = Check(
    __name__,
    code="ST020",
    title="Wide rows are read whole",
    severity=Severity.INFO,
    columns=Threshold(12, "columns", "judgement: few uses need so many"),
    row_bytes=Threshold(1_000, "bytes a row", "judgement: narrower rows cost more by their number than by their width"),
    sent=Threshold(1, "GB a day", "judgement: less is not worth a change"),
)
MOST_NAMED = 3


@check.on(StatementFacts)
def wide_rows_whole(statement: StatementFacts) -> Iterator[Finding]:
    rows = statement.rows_per_day
    if statement.kind != "select" or statement.facts is None or rows is None or rows * 16_000 < check["sent"] * GB:
        return  # wider rows than two blocks are sent by nobody a million times
    block = next(iter(statement.blocks), None)
    if block is None or block.is_aggregate or block.is_grouped:
        return
    whole = [table for used in block.tables if (table := _whole(statement, used)) is not None]
    if not whole:
        return
    table = max(whole, key=_width)
    width = _width(table)
    if width < check["row_bytes"] or len(table.columns) < check["columns"] or rows * width < check["sent"] * GB:
        return
    widest = sorted(table.columns, key=lambda c: -(c.avg_width_bytes or 0))[:MOST_NAMED]
    sent, span = seen_of(rows * width, statement.watched_s)
    yield check.finding(
        subject=table.qualified_name,
        table=table.qualified_name,
        message=(
            f"Each of {statement.rows_per_call:,.1f} rows a call has all {len(table.columns)} columns of"
            f" {table.qualified_name}, some {size_words(width)}: about {size_words(sent)} {span}. The widest are"
            f" {and_list([f'{c.name} ({size_words(c.avg_width_bytes or 0)})' for c in widest])}."
        ),
        hint="Name the columns that are used, and leave the wide ones out where they are not.",
        evidence={
            "columns": len(table.columns),
            "estimated_row_bytes": width,
            "rows_per_call": round(statement.rows_per_call or 0.0, 1),
            "estimated_bytes_per_day": round(rows * width) if allows_daily_rate(statement.watched_s) else None,
        },
        fixes=_fixes(table, widest),
    )


def _whole(statement: StatementFacts, used: TableUse) -> TableFacts | None:
    table = statement.facts.find_table(used.name, used.schema or None) if statement.facts else None
    if table is None or (used.selected is not None and not used.selected.issuperset(c.name for c in table.columns)):
        return None
    return table


def _width(table: TableFacts) -> int:
    return sum(column.avg_width_bytes or 0 for column in table.columns)


def _fixes(table: TableFacts, widest: list[ColumnFacts]) -> tuple[Fix, ...]:
    rest = [c.name for c in table.columns if c not in widest][:5]
    names = ", ".join(f"'{c.name}'" for c in widest if c.name.isidentifier())
    sql = f"SELECT {', '.join(map(quote_identifier, rest))}, ... -- instead of *, without what is not used"
    django = (Fix("Where these are not used", "django", f".defer({names})"),) if names else ()
    return (Fix("Only what is used", "sql", sql), *django)
