"""``WHERE a = 1 OR b = 2`` as two queries joined by UNION ALL, of which the second leaves out what the first found.

``(a = 1) IS NOT TRUE`` keeps the rows of which it is false or NULL, so each row comes as often as it did, with or
without a key. Each query can then use an index, or a table's, of its own.
"""

from copy import deepcopy

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.build import all_of, any_of
from analyzer.statements.equivalents.calls import own_name, parameters, unsteady_call
from analyzer.statements.equivalents.notes import NO_TIES_AT_LIMIT, Notes
from analyzer.statements.equivalents.output import has_no_ties, sorted_by_output
from analyzer.statements.equivalents.scopes import own_nodes, tables_of
from analyzer.statements.select_list import is_aggregate
from analyzer.statements.tree import Node, column_names, conjuncts, disjuncts, operator_name, walk

COMPUTING = frozenset("+-*/%^")
REGULAR = frozenset({"~", "~*", "!~", "!~*"})
MATCHING = frozenset({
    enums.A_Expr_Kind.AEXPR_LIKE, enums.A_Expr_Kind.AEXPR_ILIKE, enums.A_Expr_Kind.AEXPR_SIMILAR,
})  # fmt: skip
HARMLESS = frozenset({"btrim", "char_length", "length", "lower", "ltrim", "octet_length", "rtrim", "upper"})
MOST_ARMS = 4  # judgement: each reads the tables anew


def or_to_union(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes the SELECT itself, into the UNION ALL; whether it has such an OR."""
    parts = conjuncts(select.whereClause)
    found = next(((part, arms) for part in parts if (arms := _arms(part)) is not None), None)
    if found is None:
        return False
    if (reason := _obstacle(select, facts)) is not None:
        return notes.refuse(reason)
    chosen, arms = found
    select.sortClause = sorted_by_output(select, facts)
    at = next(number for number, part in enumerate(parts) if part is chosen)
    rest = [*parts[:at], *parts[at + 1 :]]
    if any(may_raise(node) for node in walk(tuple(arms))):
        return notes.refuse("an arm computes what may fail for rows that the arm before it found")
    if (set(parameters(tuple(arms[1:]))) - set(parameters(arms[0]))) & set(parameters(tuple(rest))):
        return notes.refuse("a parameter stands in several conditions: in another order its type may become another")
    if (select.limitCount or select.limitOffset) and not has_no_ties(select, facts):
        notes.need(NO_TIES_AT_LIMIT)
    queries = [_query(select, parts[:at], arms[: number + 1], parts[at + 1 :]) for number in range(len(arms))]
    union = queries[0]
    for query in queries[1:]:
        union = ast.SelectStmt(
            op=enums.SetOperation.SETOP_UNION, all=True, larg=union, rarg=query,
            limitOption=enums.LimitOption.LIMIT_OPTION_DEFAULT,
        )  # fmt: skip
    for name in select.__slots__:
        if name not in ("sortClause", "limitCount", "limitOffset", "limitOption"):
            setattr(select, name, getattr(union, name))
    return True


def may_raise(node: Node) -> bool:
    """What is computed of a row's values, or a subquery that has to give one row: neither is sure to go well."""
    if isinstance(node, ast.SubLink):
        return bool(node.subLinkType == enums.SubLinkType.EXPR_SUBLINK)
    if not any(isinstance(below, ast.ColumnRef) for below in walk(node)):
        return False
    if isinstance(node, ast.A_Expr):
        if node.kind in MATCHING or operator_name(node) in REGULAR:  # a row's own pattern may be none
            return any(isinstance(below, ast.ColumnRef) for below in walk(node.rexpr))
        return node.kind == enums.A_Expr_Kind.AEXPR_OP and operator_name(node) in COMPUTING
    if isinstance(node, ast.FuncCall):
        return own_name(node) not in HARMLESS
    return isinstance(node, ast.TypeCast)


def _query(select: ast.SelectStmt, before: list[Node], arms: list[Node], behind: list[Node]) -> ast.SelectStmt:
    """With the last of the arms in place of the OR, and without what those before it find."""
    query = deepcopy(select)
    query.sortClause = query.limitCount = query.limitOffset = None
    query.limitOption = enums.LimitOption.LIMIT_OPTION_DEFAULT
    found = any_of(arms[:-1])
    left_out = [] if found is None else [ast.BooleanTest(arg=found, booltesttype=enums.BoolTestType.IS_NOT_TRUE)]
    query.whereClause = deepcopy(all_of([*before, arms[-1], *left_out, *behind]))
    return query


def _arms(condition: Node) -> list[Node] | None:
    """Of an OR whose arms ask for other columns: of the same one a list says it, and one index serves it."""
    arms = disjuncts(condition)
    if not 2 <= len(arms) <= MOST_ARMS:
        return None
    columns = [frozenset(column_names(arm)) for arm in arms]
    return None if frozenset.intersection(*columns) or not all(columns) else arms


def _obstacle(select: ast.SelectStmt, facts: SchemaFacts) -> str | None:
    if select.lockingClause or select.intoClause or select.valuesLists or select.larg or select.withClause:
        return "it locks the rows, has a WITH query, or is no single one"
    if select.distinctClause or select.groupClause or select.havingClause or select.windowClause:
        return "its rows are grouped or made distinct behind the OR"
    if tables_of(select, facts, outer_joins=True) is None:
        return "it reads something else than plain tables"
    calls = [n for target in select.targetList or () for n in own_nodes(target) if isinstance(n, ast.FuncCall)]
    if any(call.over or is_aggregate(call) for call in calls):
        return "an aggregate or a window function is computed over all its rows"
    if (name := unsteady_call((*(select.targetList or ()), *select.fromClause, select.whereClause), facts)) is not None:
        return f"it calls {name}(), which may give something else each time"
    if select.limitCount and not select.sortClause:
        return "LIMIT without ORDER BY takes any rows"
    if any(isinstance(node, ast.SubLink) for node in walk((*(select.targetList or ()), *select.fromClause))):
        return "a subquery of its output would be written twice"
    return None if sorted_by_output(select, facts) is not None else "it sorts by something that is not in its output"
