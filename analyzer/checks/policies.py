"""What the conditions of row security policies ask for each row. Conditions are pg_get_expr's text."""

from collections.abc import Iterator

from pglast import ast
from pglast.enums import A_Expr_Kind

from analyzer.schema.facts import SchemaFacts
from analyzer.schema.row_security import PolicyFacts
from analyzer.statements.tree import (
    Node,
    Unparsable,
    children,
    column_names,
    conjuncts,
    function_name,
    name_parts,
    operator_name,
    single_statement,
    without_casts,
)

READ_SETTING = "current_setting"
OF_SUPABASE = "auth"  # its schema of uid(), jwt(), role()


def conditions(policy: PolicyFacts) -> list[Node]:
    """Its USING and WITH CHECK as trees; those that cannot be read are left out."""
    trees = []
    for text in (policy.using, policy.check):
        statement = single_statement(f"SELECT WHERE {text}") if text else None
        if statement is not None and not isinstance(statement, Unparsable) and isinstance(statement, ast.SelectStmt):
            trees.append(statement.whereClause)
    return trees


def functions_per_row(policy: PolicyFacts, facts: SchemaFacts) -> list[str]:
    """Functions that a condition calls for each row and that give the same for all of them.

    Those of a sub-select that does not depend on the row run once; an immutable one was computed beforehand.
    """
    changing = {(f.schema, f.name) for f in facts.functions or () if f.volatility != "i"}
    bare = {name for _, name in changing}
    calls: dict[str, None] = {}
    for tree in conditions(policy):
        for call in _calls_outside_selects(tree):
            parts = name_parts(call.funcname)
            is_known = parts[-2:] in changing if len(parts) > 1 else function_name(call) in bare
            is_ours = function_name(call) == READ_SETTING or is_known or parts[:-1] == (OF_SUPABASE,)
            if is_ours and not any(column_names(call.args)):
                calls[".".join(parts)] = None
    return list(calls)


def _calls_outside_selects(root: Node) -> Iterator[Node]:
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.SubLink):
            continue
        if isinstance(node, ast.FuncCall):
            yield node
        stack.extend(reversed(list(children(node))))


def equal_columns(policy: PolicyFacts) -> list[str]:
    """Columns of the table that a row has to have a given value in to pass, by USING."""
    if policy.using is None:
        return []
    statement = single_statement(f"SELECT WHERE {policy.using}")
    if isinstance(statement, Unparsable) or not isinstance(statement, ast.SelectStmt):
        return []
    return [name for part in conjuncts(statement.whereClause) if (name := _compared_column(part)) is not None]


def _compared_column(part: Node) -> str | None:
    kinds = (A_Expr_Kind.AEXPR_OP, A_Expr_Kind.AEXPR_OP_ANY, A_Expr_Kind.AEXPR_IN)
    if not isinstance(part, ast.A_Expr) or part.kind not in kinds or operator_name(part) != "=":
        return None
    left, right = part.lexpr, part.rexpr
    for side, other in ((left, right), (right, left)):
        column = without_casts(side) if isinstance(side, ast.Node) else None
        if isinstance(column, ast.ColumnRef) and len(column.fields) == 1 and isinstance(column.fields[0], ast.String):
            others = other if isinstance(other, tuple) else (other,)
            if not any(isinstance(node, ast.ColumnRef) for node in _outside_selects(others)):
                return str(column.fields[0].sval)
    return None


def _outside_selects(roots: tuple[Node, ...]) -> Iterator[Node]:
    stack = list(roots)
    while stack:
        node = stack.pop()
        if not isinstance(node, ast.SubLink):
            yield node
            stack.extend(children(node))
