"""Whether a table's figures moved so far that what was said of them may no longer be so."""

import hashlib
from math import log2

from analyzer.schema.facts import SchemaFacts, TableFacts


def figures_digest(facts: SchemaFacts, qualified_name: str) -> str:
    """Changes when the table or one of its partitions is analysed, written anew, vacuumed of most of what it holds, or
    updated in another way than before; not with what comes and goes all day. "" of no known table.
    """
    table = facts.table_called(qualified_name)
    if table is None:
        return ""
    figures = list(map(_figures, facts.with_partitions(table)))
    return hashlib.sha256(repr(figures).encode()).hexdigest()[:16]


def _figures(table: TableFacts) -> tuple[object, ...]:
    activity = table.activity
    return (
        table.oid,
        table.storage.analyzed_at if table.storage is not None else None,
        round(log2(table.size_bytes)) if table.size_bytes else None,
        activity.dead_rows > activity.live_rows,
        10 * activity.hot_updated_rows // activity.updated_rows if activity.updated_rows else None,
    )
