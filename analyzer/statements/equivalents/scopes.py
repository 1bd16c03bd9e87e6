"""Which tables a SELECT reads, and whose column a name is: only where there is no doubt."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.equivalents.build import all_of, any_of
from analyzer.statements.tree import children, name_parts, walk

SOURCES = (ast.RangeVar, ast.RangeSubselect, ast.RangeFunction, ast.RangeTableFunc, ast.RangeTableSample)
Tables = dict[str, TableFacts]  # by the name that the query gives them


def tables_of(select: ast.SelectStmt, facts: SchemaFacts, *, outer_joins: bool = False) -> Tables | None:
    """In FROM's order; None unless all are ordinary tables, joined so that no row of NULLs is made up.

    ``outer_joins``: they may be, for what holds of a row of NULLs, too.
    """
    tables: Tables = {}
    waiting = list(reversed(select.fromClause or ()))
    while waiting:
        item = waiting.pop()
        if isinstance(item, ast.JoinExpr):
            if not outer_joins and item.jointype != enums.JoinType.JOIN_INNER:
                return None
            if item.usingClause or item.isNatural or item.alias:
                return None
            waiting += [item.rarg, item.larg]
            continue
        if not isinstance(item, ast.RangeVar) or item.catalogname or (item.alias and item.alias.colnames):
            return None
        table = facts.find_table(item.relname, item.schemaname)
        name = item.alias.aliasname if item.alias else item.relname
        if table is None or table.kind not in ("r", "p") or name in tables:
            return None
        tables[name] = table
    return tables or None


def owner(column: ast.Node | None, tables: Tables) -> tuple[str, str] | None:
    """Name of the table and of the column; None for what is no plain column of one of them."""
    if not isinstance(column, ast.ColumnRef) or not all(isinstance(f, ast.String) for f in column.fields):
        return None
    *qualifier, name = name_parts(column.fields)
    if len(qualifier) > 1:
        return None
    owners = [
        table
        for table, known in tables.items()
        if (not qualifier or table == qualifier[0]) and any(c.name == name for c in known.columns)
    ]
    return (owners[0], name) if len(owners) == 1 else None


def is_never_null(column: tuple[str, str], tables: Tables, facts: SchemaFacts) -> bool:
    """NOT NULL, also in every table that inherits from it: until 18 such a one may drop the constraint."""
    table = tables[column[0]]
    if any(table.oid in other.inherits for other in facts) or _has_foreign_parts(table, facts):
        return False
    return column[1] in _never_null(table, facts)


def _has_foreign_parts(table: TableFacts, facts: SchemaFacts) -> bool:
    """Whether rows of it come from other servers, which PostgreSQL takes at their word."""
    parts = [facts.table(oid) for oid in table.partitions]
    return any(part is None or part.kind == "f" or _has_foreign_parts(part, facts) for part in parts)


def _never_null(table: TableFacts, facts: SchemaFacts) -> set[str]:
    """What NOT NULL holds for; from 18 on its constraint may be NOT VALID, and rows from before it hold NULLs."""
    if table.constraints is None and facts.server_version_num >= 180_000:
        return set(table.primary_key)
    unproven = {
        name for known in table.constraints or () if known.kind == "n" and not known.is_validated
        for name in known.columns
    }  # fmt: skip
    return {known.name for known in table.columns if known.not_null} - unproven


def key_among(names: Collection[str], table: TableFacts, facts: SchemaFacts) -> tuple[str, ...] | None:
    """A key of the table among these columns that no two rows share, without NULLs; None where there is none.

    A deferrable one may be shared by two rows until its transaction ends; without the constraints each may be one.
    """
    if facts.heirs(table) or table.constraints is None:
        return None  # the former: a key of the one table alone
    not_null = _never_null(table, facts)
    deferred = {known.columns for known in table.constraints if known.kind in ("p", "u") and known.is_deferrable}
    for key in dict.fromkeys((table.primary_key, *table.unique_keys)):
        if (
            key
            and key not in deferred
            and set(key) <= set(names)
            and (key == table.primary_key or set(key) <= not_null)
        ):
            return key
    return None


def holds_key(columns: list[tuple[str, str]], tables: Tables, facts: SchemaFacts) -> bool:
    """Of each table, so that no two joined rows have the same."""
    return all(
        key_among([name for owned, name in columns if owned == alias], table, facts) is not None
        for alias, table in tables.items()
    )


def qualified(column: tuple[str, str]) -> ast.ColumnRef:
    return ast.ColumnRef(fields=tuple(ast.String(sval=part) for part in column))


def own_nodes(root: ast.Node | None) -> Iterator[ast.Node]:
    """An expression's nodes, without those of subqueries in it."""
    waiting = [root] if root is not None else []
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.SelectStmt):
            waiting += children(node)


def replaced(root: Any, changes: Mapping[int, ast.Node]) -> Any:
    """An expression with other nodes in the place of these, by their id; subqueries in it are left alone."""
    if id(root) in changes:
        return changes[id(root)]
    if isinstance(root, tuple):
        return tuple(replaced(part, changes) for part in root)
    if isinstance(root, ast.Node) and changes and not isinstance(root, ast.SelectStmt):
        for name in root.__slots__:
            value = getattr(root, name)
            if isinstance(value, (ast.Node, tuple)):
                setattr(root, name, replaced(value, changes))
    return root


def asks_outside(inner: ast.SelectStmt, outside: Tables | None, facts: SchemaFacts) -> bool:
    """Whether a column in a subquery is surely one of the query around it; ``outside``: its tables, where known."""
    sources = [item for node in walk(inner) if isinstance(node, ast.SelectStmt) for item in node.fromClause or ()]
    items = [item for item in walk(tuple(sources)) if isinstance(item, SOURCES)]
    aliases = [getattr(item, "alias", None) for item in items]  # none of TABLESAMPLE, whose table has it
    names = {a.aliasname if a else getattr(item, "relname", None) for a, item in zip(aliases, items, strict=True)}
    tables = [facts.find_table(item.relname, item.schemaname) for item in items if isinstance(item, ast.RangeVar)]
    is_known = len(tables) == len(items) and None not in tables
    inside = {known.name for table in tables if table is not None for known in table.columns}
    around = {known.name for table in (outside or {}).values() for known in table.columns}
    for node in walk(inner):
        if not isinstance(node, ast.ColumnRef) or not isinstance(node.fields[-1], ast.String):
            continue
        *qualifier, name = name_parts(node.fields)
        if qualifier[-1] not in names if qualifier else is_known and name not in inside and name in around:
            return True
    return False


def is_plain(select: ast.SelectStmt) -> bool:
    """SELECT ... FROM ... WHERE and nothing behind it that makes other rows."""
    others = (
        select.groupClause, select.havingClause, select.windowClause, select.limitCount, select.limitOffset,
        select.lockingClause, select.valuesLists, select.larg, select.intoClause, select.withClause,
    )  # fmt: skip
    # in ORDER BY a function that returns a set makes rows, or none
    may_make_rows = any(isinstance(node, ast.FuncCall) for node in walk(tuple(select.sortClause or ())))
    return not any(others) and not may_make_rows and bool(select.fromClause)


def change_where(
    select: ast.SelectStmt, facts: SchemaFacts, change: Callable[[ast.Node, Tables], ast.Node | None]
) -> bool:
    """Changes what AND and OR join in WHERE of a SELECT of plain tables; whether anything was changed."""
    tables = tables_of(select, facts, outer_joins=True)
    if tables is None or select.whereClause is None:
        return False
    changed = positively(select.whereClause, lambda node: change(node, tables))
    if changed is None:
        return False
    select.whereClause = changed
    return True


def positively(node: ast.Node, change: Callable[[ast.Node], ast.Node | None]) -> ast.Node | None:
    """The condition with what AND and OR join changed, where NULL counts as false; None where nothing changes."""
    if not isinstance(node, ast.BoolExpr):
        return change(node)
    if node.boolop == enums.BoolExprType.NOT_EXPR:
        return None
    changed = [positively(arg, change) for arg in node.args]
    if not any(arg is not None for arg in changed):
        return None
    args = [new if new is not None else old for new, old in zip(changed, node.args, strict=True)]
    return all_of(args) if node.boolop == enums.BoolExprType.AND_EXPR else any_of(args)
