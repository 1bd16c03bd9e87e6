"""Columns that are NULL in every row.

No row that ANALYZE looked at has a value: the column was added and never filled, or what filled it is gone. Each
column that nobody fills is read by SELECT *, kept in models and explained to newcomers. To verify, SELECT ... WHERE
col IS NOT NULL LIMIT 1; ANALYZE sees a sample (300 times the statistics target) and may miss a rare value.

Drop it where nothing uses it: that is done at once and frees no space until rows are written anew. Indexes (be it one
whose WHERE names it), keys and constraints of it go with it without a word: a column that has some gets no DROP to
copy, nor does one that a recorded statement on the table names (an ORM names all columns in each SELECT and INSERT:
take it from the model first; an INSERT without a list of columns means all), nor any of a table that no recorded SELECT
reads: what its code names is not known then.
Leave it alone where it is for a feature to come, or for rare events; a deleted_at or archived_at is not listed. Columns
inherited from another table (INHERITS) are judged with that one.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, Threshold
from analyzer.checks.altered_columns import dropped_with, holds_in_heirs, is_inherited
from analyzer.checks.columns import words_of
from analyzer.checks.grouping import listed, to_copy
from analyzer.checks.statistics import analysed_columns
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC023",
    title="Columns that are always NULL",
    severity=Severity.INFO,
    together=Severity.CRITICAL,
    rows=Threshold(10_000, "rows", "judgement: in fewer rows a rare value is easily missing"),
)


# of what is deleted, cancelled, ... for the application alone: NULL until the first row is
SOFT_DELETED = {"deleted", "archived", "removed", "deletedat", "archivedat", "removedat"}


@check.on(TableFacts)
def column_always_null(table: TableFacts, context: Context) -> Iterator[Finding]:
    columns = analysed_columns(table, check["rows"], lambda c: _may_be_needless(c, table, context))
    names = [column.name for column in columns if _is_null(column) and _is_so_below(column, table, context)]
    if not names:
        return
    read = (context.empty_columns_named or {}).get(table.qualified_name)
    named, may_go = read or frozenset(), read is not None and table.constraints is not None
    hanging = {name: list(dict.fromkeys(dropped_with(name, table))) for name in names}
    going = [name for name in names if not hanging[name] and name not in named and may_go]
    takes = [f"{name} takes {some_of(others)} along" for name, others in hanging.items() if others]
    is_named = [name for name in names if name in named]
    yield check.finding(
        subject=table.name,
        message=(
            f"ANALYZE saw nothing but NULL in {some_of(names)} of {table.qualified_name} ({table.rows or 0:,.0f} rows)."
            + (f" Dropped, {some_of(takes)}." if takes else "")
            + (f" Recorded statements name {some_of(is_named)}." if is_named else "")
        ),
        hint=(
            ("Take what nothing uses from the code first. " if is_named else "")
            + "Drop what nothing uses, after asking the table itself. An index, a key or a CHECK goes with its column."
        ),
        evidence={"columns": listed(names), "table_rows": table.rows},
        table=table.qualified_name,
        fixes=tuple(_fixes(table, names, going)),
    )


def _may_be_needless(column: ColumnFacts, table: TableFacts, context: Context) -> bool:
    if column.not_null or column.is_generated or set(words_of(column.name)) & SOFT_DELETED:
        return False
    return not is_inherited(column.name, table, context.facts)


def _is_null(column: ColumnFacts) -> bool:
    return column.null_frac == 1


def _is_so_below(column: ColumnFacts, table: TableFacts, context: Context) -> bool:
    return holds_in_heirs(column.name, table, context.facts, _is_null)


def _fixes(table: TableFacts, names: list[str], going: list[str]) -> Iterator[Fix]:
    name, columns = qualified(table.schema, table.name), ", ".join(quote_identifier(column) for column in names)
    yield to_copy(
        "Ask the table itself: no row may come of it",
        f"SELECT 1 FROM {name} WHERE num_nonnulls({columns}) > 0 LIMIT 1;",
    )
    if going:
        yield to_copy(
            "Then drop what no code names; there is no way back, and the lock is short",
            f"ALTER TABLE {name} " + ", ".join(f"DROP COLUMN {quote_identifier(column)}" for column in going) + ";",
        )
