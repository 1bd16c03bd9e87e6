"""Which share of its table's rows an UPDATE or DELETE changes: all of them, or as ANALYZE's statistics tell."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from pglast import ast, enums

from analyzer.review.actions import Action, Kind
from analyzer.review.known import Known, column_of
from analyzer.review.resting import is_key
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.statements.tree import Node, conjuncts, operator_name, without_casts
from analyzer.values.selectivity import equality_selectivity

EXPRESSION = enums.A_Expr_Kind
BATCH_ROWS = 10_000  # as many as a batch of ours changes: what a condition on few rows keeps at most


@dataclass(frozen=True, slots=True)
class Share:
    """``most``: of the rows, 0 to 1; that many where ``is_known``, else perhaps fewer."""

    most: float
    is_known: bool


def changes_all_rows(action: Action, known: Known) -> bool:
    """Without WHERE, or where a column that this migration adds without a value is still NULL: a backfill."""
    if action.kind not in (Kind.UPDATE, Kind.DELETE) or action.relation is None:
        return False
    if not action.has_where:
        return True
    where = action.node.whereClause
    if _joins(action.node):
        return False
    if is_always_true(where):
        return True
    column = _tested(where, enums.NullTestType.IS_NULL)
    return column is not None and known.column(action.relation, column).is_unfilled


def is_always_true(condition: Node) -> bool:
    """``true``, ``1 = 1``."""
    if isinstance(condition, ast.A_Expr) and condition.kind == EXPRESSION.AEXPR_OP and operator_name(condition) == "=":
        left, right = condition.lexpr, condition.rexpr
        return isinstance(left, ast.A_Const) and isinstance(right, ast.A_Const) and left.val == right.val is not None
    return isinstance(condition, ast.A_Const) and getattr(condition.val, "boolval", None) is True


def share_changed(action: Action, known: Known, column: Callable[[str], ColumnFacts | None]) -> Share | None:
    """None of what is no UPDATE or DELETE. ``column``: its facts where they still hold at the statement."""
    if action.kind not in (Kind.UPDATE, Kind.DELETE) or action.relation is None:
        return None
    if changes_all_rows(action, known):
        return Share(1.0, True)
    table = known.table(action.relation)
    parts = [part for part in conjuncts(action.node.whereClause) if not is_always_true(part)]
    if table is None or _joins(action.node):
        return Share(1.0, False)
    if any(_is_batch(part) for part in parts) or _is_within_bounds(parts) or _names_a_key(parts, table):
        return Share(0.0, False)
    shares = [_share(part, column) for part in parts]
    told = [share for share in shares if share is not None]
    return Share(prod(told), True) if len(told) == len(parts) else Share(min(told, default=1.0), False)


def _joins(node: Node) -> bool:
    return bool(getattr(node, "fromClause", None) or getattr(node, "usingClause", None))


def _share(part: Node, column: Callable[[str], ColumnFacts | None]) -> float | None:
    for test in (enums.NullTestType.IS_NULL, enums.NullTestType.IS_NOT_NULL):
        facts = column(name) if (name := _tested(part, test)) is not None else None
        if facts is not None and (facts.not_null or facts.null_frac is not None):
            nulls = 0.0 if facts.not_null else facts.null_frac or 0.0
            return nulls if test == enums.NullTestType.IS_NULL else 1 - nulls
    name = _equal_to_constants(part)
    facts = column(name) if name is not None else None
    one = equality_selectivity(facts) if facts is not None else None
    if facts is None or one is None:
        return None
    values = len(part.rexpr) if isinstance(part.rexpr, tuple) else 1
    is_few = one * values * facts.table_rows <= BATCH_ROWS
    return 0.0 if is_few else None  # which of the many values is asked for nobody knows


def _tested(part: Node, test: enums.NullTestType) -> str | None:
    return column_of(part.arg) if isinstance(part, ast.NullTest) and part.nulltesttype == test else None


def _equal_to_constants(part: Node) -> str | None:
    """The column of ``c = 5`` and of ``c IN (5, 6)``."""
    if not isinstance(part, ast.A_Expr) or part.kind not in (EXPRESSION.AEXPR_OP, EXPRESSION.AEXPR_IN):
        return None
    values = part.rexpr if isinstance(part.rexpr, tuple) else (part.rexpr,)
    is_constant = all(isinstance(without_casts(value), ast.A_Const) for value in values)
    return column_of(part.lexpr) if operator_name(part) == "=" and is_constant else None


def _names_a_key(parts: list[Node], table: TableFacts) -> bool:
    named = {name for part in parts if (name := _equal_to_constants(part)) is not None}
    return any(is_key(index) and named.issuperset(index.columns) for index in table.indexes)


def _is_batch(part: Node) -> bool:
    """BETWEEN, ctid, and rows that a subquery with LIMIT gives."""
    if isinstance(part, ast.SubLink):
        return getattr(part.subselect, "limitCount", None) is not None
    if not isinstance(part, ast.A_Expr):
        return False
    if isinstance(part.rexpr, ast.SubLink) and _is_batch(part.rexpr):
        return True
    return part.kind == EXPRESSION.AEXPR_BETWEEN or column_of(part.lexpr) == "ctid"


def _is_within_bounds(parts: list[Node]) -> bool:
    """Whether a column has a bound below and one above."""
    below, above = set(), set()
    for part in parts:
        if isinstance(part, ast.A_Expr) and (name := column_of(part.lexpr)) is not None:
            below |= {name} if operator_name(part) in (">", ">=") else set()
            above |= {name} if operator_name(part) in ("<", "<=") else set()
    return bool(below & above)
