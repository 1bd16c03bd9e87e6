"""``x NOT IN (SELECT y ...)`` as ``NOT EXISTS (SELECT 1 ... WHERE x = y)``, which PostgreSQL joins.

The same where neither x nor y can be NULL: a NULL among the y makes NOT IN true of no row, a NULL x is in no list of
anything, while NOT EXISTS keeps both.
"""

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.equivalents.build import one
from analyzer.statements.equivalents.calls import unsteady_call
from analyzer.statements.equivalents.notes import Notes
from analyzer.statements.equivalents.scopes import is_never_null, is_plain, own_nodes, owner, qualified, tables_of


def not_in_to_not_exists(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes those of its WHERE; whether there was one."""
    negated = [
        link
        for node in own_nodes(select.whereClause)
        if isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.NOT_EXPR
        for link in node.args
        if isinstance(link, ast.SubLink) and link.subLinkType == enums.SubLinkType.ANY_SUBLINK and not link.operName
    ]
    changed = [_change(link, select, facts, notes) for link in negated]
    return any(changed)


def _change(link: ast.SubLink, select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    inner = link.subselect
    targets: list[ast.ResTarget] = list(inner.targetList or ())
    is_distinct_on = any(expression is not None for expression in inner.distinctClause or ())
    if not is_plain(inner) or len(targets) != 1 or is_distinct_on:
        return notes.refuse("the list is limited or grouped")
    if (name := unsteady_call((*targets, *inner.fromClause, inner.whereClause), facts)) is not None:
        return notes.refuse(f"the list calls {name}(), which may give something else each time")
    outside, inside = tables_of(select, facts), tables_of(inner, facts)
    if outside is None or inside is None:
        return notes.refuse("it reads something else than plain tables, or joins some by an outer join")
    value, listed = owner(link.testexpr, outside), owner(targets[0].val, inside)
    if value is None or listed is None or value[0] in inside:
        return notes.refuse("what is compared is no plain column, or one by a name used inside")
    for column, tables in ((value, outside), (listed, inside)):
        if not is_never_null(column, tables, facts):
            return notes.refuse(f"{'.'.join(map(quote_identifier, column))} may be NULL")
    equal = ast.A_Expr(
        kind=enums.A_Expr_Kind.AEXPR_OP, name=(ast.String(sval="="),), lexpr=qualified(value), rexpr=qualified(listed)
    )
    condition = inner.whereClause
    if condition is not None:
        equal = ast.BoolExpr(boolop=enums.BoolExprType.AND_EXPR, args=(condition, equal))
    inner.targetList, inner.whereClause, inner.distinctClause, inner.sortClause = one(), equal, None, None
    link.subLinkType, link.testexpr = enums.SubLinkType.EXISTS_SUBLINK, None
    return True
