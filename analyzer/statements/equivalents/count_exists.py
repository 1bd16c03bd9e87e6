"""``(SELECT count(*) ...) > 0`` as ``EXISTS (SELECT 1 ...)``, which ends at the first row; ``= 0`` as NOT EXISTS.

The same always: count(*) without GROUP BY gives one row and no NULL. Subqueries that call functions are left alone: one
may have effects, and would be called for fewer rows.
"""

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.scopes import is_plain, one, tables_of
from analyzer.statements.tree import function_name, operator_name, walk

# operator and number behind the count -> whether there is a row
MEANS = {(">", 0): True, (">=", 1): True, ("<>", 0): True, ("=", 0): False, ("<", 1): False, ("<=", 0): False}
TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}


def count_to_exists(select: ast.SelectStmt, facts: SchemaFacts) -> bool:
    """Changes those of its WHERE that AND, OR and NOT join; whether there was one."""
    where = _replaced(select.whereClause, facts)
    if where is None:
        return False
    select.whereClause = where
    return True


def _replaced(node: ast.Node | None, facts: SchemaFacts) -> ast.Node | None:
    """The node as it is to be; None where nothing changes."""
    if isinstance(node, ast.BoolExpr):
        changed = [_replaced(arg, facts) for arg in node.args]
        if not any(arg is not None for arg in changed):
            return None
        node.args = tuple(new if new is not None else old for new, old in zip(changed, node.args, strict=True))
        return node
    if not isinstance(node, ast.A_Expr) or node.kind != enums.A_Expr_Kind.AEXPR_OP:
        return None
    operator, link, number = operator_name(node), node.lexpr, node.rexpr
    if isinstance(number, ast.SubLink):
        operator, link, number = TURNED.get(operator, ""), number, link
    exists = MEANS.get((operator, _integer(number)))
    if exists is None or not isinstance(link, ast.SubLink) or not _counts(link, facts):
        return None
    link.subselect.targetList, link.subselect.sortClause = one(), None
    link.subLinkType = enums.SubLinkType.EXISTS_SUBLINK
    return link if exists else ast.BoolExpr(boolop=enums.BoolExprType.NOT_EXPR, args=(link,))


def _integer(node: ast.Node | None) -> int:
    """-1 for what is no constant."""
    if isinstance(node, ast.A_Const) and not node.isnull and isinstance(node.val, ast.Integer):
        return node.val.ival or 0
    return -1


def _counts(link: ast.SubLink, facts: SchemaFacts) -> bool:
    select = link.subselect
    targets: list[ast.ResTarget] = list(select.targetList or ())
    if link.subLinkType != enums.SubLinkType.EXPR_SUBLINK or not is_plain(select) or select.distinctClause:
        return False
    call = targets[0].val if len(targets) == 1 else None
    if not isinstance(call, ast.FuncCall) or function_name(call) != "count" or not call.agg_star:
        return False
    if call.agg_filter or call.over or tables_of(select, facts) is None:
        return False
    return not any(isinstance(node, ast.FuncCall) for node in walk((*select.fromClause, *_present(select.whereClause))))


def _present(node: ast.Node | None) -> tuple[ast.Node, ...]:
    return () if node is None else (node,)
