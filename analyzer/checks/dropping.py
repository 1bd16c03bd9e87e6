"""Statements that drop indexes."""

from collections.abc import Sequence

from analyzer.checks.grouping import to_copy, to_copy_concurrently
from analyzer.findings import Fix
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.quoting import qualified


def drop_indexes(indexes: Sequence[IndexFacts], table: TableFacts | None = None) -> Fix:
    """CONCURRENTLY, which the indexes of a partitioned ``table`` do not know."""
    names = [qualified(index.schema, index.name) for index in indexes]
    if table is not None and table.kind == "p":
        return to_copy(
            "Drop (ACCESS EXCLUSIVE on the table and its partitions, for a moment)",
            *(f"DROP INDEX {name};" for name in names),
        )
    return to_copy_concurrently(
        "Drop without stopping reads and writes (not in a transaction)",
        *(f"DROP INDEX CONCURRENTLY IF EXISTS {name};" for name in names),
    )
