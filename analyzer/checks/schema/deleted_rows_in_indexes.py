"""Soft-deleted rows fill the indexes.

Rows with a time in deleted_at are deleted for the application, which asks for those WHERE deleted_at IS NULL; the
indexes hold them all the same, and so do unique indexes: a deleted name cannot be taken again. To verify, see how many
rows are deleted, and whether statements ask for living ones.

Build the indexes that matter anew WHERE deleted_at IS NULL. Statements have to say so for the planner to use them.
Leave it alone where few rows are deleted, which is why a share of them is asked for here. What has to hold all rows is
not listed: the index of a constraint, the replica identity, and what a foreign key rests on at either end.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, Threshold
from analyzer.checks.columns import type_of
from analyzer.checks.grouping import listed
from analyzer.checks.index.redundant_index import is_referenced
from analyzer.checks.statistics import analysed_columns
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ColumnFacts, IndexFacts, TableFacts
from analyzer.schema.foreign_keys import supporting_index
from analyzer.schema.quoting import quote_identifier
from analyzer.words.lists import some_of
from analyzer.words.shares import share_words
from analyzer.words.sizes import size_words

check = Check(
    __name__,
    code="SC028",
    title="Indexes full of soft-deleted rows",
    severity=Severity.INFO,
    rows=Threshold(100_000, "rows", "judgement: smaller indexes stay in memory"),
    deleted_ratio=Threshold(0.2, "deleted rows / rows", "judgement: less is not worth an index of its own"),
    size=Threshold(10 * 2**20, "bytes", "judgement: smaller indexes stay in memory"),
)
NAMES = {"deleted_at", "deletedat", "deleted_on", "date_deleted", "archived_at", "removed_at"}
MOMENTS = {"timestamp with time zone", "timestamp without time zone", "date"}


@check.on(TableFacts)
def deleted_rows_in_indexes(table: TableFacts, context: Context) -> Iterator[Finding]:
    for column in analysed_columns(table, check["rows"], _is_of_deletion):
        quoted, alive = quote_identifier(column.name), column.null_frac or 0.0
        if 1 - alive < check["deleted_ratio"] or not alive:
            continue
        if any(index.predicate and quoted in index.predicate for index in table.indexes):
            continue
        needed_whole = [supporting_index(table, key) for key in table.foreign_keys]
        used = [
            index
            for index in table.indexes
            if _is_worth_it(index, column) and index not in needed_whole and not is_referenced(table, index, context)
        ]
        if used:
            yield _finding(table, column, used, 1 - alive)


def _is_of_deletion(column: ColumnFacts) -> bool:
    return column.name.lower() in NAMES and type_of(column) in MOMENTS


def _is_worth_it(index: IndexFacts, column: ColumnFacts) -> bool:
    is_whole = index.predicate is None and column.name not in index.columns
    if not is_whole or index.is_primary or index.backs_constraint or index.is_replica_identity:
        return False
    return index.is_usable and bool(index.scans) and (index.size_bytes or 0) >= check["size"]


def _finding(table: TableFacts, column: ColumnFacts, used: list[IndexFacts], share: float) -> Finding:
    total, names = sum(index.size_bytes or 0 for index in used), [index.name for index in used]
    return check.finding(
        subject=column.name,
        message=(
            f"{share_words(share)} of the rows of {table.qualified_name} are deleted by {column.name}, and its indexes"
            f" hold them: {some_of(names)}, {size_words(total)}."
        ),
        hint=f"Build those that statements use anew WHERE {quote_identifier(column.name)} IS NULL.",
        evidence={"deleted_ratio": round(share, 4), "indexes": listed(names), "index_bytes": total,
                  "table_rows": table.rows},
        table=table.qualified_name,
    )  # fmt: skip
