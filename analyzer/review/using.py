"""Which tables and columns a recorded statement uses."""

from collections.abc import Iterator

from pglast import ast

from analyzer.review.live_facts import UsingStatement
from analyzer.review.rights import rights_on_targets
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.display import one_line
from analyzer.statements.predicates import query_blocks
from analyzer.statements.tree import Unparsable, function_name, single_statement, walk

WRITING = frozenset({"insert", "update", "delete", "merge"})


def using_statement(
    fingerprint: str, sql: str, calls: float, calls_per_day: float, watched_s: float, schema: SchemaFacts
) -> UsingStatement:
    """A name that only a session's search_path tells stands for no table: it may mean any."""
    tables, written, columns, reads_all = set[int](), set[int](), set[tuple[int, str]](), set[int]()
    needs = set[tuple[int, str]]()
    for block in query_blocks(sql, schema):
        for use in block.tables:
            table = schema.find_table(use.name, use.schema or None)
            if table is None:
                continue
            tables.add(table.oid)
            if use.is_target and block.kind in WRITING:
                written.add(table.oid)
            else:
                needs.add((table.oid, "SELECT"))
            named = use.used | (use.selected or frozenset()) | {p.column for p in use.predicates}
            columns |= {(table.oid, name) for name in named}
            if use.selected is None:
                reads_all.add(table.oid)
    for table_name, schema_name, column in _columns_written(sql):
        table = schema.find_table(table_name, schema_name)
        if table is not None:
            columns.add((table.oid, column))
    statement = single_statement(sql)
    is_read = not isinstance(statement, Unparsable)
    for relation, right in rights_on_targets(statement) if is_read else ():
        if (table := schema.find_table(relation.name, relation.schema or None)) is not None:
            needs.add((table.oid, right))
    calls_of = [node for node in walk(statement) if isinstance(node, ast.FuncCall)] if is_read else []
    return UsingStatement(
        fingerprint, one_line(sql), calls, calls_per_day, watched_s, frozenset(tables), frozenset(written),
        frozenset(columns), frozenset(reads_all), frozenset(needs), frozenset(map(function_name, calls_of)),
    )  # fmt: skip


def _columns_written(sql: str) -> Iterator[tuple[str, str | None, str]]:
    """Of INSERT's column list and UPDATE's SET: table, schema and column."""
    statement = single_statement(sql)
    for node in walk(None if isinstance(statement, Unparsable) else statement):
        if isinstance(node, ast.InsertStmt):
            targets = node.cols or ()
        elif isinstance(node, ast.UpdateStmt):
            targets = node.targetList or ()
        else:
            continue
        for target in targets:
            if target.name:
                yield node.relation.relname, node.relation.schemaname or None, target.name
