"""Names that PostgreSQL gives where a migration leaves them out: so that the safe sequence ends with the same schema.

Source: ChooseConstraintName(), ChooseIndexName() and makeObjectName() in indexcmds.c, FigureIndexColname() in
parse_target.c.
"""

from collections.abc import Sequence
from itertools import count

from pglast import ast, enums

from analyzer.schema.quoting import MAX_NAME_BYTES, cut_name
from analyzer.statements.tree import Node, function_name, name_parts

NULLIF = enums.A_Expr_Kind.AEXPR_NULLIF


def object_name(first: str, second: str, label: str) -> str:
    """``first_second_label``, the longer of the first two cut until it fits."""
    parts = [first.encode(), second.encode()]
    over = len(label.encode()) + 1 + (1 if second else 0)
    while len(parts[0]) + len(parts[1]) + over > MAX_NAME_BYTES:
        longer = 0 if len(parts[0]) > len(parts[1]) else 1
        parts[longer] = parts[longer][:-1]
    texts = [part.decode(errors="ignore") for part in parts]
    return "_".join(text for text in (*texts, label) if text)


def constraint_name(table: str, columns: Sequence[str], label: str) -> str:
    """``label``: fkey, check, key."""
    return object_name(table, _columns(columns), label)


def index_name(table: str, columns: Sequence[str]) -> str:
    return object_name(table, _columns(columns), "idx")


def index_columns(statement: Node) -> tuple[str, ...]:
    """What the name of CREATE INDEX is made of: its columns, those of INCLUDE too, and words for its expressions."""
    names: list[str] = []
    for element in (*(statement.indexParams or ()), *(statement.indexIncludingParams or ())):
        name = element.name or _of_expression(element.expr) or "expr"
        numbered = (f"{name}{number}" for number in count(1))
        names.append(name if name not in names else next(each for each in numbered if each not in names))
    return tuple(names)


def _of_expression(node: Node) -> str:
    """Of a cast its type, where what is cast has no name."""
    if isinstance(node, ast.FuncCall):
        return function_name(node)
    if isinstance(node, ast.ColumnRef):
        return name_parts(node.fields)[-1]
    if isinstance(node, ast.CollateClause):
        return _of_expression(node.arg)
    if isinstance(node, ast.TypeCast):
        return _of_expression(node.arg) or name_parts(node.typeName.names)[-1]
    if isinstance(node, ast.A_Expr) and node.kind == NULLIF:
        return "nullif"
    if isinstance(node, ast.MinMaxExpr):
        return "greatest" if node.op == enums.MinMaxOp.IS_GREATEST else "least"
    return "coalesce" if isinstance(node, ast.CoalesceExpr) else "case" if isinstance(node, ast.CaseExpr) else ""


def _columns(columns: Sequence[str]) -> str:
    text = ""
    for column in columns:
        text = f"{text}_{column}" if text else column
        if len(text.encode()) >= MAX_NAME_BYTES:
            break
    return cut_name(text)
