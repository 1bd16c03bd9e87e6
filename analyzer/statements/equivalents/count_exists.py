"""``(SELECT count(*) ...) > 0`` as ``EXISTS (SELECT 1 ...)``, which ends at the first row; ``= 0`` as NOT EXISTS.

The same always: count(*) without GROUP BY gives one row and no NULL. Subqueries that call functions which may have
effects are left alone: they would be called for fewer rows. Whether a parameter is the number that makes it this
question only its giver knows.
"""

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.build import integer_constant, one
from analyzer.statements.equivalents.calls import own_name, unsteady_call
from analyzer.statements.equivalents.comparisons import Compared, readings
from analyzer.statements.equivalents.notes import ANY_ROW, NO_ROW, Notes
from analyzer.statements.equivalents.scopes import is_plain, tables_of

# operator behind the count -> the number with which it asks whether there is a row
NUMBERS = {">": 0, ">=": 1, "<>": 0, "=": 0, "<": 1, "<=": 0}
MEANS = {(operator, number): operator in (">", ">=", "<>") for operator, number in NUMBERS.items()}


def count_to_exists(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes those of its WHERE that AND, OR and NOT join; whether there was one."""
    where = _replaced(select.whereClause, facts, notes)
    if where is None:
        return False
    select.whereClause = where
    return True


def _replaced(node: ast.Node | None, facts: SchemaFacts, notes: Notes) -> ast.Node | None:
    """The node as it is to be; None where nothing changes."""
    if isinstance(node, ast.BoolExpr):
        changed = [_replaced(arg, facts, notes) for arg in node.args]
        if not any(arg is not None for arg in changed):
            return None
        node.args = tuple(new if new is not None else old for new, old in zip(changed, node.args, strict=True))
        return node
    for compared in readings(node):
        exists = _means(compared)
        if exists is None or not isinstance(compared.left, ast.SubLink) or not _counts(compared.left, facts, notes):
            continue
        if isinstance(compared.value, ast.ParamRef):
            notes.need(f"the statement's ${compared.value.number} is {NUMBERS[compared.operator]}")
        link = compared.left
        link.subselect.targetList, link.subselect.sortClause = one(), None
        link.subLinkType = enums.SubLinkType.EXISTS_SUBLINK
        notes.form(ANY_ROW if exists else NO_ROW)
        return link if exists else ast.BoolExpr(boolop=enums.BoolExprType.NOT_EXPR, args=(link,))
    return None


def _means(compared: Compared) -> bool | None:
    """Whether it asks for a row or for none; None for neither. Of a parameter the one number that would."""
    if isinstance(compared.value, ast.ParamRef):
        return MEANS.get((compared.operator, NUMBERS.get(compared.operator, -1)))
    number = integer_constant(compared.value)
    return None if number is None else MEANS.get((compared.operator, number))


def _counts(link: ast.SubLink, facts: SchemaFacts, notes: Notes) -> bool:
    select = link.subselect
    targets: list[ast.ResTarget] = list(select.targetList or ())
    if link.subLinkType != enums.SubLinkType.EXPR_SUBLINK or not is_plain(select) or select.distinctClause:
        return False
    call = targets[0].val if len(targets) == 1 else None
    if not isinstance(call, ast.FuncCall) or own_name(call) != "count" or not call.agg_star:
        return False
    if call.agg_filter or call.over or tables_of(select, facts) is None:
        return False
    if (name := unsteady_call((*select.fromClause, select.whereClause), facts)) is not None:
        return notes.refuse(f"the subquery calls {name}(), which may have effects")
    return True
