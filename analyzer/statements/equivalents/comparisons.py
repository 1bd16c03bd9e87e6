"""Comparisons of something with a value, whichever side it stands on, and as ranges."""

from dataclasses import dataclass

from pglast import ast, enums

from analyzer.statements.equivalents.build import all_of, any_of, operation
from analyzer.statements.tree import Node, operator_name

TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}


@dataclass(frozen=True, slots=True)
class Compared:
    """``operator`` with the left side first; of BETWEEN ``value`` and ``last``, of IN ``value`` and ``others``."""

    operator: str
    left: Node
    value: Node
    last: Node | None = None
    others: tuple[Node, ...] = ()

    @property
    def values(self) -> tuple[Node, ...]:
        return (self.value, *self.others) if self.last is None else (self.value, self.last)


def readings(node: Node | None) -> tuple[Compared, ...]:
    """How a comparison can be read, from its left side and from its right; () for anything else."""
    if not isinstance(node, ast.A_Expr) or node.lexpr is None or len(node.name) != 1:
        return ()
    if node.kind == enums.A_Expr_Kind.AEXPR_BETWEEN:
        return (Compared("BETWEEN", node.lexpr, *node.rexpr),)
    operator = operator_name(node)
    if node.kind == enums.A_Expr_Kind.AEXPR_IN and operator == "=":
        return (Compared("IN", node.lexpr, node.rexpr[0], others=tuple(node.rexpr[1:])),)
    if node.kind != enums.A_Expr_Kind.AEXPR_OP or operator not in TURNED:
        return ()
    return (
        Compared(operator, node.lexpr, node.rexpr),
        Compared(TURNED[operator], node.rexpr, node.lexpr),
    )


def as_range(compared: Compared, column: Node, starts: list[Node], ends: list[Node]) -> Node | None:
    """The condition of the bare column, where each value stands for all from its start to before its end."""
    if compared.operator == "IN":
        pairs = zip(starts, ends, strict=True)
        return any_of(all_of([operation(">=", column, start), operation("<", column, end)]) for start, end in pairs)
    bounds = {
        "=": ((">=", starts[0]), ("<", ends[0])),
        "BETWEEN": ((">=", starts[0]), ("<", ends[-1])),
        "<": (("<", starts[0]),),
        ">=": ((">=", starts[0]),),
        "<=": (("<", ends[0]),),
        ">": ((">=", ends[0]),),
    }.get(compared.operator)
    return None if bounds is None else all_of(operation(operator, column, bound) for operator, bound in bounds)
