"""Columns that are NULL in every row.

No row that ANALYZE looked at has a value: the column was added and never filled, or what filled it is gone. Each
column that nobody fills is read by SELECT *, kept in models and explained to newcomers. To verify, SELECT ... WHERE
col IS NOT NULL LIMIT 1; ANALYZE sees a sample (300 times the statistics target) and may miss a rare value.

Drop it where nothing uses it: that is done at once and frees no space until rows are written anew. Leave it alone
where it is for a feature to come, or for rare events.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.grouping import listed, some_of, to_copy
from analyzer.checks.statistics import analysed_columns
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified, quote_identifier

check = Check(
    __name__,
    code="SC023",
    title="Columns that are always NULL",
    severity=Severity.INFO,
    together=Severity.CRITICAL,
    rows=Threshold(10_000, "rows", "judgement: in fewer rows a rare value is easily missing"),
)


@check.on(TableFacts)
def column_always_null(table: TableFacts) -> Iterator[Finding]:
    columns = analysed_columns(table, check["rows"], lambda c: not (c.not_null or c.is_generated))
    names = [column.name for column in columns if column.null_frac == 1]
    if names:
        name, quoted = qualified(table.schema, table.name), [quote_identifier(column) for column in names]
        listed_columns = ", ".join(quoted)
        yield check.finding(
            subject=table.name,
            message=(
                f"ANALYZE saw nothing but NULL in {some_of(names)} of {table.qualified_name}"
                f" ({table.rows or 0:,.0f} rows)."
            ),
            hint="Drop what nothing uses, after asking the table itself.",
            evidence={"columns": listed(names), "table_rows": table.rows},
            table=table.qualified_name,
            fixes=(
                to_copy(
                    "Ask the table itself: no row may come of it",
                    f"SELECT 1 FROM {name} WHERE num_nonnulls({listed_columns}) > 0 LIMIT 1;",
                ),
                to_copy(
                    "Then drop what no code names; there is no way back, and the lock is short",
                    f"ALTER TABLE {name} " + ", ".join(f"DROP COLUMN {column}" for column in quoted) + ";",
                ),
            ),
        )
