"""Which columns an UPDATE sets: those that an index may have to follow."""

from collections.abc import Iterable, Iterator

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.tree import Node, Unparsable, single_statement, walk


def columns_set(texts: Iterable[str], facts: SchemaFacts) -> dict[str, frozenset[str]]:
    """By the table's qualified name, of UPDATE, ON CONFLICT DO UPDATE and MERGE wherever they stand in these.

    Also of what is below the table, where its rows lie, and above it. A name that only a session's own search_path
    leads to stands for each table of that name.
    """
    columns: dict[str, frozenset[str]] = {}
    for sql in texts:
        node = single_statement(sql)
        if isinstance(node, Unparsable):
            continue
        for relation, targets in _updates(node):
            names = {target.name for target in targets or () if target.name}
            for named in facts.tables_read(relation.relname, relation.schemaname or "") if names else ():
                for table in with_same_rows(named, facts):
                    columns[table.qualified_name] = columns.get(table.qualified_name, frozenset()) | names
    return columns


def _updates(root: Node) -> Iterator[tuple[Node, tuple[Node, ...]]]:
    for node in walk(root):
        if isinstance(node, ast.UpdateStmt):
            yield node.relation, node.targetList
        elif isinstance(node, ast.InsertStmt) and node.onConflictClause is not None:
            yield node.relation, node.onConflictClause.targetList
        elif isinstance(node, ast.MergeStmt):
            for when in node.mergeWhenClauses or ():
                if when.commandType == enums.CmdType.CMD_UPDATE:
                    yield node.relation, when.targetList


def with_same_rows(table: TableFacts, facts: SchemaFacts) -> Iterator[TableFacts]:
    yield from facts.with_partitions(table)
    yield from facts.heirs(table)
    waiting, seen = [table], {table.oid}
    while waiting:
        below = waiting.pop()
        for oid in (below.parent_oid, *below.inherits):
            above = facts.table(oid) if oid is not None and oid not in seen else None
            if above is not None:
                seen.add(above.oid)
                waiting.append(above)
                yield above
