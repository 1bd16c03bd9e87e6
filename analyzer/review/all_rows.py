"""Whether an UPDATE or DELETE changes every row of its table."""

from pglast import ast, enums

from analyzer.review.actions import Action, Kind
from analyzer.review.known import Known, column_of


def changes_all_rows(action: Action, known: Known) -> bool:
    """Without WHERE, or where a column that this migration adds without a value is still NULL: a backfill."""
    if action.kind not in (Kind.UPDATE, Kind.DELETE) or action.relation is None:
        return False
    if not action.has_where:
        return True
    where = action.node.whereClause
    if getattr(action.node, "fromClause", None) or not isinstance(where, ast.NullTest):
        return False
    column = column_of(where.arg)
    is_null = where.nulltesttype == enums.NullTestType.IS_NULL and column is not None
    return is_null and column is not None and known.column(action.relation, column).is_unfilled
