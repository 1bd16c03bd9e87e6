"""What in a plan's filters keeps an index from a table: casts, functions computed anew, ORs over several tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pglast import ast, enums

from analyzer.advice.candidates.specialised import kind_of
from analyzer.advice.definition import IndexColumn
from analyzer.advice.plan_scans import SUBPLAN, Scan, aliases_in, nodes, parsed_condition
from analyzer.checks.column_widths import declared
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.blocks import QueryBlock, TableUse
from analyzer.statements.tree import (
    Node,
    column_names,
    conjuncts,
    function_name,
    name_parts,
    operator_name,
    walk,
    without_casts,
)
from analyzer.words.lists import some_of

# pg_proc.provolatile = 'v' among what stands in conditions
VOLATILE = frozenset({
    "random", "clock_timestamp", "timeofday", "nextval", "currval", "lastval", "gen_random_uuid", "uuid_generate_v4",
    "uuid_generate_v1", "uuidv7", "uuidv4", "random_normal", "setval",
})  # fmt: skip
WHOLE = frozenset({"smallint", "integer", "bigint"})
FEW_LEFT = 0.05  # of the rows; judgement: at random_page_cost 4 an index is dearer from there
SEARCHED = (enums.A_Expr_Kind.AEXPR_OP, enums.A_Expr_Kind.AEXPR_OP_ANY)
ORDERED = frozenset({"=", "<", "<=", ">", ">="})
EXCLUDING = frozenset({"ne", "not_in"})


def in_filter(scan: Scan, uses: Sequence[tuple[QueryBlock, TableUse]]) -> str | None:
    condition = parsed_condition(scan.filter)
    if condition is None:
        return None
    written = {p.column for _, use in uses for p in use.predicates if p.expression is not None}  # cast by hand
    if reason := next(filter(None, map(_collated, conjuncts(condition))), None):
        return reason
    for node in walk(condition):
        if isinstance(node, ast.A_Expr) and (reason := _compared(node, scan.table, written)):
            return reason
    asked = [(p, (at, p.arm and p.arm[0])) for at, (_, use) in enumerate(uses) for p in use.predicates]
    excluded = [p for p, _ in asked if p.operator in EXCLUDING]
    # an OR with one of them excludes as it does
    beside = {its_or for p, its_or in asked if p.operator in EXCLUDING and p.arm}
    others = [p for p, its_or in asked if p.operator not in EXCLUDING | {"other"} and its_or not in beside]
    if excluded and not others:
        names = some_of(list(dict.fromkeys(p.column for p in excluded)))
        reason = f"Its conditions on {scan.table.qualified_name} exclude values of {names}: no index"
        if not scan.table.rows or scan.rows >= FEW_LEFT * scan.table.rows:
            return f"{reason} narrows that down."
        return (
            f"{reason} on all rows narrows that down. Where the values are the same in each call, a partial index with"
            " this WHERE holds just the others."
        )
    if not others and (reason := _volatile_alone(condition)):
        return reason
    if any(map(_is_not_distinct, walk(condition))) and not others:
        return (
            "No index serves IS NOT DISTINCT FROM. Where the value is never NULL, = asks the same; else"
            " (x = $1 OR (x IS NULL AND $1 IS NULL))."
        )
    return None


def _volatile_alone(condition: Node) -> str | None:
    """``random() < 0.01``: of no column."""
    for part in conjuncts(condition):
        calls = [function_name(n) for n in walk(part) if isinstance(n, ast.FuncCall)]
        name = next((each for each in calls if each in VOLATILE), None)
        if name is not None and not any(column_names(part)):
            cure = " TABLESAMPLE SYSTEM (n) reads n percent of its pages instead." if name == "random" else ""
            return f"{name}() is volatile: computed anew for each row, so all of them are read.{cure}"
    return None


def _is_not_distinct(node: Node) -> bool:
    """EXPLAIN prints it as NOT (x IS DISTINCT FROM y)."""
    inner = node.args[0] if isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.NOT_EXPR else None
    return isinstance(inner, ast.A_Expr) and inner.kind == enums.A_Expr_Kind.AEXPR_DISTINCT


def _collated(node: Node) -> str | None:
    if not isinstance(node, ast.A_Expr) or node.kind not in SEARCHED or operator_name(node) not in ORDERED:
        return None
    sides = [node.lexpr, node.rexpr]
    collated = next((n for side in sides for n in _walked(side) if isinstance(n, ast.CollateClause)), None)
    own = [s for side in sides if isinstance(side, ast.Node) and isinstance(s := without_casts(side), ast.ColumnRef)]
    if collated is None or not own:
        return None
    name, collation = (quote_identifier(name_parts(each)[-1]) for each in (own[0].fields, collated.collname))
    return (
        f"It compares {name} in collation {collation}, and no index in another one serves that. An index on ({name}"
        f" COLLATE {collation}) does."
    )


def _compared(node: Node, table: TableFacts, written: set[str]) -> str | None:
    sides = [node.lexpr, node.rexpr]
    volatile = [function_name(n) for s in sides for n in _walked(s) if isinstance(n, ast.FuncCall)]
    volatile = [name for name in volatile if name in VOLATILE]
    columns = list(dict.fromkeys(name for side in sides for name in _names(side)))
    if volatile and columns:
        return (
            f"It compares {columns[0]} with {volatile[0]}(), which is volatile: computed anew for each row, so no index"
            f" can be searched for it. As (SELECT {volatile[0]}()) it is computed once."
        )
    operator = operator_name(node)
    for side in sides if operator not in ("<>", "!=") else ():
        if not isinstance(side, ast.TypeCast) or not isinstance(side.arg, ast.ColumnRef):
            continue
        name = getattr(side.arg.fields[-1], "sval", "")
        column = table.column(name)
        to = name_parts(side.typeName.names)[-1]
        if column is None or name in written:
            continue
        if to not in ("text", "varchar", "bpchar") or kind_of(IndexColumn(name), column) != "text":
            plain = declared(column).partition("(")[0]  # a cast to numeric(8,2) would round
            instead = f"Send the value as {plain}, or write it ::{plain}."
            if plain in WHOLE:
                instead += (
                    " One with a fraction, which that would round, equals none."
                    if operator == "="
                    else (
                        f" Of one with a fraction, which that would round, send floor() for {name} > or <=, ceil() for"
                        f" {name} < or >=."
                    )
                )
            return (
                f"The value that {name} is compared with is of type {to}, so the server casts {name}"
                f" ({declared(column)}) for each row, and an index on it cannot serve that. {instead}"
            )
    return None


def over_tables(plan: Mapping[str, Any]) -> str | None:
    """An OR between conditions of several tables can only be looked at when the rows are joined."""
    for node in nodes(plan):
        for key in ("Join Filter", "Filter"):
            condition = parsed_condition(str(node.get(key, "")))
            if condition is None:
                continue
            for part in walk(condition):
                if not isinstance(part, ast.BoolExpr) or part.boolop != enums.BoolExprType.OR_EXPR:
                    continue
                aliases = [set(aliases_in(arm)) for arm in part.args]
                distinct = set().union(*aliases)
                if len(distinct) > 1 and any(one != distinct for one in aliases):
                    return (
                        f"Its OR joins conditions on {some_of(sorted(distinct))}: until the rows are joined none of"
                        " them can leave any out, whatever indexes there are. One query for each side of the OR,"
                        " joined by UNION, lets each use its own."
                    )
                if any(map(_asks_subquery, part.args)) and not all(map(_asks_subquery, part.args)):
                    return (
                        "Its OR joins a condition with a subquery, which is looked up for each row. One query for each"
                        " side of the OR, joined by UNION, lets each use an index."
                    )
    return None


def _asks_subquery(arm: Node) -> bool:
    """Whether a subquery must be true for it; of one under NOT no index finds the rows, alone either."""
    if isinstance(arm, ast.BoolExpr) and arm.boolop == enums.BoolExprType.NOT_EXPR:
        return False
    if isinstance(arm, ast.BoolExpr):
        return any(map(_asks_subquery, arm.args))
    return SUBPLAN in column_names(arm)


def _walked(node: Node | tuple[Node, ...] | None) -> Iterator[Node]:
    return walk(node) if node is not None else iter(())


def _names(node: Node | tuple[Node, ...] | None) -> Iterator[str]:
    return column_names(node) if node is not None else iter(())
