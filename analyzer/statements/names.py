"""What a statement names and only a server's catalog can judge: tables, functions, operators, types, attributes.

Names are those of the text. A table is told from a CTE by PostgreSQL's own rules of visibility; a column that is
written with its table (``t.x``) may be a function ``x(t)``, unless each relation that ``t`` may stand for has it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pglast import ast, enums

from analyzer.statements.tree import Node, children, name_parts, walk

Name = tuple[str, str]  # schema or "", name
Call = tuple[str, str, int]  # schema or "", name, number of arguments
ANY_NUMBER = -1  # of arguments
MOST_COUNTED = 10_000  # references to tables; more are as many
MOST_SOURCES = 10  # of one alias in one statement; beyond it no column is excused

# A_Expr kinds whose "name" is a keyword, and the operators they stand for.
KEYWORD_OPERATORS = {
    "BETWEEN": (">=", "<="), "BETWEEN SYMMETRIC": (">=", "<="),
    "NOT BETWEEN": ("<", ">"), "NOT BETWEEN SYMMETRIC": ("<", ">"),
}  # fmt: skip
# JOIN USING, DISTINCT, GROUP BY, ORDER BY, CASE and IN look these up without naming them.
IMPLIED_OPERATORS = ("=", "<>", "<", ">", "<=", ">=")


@dataclass(frozen=True, slots=True, order=True)
class Attribute:
    """``x`` of ``t.x`` or ``(expression).x``: a call of a function x where there is no such column.

    ``relation`` is the one that must have the column; ("", "") where none can excuse it.
    """

    name: str
    relation: Name = ("", "")


@dataclass(frozen=True, slots=True)
class StatementNames:
    """Sorted, without doubles."""

    relations: tuple[Name, ...] = ()
    calls: tuple[Call, ...] = ()
    operators: tuple[Name, ...] = ()
    types: tuple[Name, ...] = ()
    attributes: tuple[Attribute, ...] = ()

    @property
    def functions(self) -> tuple[Name, ...]:
        return tuple(dict.fromkeys((schema, name) for schema, name, _ in self.calls))

    def __or__(self, other: "StatementNames") -> "StatementNames":
        joined: dict[str, Any] = {
            f.name: tuple(sorted({*getattr(self, f.name), *getattr(other, f.name)})) for f in fields(self)
        }
        return StatementNames(**joined)

    def of_postgresql(self) -> "StatementNames":
        """As the server writes an expression with search_path = pg_catalog: what has no schema is PostgreSQL's own."""

        def own(name: Name) -> Name:
            return (name[0] or "pg_catalog", name[1])

        return StatementNames(
            self.relations,
            tuple((schema or "pg_catalog", name, count) for schema, name, count in self.calls),
            tuple(map(own, self.operators)),
            tuple(map(own, self.types)),
            self.attributes,
        )


def collect_names(root: Node | Sequence[Node]) -> StatementNames:
    """Of a statement, or of expressions that stand by themselves."""
    tops = [root] if isinstance(root, ast.Node) else list(root)
    relations: set[Name] = set()
    calls: set[Call] = set()
    operators: set[Name] = {("", name) for name in IMPLIED_OPERATORS}
    types: set[Name] = set()
    sources = _Sources(tops)
    attributes: set[Attribute] = set()
    for node in walk(tuple(tops)):
        match node:
            case ast.RangeVar():
                if id(node) not in sources.no_tables:
                    relations.add((node.schemaname or "", node.relname))
            case ast.FuncCall():
                parts = name_parts(node.funcname)
                if parts:
                    calls.add((parts[0] if len(parts) > 1 else "", parts[-1], _argument_count(node)))
            case ast.A_Expr():
                operators.update(_operators(node.name))
            case ast.SubLink() if node.operName:
                operators.update(_operators(node.operName))
            case ast.SortBy() if node.useOp:
                operators.update(_operators(node.useOp))
            case ast.TypeName():
                parts = name_parts(node.names)
                if parts:
                    types.add((parts[-2] if len(parts) > 1 else "", parts[-1]))
            case ast.ColumnRef():
                parts = name_parts(node.fields)
                if len(parts) > 1 and len(parts) == len(node.fields):
                    attributes.update(sources.attribute(parts))
            case ast.A_Indirection():
                # (v).x: v may be a column as well as a table, so no table excuses it
                attributes.update(Attribute(name) for name in name_parts(node.indirection))
    return StatementNames(
        tuple(sorted(relations)), tuple(sorted(calls)), tuple(sorted(operators)), tuple(sorted(types)),
        tuple(sorted(attributes)),
    )  # fmt: skip


WRITES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)


def table_references(root: Node) -> list[Node]:
    """The RangeVars of a statement that name tables: no references to a CTE, no aliases of FOR UPDATE OF."""
    others = _Sources([root]).no_tables
    return [node for node in walk(root) if isinstance(node, ast.RangeVar) and id(node) not in others]


def joined_tables(root: Node, below: Callable[[Name], int] = lambda name: 1) -> int:
    """References to tables, once those to CTEs that are NOT MATERIALIZED and to views are written out.

    ``below``: how many a name stands for that is no CTE's. Counted to MOST_COUNTED: ten CTEs make a thousand.
    """

    def count(top: Node, visible: Mapping[str, int]) -> int:
        references = 0
        stack = [(top, visible)]
        while stack:
            node, ctes = stack.pop()
            if isinstance(node, ast.RangeVar):
                is_cte = not node.schemaname and node.relname in ctes
                references += ctes[node.relname] if is_cte else below((node.schemaname or "", node.relname))
            clause = getattr(node, "withClause", None)
            if clause is not None:
                inside = {
                    **ctes,
                    **(dict.fromkeys((cte.ctename for cte in clause.ctes), 1) if clause.recursive else {}),
                }
                for cte in clause.ctes:
                    inner = count(cte.ctequery, inside)
                    is_merged = cte.ctematerialized == enums.CTEMaterialize.CTEMaterializeNever
                    references += inner
                    inside[cte.ctename] = inner if is_merged else 1
                ctes = inside
            stack.extend((child, ctes) for child in children(node) if child is not clause)
        return min(references, MOST_COUNTED)

    return count(root, {})


def _argument_count(call: Node) -> int:
    if call.agg_within_group or call.func_variadic:
        return ANY_NUMBER
    if name_parts(call.funcname)[-1:] == ("unnest",):
        return 1  # in FROM each of its arrays is unnested by a call of its own
    return len(call.args or ())


def _operators(names: tuple[Node, ...]) -> Iterator[Name]:
    parts = name_parts(names)
    schema, name = ("" if len(parts) == 1 else parts[-2]), parts[-1]
    for operator in KEYWORD_OPERATORS.get(name, (name,)):
        yield schema, operator


class _Sources:
    """What the names in FROM stand for, all levels of the statement together.

    ``columns``: alias -> what each thing of that name gives: a table's name, the set of the columns it is known to
    have, or None.
    """

    def __init__(self, tops: Sequence[Node]) -> None:
        self.no_tables: set[int] = set()
        self.columns: dict[str, list[Name | frozenset[str] | None]] = {}
        told: set[int] = set()  # aliases
        stack: list[tuple[Node, Mapping[str, Node]]] = [(top, {}) for top in reversed(tops)]
        while stack:
            node, visible = stack.pop()
            if isinstance(node, ast.RangeVar):
                told.add(id(node.alias))
                self._table(node, visible)
            elif isinstance(node, ast.LockingClause):
                self.no_tables.update(id(name) for name in node.lockedRels or ())  # FOR UPDATE OF names aliases
                continue
            elif isinstance(node, ast.RangeSubselect) and node.alias:
                told.add(id(node.alias))
                self._add(node.alias, _outputs(node.subquery))
            elif isinstance(node, ast.FuncCall):
                for part in name_parts(node.funcname):  # in FROM without an alias it is known by its own name
                    self.columns.setdefault(part, []).append(None)
            elif isinstance(node, ast.Alias) and id(node) not in told:
                self.columns.setdefault(node.aliasname, []).append(None)  # of a function, a join, XMLTABLE, JSON_TABLE
            stack.extend(_below(node, visible))

    def attribute(self, parts: Sequence[str]) -> Iterator[Attribute]:
        """Of a column written with its table: none where it surely is a column."""
        *qualifier, name = parts
        if len(qualifier) > 1:
            yield Attribute(name, (qualifier[-2], qualifier[-1]))
            return
        sources = dict.fromkeys(self.columns.get(qualifier[0], [None]))
        if len(sources) > MOST_SOURCES:
            sources = {None: None}
        for source in sources:
            if isinstance(source, frozenset):
                if name not in source:
                    yield Attribute(name)
            else:
                yield Attribute(name, source or ("", ""))

    def _table(self, node: Node, visible: Mapping[str, Node]) -> None:
        name = node.alias.aliasname if node.alias else node.relname
        renames = frozenset(name_parts(node.alias.colnames)) if node.alias and node.alias.colnames else None
        cte = visible.get(node.relname) if not node.schemaname else None
        if cte is not None:
            self.no_tables.add(id(node))
            outputs = frozenset(name_parts(cte.aliascolnames)) if cte.aliascolnames else _outputs(cte.ctequery)
            self.columns.setdefault(name, []).append(renames or outputs)
            return
        # an alias with columns of its own hides those of the table
        self.columns.setdefault(name, []).append(renames if renames else (node.schemaname or "", node.relname))
        if isinstance(node, ast.RangeVar) and node.alias:
            self.columns.setdefault(node.relname, []).append((node.schemaname or "", node.relname))

    def _add(self, alias: Node, outputs: frozenset[str] | None) -> None:
        if alias.colnames and outputs is not None:
            outputs = frozenset(name_parts(alias.colnames))  # those it leaves out keep their names, or not: not known
        self.columns.setdefault(alias.aliasname, []).append(outputs)


def _below(node: Node, visible: Mapping[str, Node]) -> Iterator[tuple[Node, Mapping[str, Node]]]:
    """Children with the CTEs they can see: a WITH's own only after it, unless it is RECURSIVE."""
    clause = getattr(node, "withClause", None)
    inside = dict(visible)
    if clause is not None:
        if clause.recursive:
            inside.update({cte.ctename: cte for cte in clause.ctes})
        for cte in clause.ctes:
            yield cte.ctequery, dict(inside)
            inside[cte.ctename] = cte
    target = getattr(node, "relation", None) if isinstance(node, WRITES) else None
    for child in children(node):
        if child is not clause:
            yield child, ({} if child is target else inside)


def _outputs(query: Node) -> frozenset[str] | None:
    """Names of a subquery's columns; None where a star hides some."""
    while isinstance(query, ast.SelectStmt) and query.larg is not None:
        query = query.larg
    if not isinstance(query, ast.SelectStmt):
        return None
    names: set[str] = set()
    for target in query.targetList or ():
        value = target.val
        if target.name:
            names.add(target.name)
        elif isinstance(value, ast.ColumnRef):
            parts = name_parts(value.fields)
            if len(parts) < len(value.fields):
                return None
            names.add(parts[-1])
    return frozenset(names)
