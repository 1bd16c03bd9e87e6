"""Rows that do not know when they were made, because the column has no default.

A column named created_at is filled by the application; what comes in by a script, a trigger or COPY has NULL there.
Here some rows have a time and others none. To verify, look at rows WHERE it IS NULL: who wrote them?

SET DEFAULT now() fills it for every writer to come and is done at once; old rows stay as they are. Columns of the last
change are not judged: NULL may mean that there was none (SC060 judges whether UPDATEs set them).
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.columns import type_of
from analyzer.checks.grouping import listed, to_copy
from analyzer.checks.statistics import analysed_columns
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.words.lists import and_list

check = Check(
    __name__,
    code="SC027",
    title="Time of creation without a default, missing in some rows",
    severity=Severity.INFO,
    together=Severity.CRITICAL,
    rows=Threshold(1_000, "rows", "judgement: of fewer nobody asks when they were made"),
)
NAMES = {
    "created",
    "created_at",
    "created_on",
    "date_created",
    "creation_date",
    "inserted_at",
    "createdat",
    "created_date",
}
NOW = {"timestamp with time zone": "now()", "timestamp without time zone": "localtimestamp", "date": "current_date"}


@check.on(TableFacts)
def created_without_default(table: TableFacts) -> Iterator[Finding]:
    named = analysed_columns(table, check["rows"], _is_of_creation)
    columns = [column for column in named if 0 < (column.null_frac or 0) < 1]
    if columns:
        names = [c.name for c in columns]
        most = max(c.null_frac or 0 for c in columns)
        alter = f"ALTER TABLE {qualified(table.schema, table.name)} ALTER COLUMN"
        yield check.finding(
            subject=table.name,
            message=(
                f"{and_list(names)} of {table.qualified_name} has no default and is NULL in {most:.1%} of the rows:"
                " older than the column, or of writers that leave it out."
            ),
            hint="Give it a default, so that every writer fills it.",
            evidence={"columns": listed(names), "null_ratio": round(most, 4), "table_rows": table.rows},
            table=table.qualified_name,
            fixes=(
                to_copy(
                    "Default for rows to come (ACCESS EXCLUSIVE, for a moment)",
                    *(f"{alter} {quote_identifier(c.name)} SET DEFAULT {NOW[type_of(c)]};" for c in columns),
                ),
            ),
        )


def _is_of_creation(column: ColumnFacts) -> bool:
    is_named = column.name.lower() in NAMES and type_of(column) in NOW
    return is_named and column.default is None and not column.is_generated
