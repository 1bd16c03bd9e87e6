"""Unlogged table: a crash empties it.

Its rows are not in the WAL: after a crash or an immediate shutdown the table is empty, a replica has none of it, and no
backup by WAL brings it back. That is right for what can be made again, such as a cache or a load in between. To verify,
psql's \\d says "Unlogged table".

ALTER TABLE ... SET LOGGED writes the whole table to the WAL under an ACCESS EXCLUSIVE lock.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.grouping import to_copy
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified
from analyzer.words.sizes import size_words

check = Check(
    __name__,
    code="SC032",
    title="Unlogged table",
    severity=Severity.WARNING,
    rows=Threshold(1, "rows", "judgement: an empty one has nothing to lose"),
)
UNLOGGED = "u"


@check.on(TableFacts)
def unlogged_table(table: TableFacts) -> Iterator[Finding]:
    if table.persistence != UNLOGGED or table.kind != "r":
        return
    if table.size_bytes == 0 or (table.rows is not None and table.rows < check["rows"]):
        return
    rows = f"{table.rows:,.0f} rows" if table.rows is not None else "never analysed"
    size = f", {size_words(table.size_bytes)}" if table.size_bytes else ""
    yield check.finding(
        subject=table.name,
        message=f"{table.qualified_name} ({rows}{size}) is unlogged: a crash empties it, and no replica has it.",
        hint="Make it logged, unless all of it can be made again.",
        evidence={"table_rows": table.rows, "size_bytes": table.size_bytes},
        table=table.qualified_name,
        fixes=(
            to_copy(
                "Make it logged (ACCESS EXCLUSIVE while the whole table is written to the WAL)",
                f"ALTER TABLE {qualified(table.schema, table.name)} SET LOGGED;",
            ),
        ),
    )
