"""``x IN (SELECT DISTINCT y ...)`` without DISTINCT: a list answers the same however often it holds a value.

The planner cannot merge a subquery that says DISTINCT into the query around it. ORDER BY without LIMIT goes, too.
"""

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.calls import unsteady_call
from analyzer.statements.equivalents.notes import Notes
from analyzer.statements.equivalents.scopes import is_plain
from analyzer.statements.tree import walk

LISTS = (enums.SubLinkType.ANY_SUBLINK, enums.SubLinkType.ALL_SUBLINK, enums.SubLinkType.EXISTS_SUBLINK)


def distinct_to_plain_list(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes the lists of its conditions; whether there was one."""
    changed = False
    for node in walk(select.whereClause):
        if not isinstance(node, ast.SubLink) or node.subLinkType not in LISTS or not node.subselect.distinctClause:
            continue
        inner = node.subselect
        if not is_plain(inner) or any(expression is not None for expression in inner.distinctClause):
            notes.refuse("DISTINCT ON, LIMIT or a group decides which rows are in the list")
            continue
        if (name := unsteady_call((*inner.targetList, *inner.fromClause, inner.whereClause), facts)) is not None:
            notes.refuse(f"the list calls {name}(), which may give something else each time")
            continue
        if any(isinstance(below, ast.CollateClause) for below in walk(node.testexpr)):
            notes.refuse("it compares by another collation than that by which DISTINCT joins values")
            continue
        inner.distinctClause = inner.sortClause = None
        changed = True
    return changed
