"""Which tables a statement's plan can depend on. What cannot be told from the text counts as every table."""

from collections.abc import Sequence

from analyzer.advice.planner import Query
from analyzer.facts import SchemaFacts, TableFacts
from analyzer.statements.parse import parse_statement

SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema", "pg_toast"})


def root_oid(table: TableFacts, facts: SchemaFacts) -> int:
    """The outermost partitioned table above ``table``, or itself: a plan on one can read the parts of the other."""
    seen = {table.oid}
    while table.parent_oid is not None and table.parent_oid not in seen:
        above = facts.table(table.parent_oid)
        if above is None:
            return table.parent_oid
        seen.add(above.oid)
        table = above
    return table.oid


def tables_read(query: Query, facts: SchemaFacts) -> frozenset[int] | None:
    """Root oids of the tables the statement names; None where it names a view or something unknown."""
    found: set[int] = set()
    parsed = parse_statement(query.sql)
    if not parsed.is_plannable:
        return None
    for name in parsed.tables:
        if name.schema in SYSTEM_SCHEMAS:
            continue
        table = facts.find_table(name.name, name.schema or None)
        if table is None or table.kind == "v":
            return None
        found.add(root_oid(table, facts))
    return frozenset(found)


def indexes_by_query(
    queries: Sequence[Query], index_roots: Sequence[int], facts: SchemaFacts
) -> tuple[list[int], list[frozenset[int] | None]]:
    """For each query the mask of the indexes on its tables, and the tables' root oids."""
    by_root: dict[int, int] = {}
    for number, root in enumerate(index_roots):
        by_root[root] = by_root.get(root, 0) | (1 << number)
    everything = (1 << len(index_roots)) - 1
    masks, tables = [], []
    for query in queries:
        read = tables_read(query, facts)
        tables.append(read)
        if read is None:
            masks.append(everything)
        else:
            mask = 0
            for root in read:
                mask |= by_root.get(root, 0)
            masks.append(mask)
    return masks, tables
