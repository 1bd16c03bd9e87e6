"""What a statement is: its kind, the tables it names, whether it locks or limits."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pglast import ast

from analyzer.schema import system_tables
from analyzer.statements.tree import Node, Unparsable, children, parse, single_statement, walk

StatementKind = Literal["select", "insert", "update", "delete", "merge", "utility", "unknown"]

KINDS: dict[type, StatementKind] = {
    ast.SelectStmt: "select",
    ast.InsertStmt: "insert",
    ast.UpdateStmt: "update",
    ast.DeleteStmt: "delete",
    ast.MergeStmt: "merge",
}


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """``schema`` is "" where the statement leaves it to the search path."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


SHORT = 4_000  # characters: as of the trees that are kept


def is_system_table(name: str) -> bool:
    """``name`` as ``str(TableName)``: of the server's own catalog."""
    schema, _, table = name.rpartition(".")
    return system_tables.is_system_table(schema, table)


def reads_catalog_only(sql: str) -> bool:
    """A SELECT, or a PREPARE of one, from the server's own catalog and nothing else."""
    node = single_statement(sql)
    if isinstance(node, ast.PrepareStmt):
        node = node.query
    if not isinstance(node, ast.SelectStmt):
        return False
    ctes = {part.ctename for part in walk(node) if isinstance(part, ast.CommonTableExpr)}
    tables = [part for part in walk(node) if isinstance(part, ast.RangeVar) and part.relname not in ctes]
    return bool(tables) and all(is_system_table(str(TableName(t.schemaname or "", t.relname))) for t in tables)


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """``reason`` says why ``kind`` is unknown; ``utility`` is PostgreSQL's node name of a utility
    ("CopyStmt").
    """

    kind: StatementKind
    tables: tuple[TableName, ...] = ()  # in order of appearance, each once, without names of CTEs
    is_locking: bool = False  # FOR UPDATE, FOR SHARE, ... anywhere
    has_limit: bool = False  # LIMIT or FETCH FIRST of the outermost SELECT
    statement_count: int = 1
    utility: str | None = None
    reason: str | None = None

    @property
    def is_plannable(self) -> bool:
        """EXPLAIN takes it as it is: one statement that has a plan and makes no table."""
        return self.kind not in ("utility", "unknown") and self.statement_count == 1


def parse_statement(sql: str | None) -> ParsedStatement:
    """What a text is and which tables it names; of short texts remembered."""
    return _parsed_short(sql) if sql is None or len(sql) <= SHORT else _parsed(sql)


def _parsed(sql: str | None) -> ParsedStatement:
    statements = parse(sql)
    if isinstance(statements, Unparsable):
        return ParsedStatement("unknown", statement_count=0, reason=statements.reason)
    tables: dict[TableName, None] = {}
    is_locking = False
    for raw in statements:
        for node in _relations_and_locks(raw.stmt):
            if isinstance(node, ast.RangeVar):
                tables.setdefault(TableName(node.schemaname or "", node.relname))
            else:
                is_locking = True
    first = statements[0].stmt
    kind: StatementKind = KINDS.get(type(first), "utility")
    if isinstance(first, ast.SelectStmt) and first.intoClause is not None:
        kind = "utility"  # SELECT INTO makes a table: CREATE TABLE AS in another dress
    return ParsedStatement(
        kind=kind if len(statements) == 1 else "unknown",
        tables=tuple(tables),
        is_locking=is_locking,
        has_limit=isinstance(first, ast.SelectStmt) and has_limit(first),
        statement_count=len(statements),
        utility=type(first).__name__ if kind == "utility" else None,
        reason=None if len(statements) == 1 else "The text holds several statements.",
    )


_parsed_short = lru_cache(maxsize=8192)(_parsed)


def has_limit(select: Node) -> bool:
    """LIMIT ALL and LIMIT NULL are none."""
    count = select.limitCount
    return count is not None and not (isinstance(count, ast.A_Const) and count.isnull)


def with_scope(node: Node, outer: frozenset[str]) -> tuple[list[tuple[Node, frozenset[str]]], frozenset[str]]:
    """A statement's CTE queries with the names each one sees, and the names its body sees."""
    clause = getattr(node, "withClause", None)
    if clause is None:
        return [], outer
    queries = []
    names = outer | {cte.ctename for cte in clause.ctes} if clause.recursive else outer
    for cte in clause.ctes:
        queries.append((cte.ctequery, names))
        names = names | {cte.ctename}
    return queries, names


def _relations_and_locks(statement: Node) -> Iterator[Node]:
    """RangeVars that name tables (not CTEs) and LockingClauses, in order of appearance."""
    stack: list[tuple[Node, frozenset[str]]] = [(statement, frozenset())]
    while stack:
        node, ctes = stack.pop()
        if isinstance(node, ast.RangeVar):
            if node.schemaname or node.relname not in ctes:
                yield node
            continue
        if isinstance(node, ast.LockingClause):
            yield node
            continue  # OF names aliases, not tables
        queries, names = with_scope(node, ctes)
        target = getattr(node, "relation", None) if type(node) in KINDS else None
        if target is not None:
            yield target  # a CTE is never written to
        below = [
            (child, names) for child in children(node) if child is not target and not isinstance(child, ast.WithClause)
        ]
        stack.extend(reversed(queries + below))
