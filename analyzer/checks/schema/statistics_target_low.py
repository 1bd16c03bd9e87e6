"""Statistics that are too short for a column.

ANALYZE keeps the most common values of a column, 100 by default. Here the list is full, and its last value is still
far more common than the rest on average: values just below are estimated as if they were rare. To verify, compare the
estimate of a frequent value that is not in most_common_vals with its count.

A higher target for that column makes ANALYZE read a larger sample and planning look through a longer list: 500 is
seldom felt, 10,000 is. Leave it alone where no statement filters or joins by the column; only columns that an index
has are judged.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.checks.grouping import to_copy
from analyzer.checks.statistics import analysed_columns
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC057",
    title="Statistics target too low for a column",
    severity=Severity.INFO,
    together=Severity.CRITICAL,
    rows=Threshold(1_000_000, "rows", "judgement: of fewer rows a wrong estimate costs little"),
    factor=Threshold(10, "frequency / mean of the rest", "judgement: estimates wrong by less change few plans"),
)
HIGHER = 500


@check.on(TableFacts)
def statistics_target_low(table: TableFacts, context: Context) -> Iterator[Finding]:
    indexed = {name for index in table.indexes for name in index.columns if name is not None and not index.is_unique}
    columns = analysed_columns(table, check["rows"], lambda column: column.name in indexed)
    if not columns:
        return
    setting = context.facts.settings.get("default_statistics_target", "") if context.facts is not None else ""
    if not setting.isdigit():
        raise NotRun("needs default_statistics_target")
    of_default = int(setting)
    short = [(column, factor) for column in columns if (factor := _beyond(column, of_default)) >= check["factor"]]
    if not short:
        return
    said = [f"{column.name} ({factor:,.0f} times)" for column, factor in short]
    yield check.finding(
        subject=table.name,
        message=(
            f"The list of most common values is full for {some_of(said)} of {table.qualified_name}: its last value is"
            " so much more common than the mean of the rest."
        ),
        hint=f"Raise the statistics target of the column to {HIGHER} and analyse the table.",
        evidence={"columns": ", ".join(c.name for c, _ in short), "factor": round(max(f for _, f in short), 1),
                  "table_rows": table.rows},
        table=table.qualified_name,
        fixes=(
            to_copy(
                "Longer lists (SHARE UPDATE EXCLUSIVE, for a moment; ANALYZE reads a larger sample)",
                *(_statement(table, column) for column, _ in short),
                f"ANALYZE {qualified(table.schema, table.name)};",
            ),
        ),
    )  # fmt: skip


def _beyond(column: ColumnFacts, default_target: int) -> float:
    """How many times more common the list's last value is than what is not in the list, on average; 0 if not full."""
    frequencies, distinct = column.most_common_freqs, column.distinct_values
    target = column.statistics_target if column.statistics_target is not None else default_target
    if not frequencies or distinct is None or len(frequencies) < target or target >= HIGHER:
        return 0.0
    rest = 1 - sum(frequencies) - (column.null_frac or 0.0)
    values = distinct - len(frequencies)
    return min(frequencies) / (rest / values) if rest > 0 and values > 0 else 0.0


def _statement(table: TableFacts, column: ColumnFacts) -> str:
    on, name = qualified(table.schema, table.name), quote_identifier(column.name)
    return f"ALTER TABLE {on} ALTER COLUMN {name} SET STATISTICS {HIGHER};"
