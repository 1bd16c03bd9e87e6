"""Whether a table's figures moved so far that what was said of them may no longer be so."""

import hashlib
from math import log2

from analyzer.schema.facts import SchemaFacts, TableFacts


def standing_of(facts: SchemaFacts, qualified_name: str) -> str:
    """Changes when the table or one of its partitions is analysed, written anew, vacuumed of most of what it holds, or
    updated in another way than before; not with what comes and goes all day. "" of no known table.
    """
    schema, _, name = qualified_name.partition(".")
    table = facts.find_table(name, schema)
    if table is None:
        return ""
    parts = [table, *(part for part in facts if _is_part_of(part, table, facts))]
    return hashlib.sha256(repr(list(map(_standing, parts))).encode()).hexdigest()[:16]


def _is_part_of(part: TableFacts, whole: TableFacts, facts: SchemaFacts) -> bool:
    above = part.parent_oid
    while above is not None and above != whole.oid:
        parent = facts.table(above)
        above = parent.parent_oid if parent is not None else None
    return above is not None


def _standing(table: TableFacts) -> tuple[object, ...]:
    activity = table.activity
    return (
        table.oid,
        table.storage.analyzed_at if table.storage is not None else None,
        round(log2(table.size_bytes)) if table.size_bytes else None,
        activity.dead_rows > activity.live_rows,
        10 * activity.hot_updated_rows // activity.updated_rows if activity.updated_rows else None,
    )
