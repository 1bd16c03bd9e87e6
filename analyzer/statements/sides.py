"""What each side of a comparison is: a column, an expression of one, a parameter, a literal."""

from dataclasses import dataclass

from pglast import ast

from analyzer.statements.patterns import WRAPPERS
from analyzer.statements.scope import Scope, ScopedColumn
from analyzer.statements.tree import (
    Node,
    Unparsable,
    fresh_parse,
    function_name,
    name_parts,
    operator_name,
    text_of,
    walk,
    walk_block,
    without_casts,
)

TEXT_QUERIES = ("plainto_tsquery", "to_tsquery", "websearch_to_tsquery", "phraseto_tsquery")
TEXT_TYPES = frozenset({"text", "varchar", "bpchar", "name"})


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison, in the eyes of the asking block."""

    column: ScopedColumn | None = None  # the one own column in it
    expression: str | None = None  # set when the column is not bare
    own_columns: bool = False  # names columns of the asking block
    outer: ScopedColumn | None = None  # a plain column of an enclosing block
    parameters: tuple[int, ...] = ()  # parameters that are the value itself
    keeps_values: bool = True  # the column's own values can stand in for the other side's
    constant: str | None = None  # the literal it is, as SQL


class Sides:
    """Reads sides of comparisons in one scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def of(self, node: Node | None) -> Side:
        """What one side of a comparison is to this block."""
        if node is None:
            return Side()
        inner = without_casts(node)
        if isinstance(inner, ast.ColumnRef):
            column = self.scope.column(inner)
            if column is None:
                return Side(own_columns=True)
            if column.depth:
                return Side(outer=column)
            expression = None if self._is_bare(node, column) else self._expression(node)
            return Side(column, expression, own_columns=True)  # a cast keeps values: they are cast too
        if isinstance(inner, ast.ParamRef):
            return Side(parameters=(inner.number,))
        if isinstance(inner, ast.A_Const):
            return Side(constant=None if inner.isnull else text_of(node))
        columns = self.columns(node)
        if len({id(column.table) for column in columns}) == 1 and not _is_computed_elsewhere(node):
            keeps = len(columns) == 1 and _keeps_values(inner)
            return Side(columns[0], self._expression(node), own_columns=True, keeps_values=keeps)
        if columns:
            return Side(own_columns=True)
        return Side(parameters=_wrapped_parameters(inner))

    def columns(self, node: Node) -> list[ScopedColumn]:
        """Own columns anywhere in an expression, not inside its subqueries."""
        found = {}
        for part in walk_block(node):
            if isinstance(part, ast.ColumnRef):
                column = self.scope.column(part)
                if column is not None and column.depth == 0:
                    found[id(column.table), column.name] = column
        return list(found.values())

    def _expression(self, node: Node) -> str:
        """Its text, with the table's own names for columns that a subquery calls otherwise."""
        text = text_of(node)
        names = {
            part.fields[-1].sval: column.name
            for part in walk_block(node)
            if isinstance(part, ast.ColumnRef) and (column := self.scope.column(part)) is not None
        }
        if all(outer == own for outer, own in names.items()):
            return text
        statements = fresh_parse(f"SELECT {text}")
        if isinstance(statements, Unparsable):
            return text
        for part in walk(statements):
            if isinstance(part, ast.ColumnRef) and isinstance(part.fields[-1], ast.String):
                part.fields = (ast.String(sval=names.get(part.fields[-1].sval, part.fields[-1].sval)),)
        return text_of(statements[0].stmt.targetList[0].val)

    def _is_bare(self, node: Node, column: ScopedColumn) -> bool:
        """A cast between text types keeps the column's index usable; any other changes the expression."""
        while isinstance(node, (ast.TypeCast, ast.CollateClause)):
            if isinstance(node, ast.CollateClause):
                return False
            if name_parts(node.typeName.names)[-1] not in TEXT_TYPES or node.typeName.arrayBounds:
                return False
            facts = (
                self.scope.facts.find_table(column.table.name, column.table.schema or None)
                if self.scope.facts
                else None
            )
            known = facts.column(column.name) if facts else None
            if known is not None and not known.type_name.startswith(("character varying", "text")):
                return False
            node = node.arg
        return True


def _is_computed_elsewhere(node: Node) -> bool:
    """It holds a subquery, or an aggregate's or window's call: nothing that a row tells by itself."""
    return any(
        isinstance(part, ast.SubLink) or (isinstance(part, ast.FuncCall) and (part.over or part.agg_star))
        for part in walk_block(node)
    )


def _keeps_values(node: Node) -> bool:
    """``lower(email)``: a value of the column fits where the expression is compared; ``count(id)``: it does not."""
    if isinstance(node, ast.A_Indirection):
        return isinstance(node.arg, ast.ColumnRef)  # an element of an array
    kept = (*WRAPPERS, "timezone", "date", "to_tsvector")
    if not isinstance(node, ast.FuncCall) or function_name(node) not in kept:
        return False
    return any(isinstance(without_casts(arg), ast.ColumnRef) for arg in node.args or ())


def _wrapped_parameters(node: Node) -> tuple[int, ...]:
    """``upper($1)``, ``ARRAY[$1, $2]``, ``$1 || '%'``: the parameter is the value, dressed."""
    if isinstance(node, ast.A_Expr) and operator_name(node) == "||":
        parts = [without_casts(part) for part in (node.lexpr, node.rexpr)]
        return next(((p.number,) for p in parts if isinstance(p, ast.ParamRef)), _wrapped_parameters(parts[0]))
    if isinstance(node, ast.FuncCall) and function_name(node) == "concat":
        inners = [without_casts(a) for a in node.args or ()]
        return next(((p.number,) for p in inners if isinstance(p, ast.ParamRef)), ())
    if isinstance(node, ast.FuncCall) and function_name(node) == "like_escape" and node.args:  # LIKE ... ESCAPE
        inner = without_casts(node.args[0])
        return (inner.number,) if isinstance(inner, ast.ParamRef) else _wrapped_parameters(inner)
    if isinstance(node, ast.FuncCall) and function_name(node) in TEXT_QUERIES and node.args:
        inner = without_casts(node.args[-1])  # the words; before them the configuration
        return (inner.number,) if isinstance(inner, ast.ParamRef) else ()
    if isinstance(node, ast.FuncCall) and function_name(node) in WRAPPERS and node.args:
        inner = without_casts(node.args[0])
        return (inner.number,) if isinstance(inner, ast.ParamRef) else ()
    if isinstance(node, ast.A_ArrayExpr):
        inners = [without_casts(e) for e in node.elements or ()]
        return tuple(e.number for e in inners if isinstance(e, ast.ParamRef))
    return ()
