"""How long ago: ``at > now() - interval $1``, ``born >= current_date - $1``."""

from pglast import ast, enums

from analyzer.statements.tree import Node, function_name, operator_name, without_casts

NOW = ("now", "statement_timestamp", "transaction_timestamp", "clock_timestamp")


def ago_parameter(node: Node) -> int | None:
    """The parameter that is taken off the present moment; a number of days where the moment is a date."""
    node = without_casts(node)
    if not isinstance(node, ast.A_Expr) or node.kind != enums.A_Expr_Kind.AEXPR_OP or operator_name(node) != "-":
        return None
    moment = without_casts(node.lexpr) if node.lexpr is not None else None
    is_now = isinstance(moment, ast.SQLValueFunction) or (
        isinstance(moment, ast.FuncCall) and function_name(moment) in NOW
    )
    taken_off = without_casts(node.rexpr)
    return taken_off.number if is_now and isinstance(taken_off, ast.ParamRef) else None
