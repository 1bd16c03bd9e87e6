"""``ORDER BY t LIMIT 20 OFFSET 10000`` as the rows after the last one of the page before.

Not the same statement: it asks for that row's values instead of counting rows, so it is a pattern to follow, not an
equivalent. The order is completed by a key, since rows that tie would be lost or shown twice between two pages. NULLs
stand where the order puts them.
"""

from collections.abc import Iterator
from itertools import count

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.equivalents.build import all_of, any_of, operation, sorted_by
from analyzer.statements.equivalents.calls import unsteady_call
from analyzer.statements.equivalents.notes import Notes
from analyzer.statements.equivalents.output import numbered, output_of
from analyzer.statements.equivalents.scopes import (
    Tables,
    is_never_null,
    key_among,
    own_nodes,
    owner,
    qualified,
    tables_of,
)
from analyzer.statements.select_list import is_aggregate
from analyzer.statements.tree import Node, conjuncts, walk

MOST_KEYS = 5  # judgement: a longer order is none to page by


class _Key:
    """One column of the order, with the parameter that holds the last row's value of it."""

    def __init__(self, owned: tuple[str, str], item: ast.SortBy, number: int, *, nullable: bool) -> None:
        self.owned, self.item, self.number, self.nullable = owned, item, number, nullable
        self.descending = item.sortby_dir == enums.SortByDir.SORTBY_DESC
        is_default = item.sortby_nulls == enums.SortByNulls.SORTBY_NULLS_DEFAULT
        self.nulls_first = self.descending if is_default else item.sortby_nulls == enums.SortByNulls.SORTBY_NULLS_FIRST

    @property
    def column(self) -> Node:
        return qualified(self.owned)

    @property
    def last(self) -> Node:
        return ast.ParamRef(number=self.number)

    @property
    def after(self) -> Node:
        """Rows whose value comes after the last row's."""
        beyond = operation("<" if self.descending else ">", self.column, self.last)
        if not self.nullable:
            return beyond
        known, unknown = (self.column, self.last) if self.nulls_first else (self.last, self.column)
        return any_of([beyond, all_of([_null(unknown), _null(known, negated=True)])])

    @property
    def same(self) -> Node:
        if not self.nullable:
            return operation("=", self.column, self.last)
        return ast.A_Expr(
            kind=enums.A_Expr_Kind.AEXPR_NOT_DISTINCT, name=(ast.String(sval="="),), lexpr=self.column, rexpr=self.last
        )


def offset_to_keyset(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes the SELECT itself; whether it is one with ORDER BY and OFFSET."""
    if select.limitOffset is None or not select.sortClause:
        return False
    others = (
        select.groupClause, select.havingClause, select.windowClause, select.lockingClause, select.larg,
        select.distinctClause,
    )  # fmt: skip
    tables = tables_of(select, facts)
    if any(others) or tables is None:
        return notes.refuse("its rows are grouped or made distinct, or come from something else than tables joined")
    shown = tuple(select.targetList or ())
    calls = [node for each in shown for node in own_nodes(each) if isinstance(node, ast.FuncCall)]
    if any(call.over or is_aggregate(call) for call in calls):
        return notes.refuse("an aggregate or a window function is computed over the rows of all pages")
    if (name := unsteady_call(shown, facts)) is not None:
        return notes.refuse(f"it calls {name}(), which may give several rows or something else each time")
    if select.limitOption == enums.LimitOption.LIMIT_OPTION_WITH_TIES:
        return notes.refuse("WITH TIES gives more rows than the page has")
    offset, select.limitOffset = select.limitOffset, None
    keys = _keys(select, tables, facts, _free_numbers(select))
    if keys is None:
        select.limitOffset = offset
        return notes.refuse("its order is not of plain columns, or no key completes it")
    select.sortClause = (
        *select.sortClause,
        *(sorted_by(key.column, key.item) for key in keys[len(select.sortClause) :]),
    )
    select.whereClause = all_of([*conjuncts(select.whereClause), _beyond(keys)])
    if select.limitCount is None:
        select.limitOption = enums.LimitOption.LIMIT_OPTION_DEFAULT
    for key in keys:
        notes.need(f"${key.number} is {'.'.join(map(quote_identifier, key.owned))} of the last row of the page before")
    return True


def _free_numbers(select: ast.SelectStmt) -> Iterator[int]:
    """Of parameters that it does not have: first those that OFFSET had, since PostgreSQL takes no gaps."""
    taken = {node.number for node in walk(select) if isinstance(node, ast.ParamRef)}
    return (number for number in count(1) if number not in taken)


def _keys(select: ast.SelectStmt, tables: Tables, facts: SchemaFacts, numbers: Iterator[int]) -> list[_Key] | None:
    """Of ORDER BY, and of a key of each table that it does not hold yet."""
    output = output_of(select, tables)
    found: dict[tuple[str, str], _Key] = {}
    for item in select.sortClause:
        owned = _owner(item.node, output or [], tables)
        if owned is None or item.useOp or output is None or owned in found:
            return None
        nullable = not is_never_null(owned, tables, facts)
        found[owned] = _Key(owned, item, next(numbers), nullable=nullable)
    like = sorted_by(ast.A_Const(isnull=True), select.sortClause[-1])
    like.sortby_nulls = enums.SortByNulls.SORTBY_NULLS_DEFAULT
    for name, table in tables.items():
        if key_among([column for owned, column in found if owned == name], table, facts) is not None:
            continue
        key = key_among([column.name for column in table.columns], table, facts)
        if key is None:
            return None
        for column in key:
            if (name, column) not in found:
                found[name, column] = _Key((name, column), like, next(numbers), nullable=False)
    return list(found.values()) if len(found) <= MOST_KEYS else None


def _owner(node: Node, output: list[tuple[str | None, Node]], tables: Tables) -> tuple[str, str] | None:
    """Of a bare name the output's goes before the tables'; a number is a column of the output."""
    if (column := numbered(node, output)) is not None:
        return owner(column, tables)
    if isinstance(node, ast.ColumnRef) and len(node.fields) == 1 and isinstance(node.fields[0], ast.String):
        named = [value for name, value in output if name == node.fields[0].sval]
        if named:
            owners = {owner(value, tables) for value in named}
            return owners.pop() if len(owners) == 1 else None
    return owner(node, tables)


def _beyond(keys: list[_Key]) -> Node:
    """As a comparison of rows, which one range of an index serves, where no NULL and no mixed direction is in it."""
    if len({key.descending for key in keys}) == 1 and not any(key.nullable for key in keys):
        if len(keys) == 1:
            return keys[0].after
        left, right = ([key.column for key in keys], [key.last for key in keys])
        return operation("<" if keys[0].descending else ">", _row(left), _row(right))
    condition = keys[-1].after
    for key in reversed(keys[:-1]):
        condition = any_of([key.after, all_of([key.same, condition])])
    return condition


def _row(values: list[Node]) -> ast.RowExpr:
    return ast.RowExpr(args=tuple(values), row_format=enums.CoercionForm.COERCE_IMPLICIT_CAST)


def _null(node: Node, *, negated: bool = False) -> ast.NullTest:
    kind = enums.NullTestType.IS_NOT_NULL if negated else enums.NullTestType.IS_NULL
    return ast.NullTest(arg=node, nulltesttype=kind)
