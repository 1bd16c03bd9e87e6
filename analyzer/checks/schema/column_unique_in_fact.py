"""Columns whose values are all different, and that nothing keeps so.

By its name the column is a key (slug, email, uuid, external_id), and ANALYZE saw no value twice. Without UNIQUE, two
requests at once can write the same; the planner does not know that one row answers. To verify, count values GROUP BY
the column HAVING count(*) > 1.

Build a unique index CONCURRENTLY and make the constraint of it. Leave it alone where values may repeat by right: two
accounts of one e-mail address, one code in two shops (then UNIQUE on both columns).
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.columns import words_of
from analyzer.checks.grouping import listed, to_copy, to_copy_concurrently
from analyzer.checks.statistics import analysed_columns
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.quoting import cut_name, qualified, quote_identifier
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC025",
    title="Unique by its values, without UNIQUE",
    severity=Severity.INFO,
    together=Severity.CRITICAL,
    rows=Threshold(10_000, "rows", "judgement: fewer values may differ by chance"),
)
KEYS = {"slug", "email", "code", "uuid", "guid", "sku", "isbn", "ean", "username", "token"}


@check.on(TableFacts)
def column_unique_in_fact(table: TableFacts) -> Iterator[Finding]:
    named = analysed_columns(table, check["rows"], lambda c: _is_named_as_key(c) and _is_free(table, c))
    columns = [column for column in named if column.n_distinct == -1 and column.null_frac == 0]
    if columns:
        names = [column.name for column in columns]
        yield check.finding(
            subject=table.name,
            message=(
                f"ANALYZE saw no value twice in {some_of(names)} of {table.qualified_name}"
                f" ({table.rows or 0:,.0f} rows), and no unique index keeps it so."
            ),
            hint="Where a value names one row, declare UNIQUE.",
            evidence={"columns": listed(names), "table_rows": table.rows},
            table=table.qualified_name,
            fixes=() if table.kind == "p" else _fixes(table, columns[0]),
        )


def _is_named_as_key(column: ColumnFacts) -> bool:
    words = words_of(column.name)
    return bool(words) and (words[-1] in KEYS or words[-1] == "key" or words[-2:] == ["external", "id"])


def _is_free(table: TableFacts, column: ColumnFacts) -> bool:
    """No unique index has it, be it with others or in an expression."""
    quoted = quote_identifier(column.name)
    return not any(
        index.is_unique and (column.name in index.columns or any(quoted in text for text in index.expressions))
        for index in table.indexes
    ) and not any(column.name in key.columns for key in table.foreign_keys)


def _fixes(table: TableFacts, column: ColumnFacts) -> tuple[Fix, ...]:
    name = quote_identifier(cut_name(f"{table.name}_{column.name}", "_key"))
    on = qualified(table.schema, table.name)
    return (
        to_copy_concurrently(
            "Keep it unique (not in a transaction; where a value repeats it fails and leaves an invalid index to drop)",
            f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {on} ({quote_identifier(column.name)});",
        ),
        to_copy(
            "Then make the constraint of it (ACCESS EXCLUSIVE, for a moment)",
            f"ALTER TABLE {on} ADD CONSTRAINT {name} UNIQUE USING INDEX {name};",
        ),
    )
