"""``WHERE a = 1 OR b = 2`` as two queries joined by UNION ALL, of which the second leaves out what the first found.

``(a = 1) IS NOT TRUE`` keeps the rows of which it is false or NULL, so each row comes as often as it did, with or
without a key. Each query can then use an index, or a table's, of its own.
"""

from copy import deepcopy

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.build import all_of, any_of, conjuncts, disjuncts
from analyzer.statements.equivalents.calls import unsteady_call
from analyzer.statements.equivalents.notes import Notes
from analyzer.statements.equivalents.output import sorted_by_output
from analyzer.statements.equivalents.scopes import own_nodes, tables_of
from analyzer.statements.select_list import is_aggregate
from analyzer.statements.tree import Node, column_names, walk

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
    rest = [part for part in parts if part is not chosen]
    queries = [_query(select, [*rest, arm], arms[:number]) for number, arm in enumerate(arms)]
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


def _query(select: ast.SelectStmt, conditions: list[Node], found_before: list[Node]) -> ast.SelectStmt:
    query = deepcopy(select)
    query.sortClause = query.limitCount = query.limitOffset = None
    query.limitOption = enums.LimitOption.LIMIT_OPTION_DEFAULT
    before = any_of(found_before)
    left_out = [] if before is None else [ast.BooleanTest(arg=before, booltesttype=enums.BoolTestType.IS_NOT_TRUE)]
    query.whereClause = deepcopy(all_of([*conditions, *left_out]))
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
