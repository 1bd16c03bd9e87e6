"""Constants put back in the place of parameters that say how large a result becomes."""

from collections.abc import Sequence
from dataclasses import dataclass

from pglast import ast

from analyzer.statements.sampled_literals import literals
from analyzer.statements.tree import Unparsable, function_name, parse, walk, without_casts

SMALL_SIZE = 8  # judgement: what ids and amounts are padded to
MOST_SIZE = 100  # of a size that a real run shows; the gate has a limit of its own
SIZE_ARGUMENT = {"lpad": 1, "rpad": 1, "repeat": 1}  # by position


@dataclass(frozen=True, slots=True)
class Rewrite:
    """``kind``: list, array, typed_literal, type, extract, group_by_twin, size, format, limit.

    ``parameters`` are numbers of the original text.
    """

    kind: str
    parameters: tuple[int, ...]


def size_constants(sql: str, samples: Sequence[str], rewrites: list[Rewrite]) -> dict[int, str]:
    """Parameter -> constant, of lpad(x, $1), repeat(x, $1) and format($1, ...).

    The planner works such calls out, so the gate wants to see how large they become; a real run shows it, and else it
    is taken to be small, as it mostly is.
    """
    statements = parse(sql)
    sizes: dict[int, str] = {}
    formats: dict[int, str] = {}
    for node in walk(None if isinstance(statements, Unparsable) else statements):
        if not isinstance(node, ast.FuncCall) or not node.args:
            continue
        name = function_name(node)
        at = 0 if name == "format" else SIZE_ARGUMENT.get(name, len(node.args))
        inner = without_casts(node.args[at]) if at < len(node.args) else None
        if not isinstance(inner, ast.ParamRef):
            continue
        if name == "format":
            text = _sampled_text(sql, samples, inner.number) or " ".join(["%s"] * (len(node.args) - 1))
            formats[inner.number] = "'" + text.replace("'", "''") + "'"
        else:
            sizes[inner.number] = str(_sampled_size(sql, samples, inner.number) or SMALL_SIZE)
            padding = without_casts(node.args[2]) if len(node.args) > 2 else None
            if isinstance(padding, ast.ParamRef):
                sizes[padding.number] = "' '"
    rewrites += [Rewrite(kind, tuple(sorted(f))) for kind, f in (("size", sizes), ("format", formats)) if f]
    return sizes | formats


def _sampled_size(sql: str, samples: Sequence[str], number: int) -> int | None:
    for sample in samples:
        constant = literals(sql, sample).get(number)
        if constant is not None and isinstance(constant.val, ast.Integer) and 0 <= constant.val.ival <= MOST_SIZE:
            size: int = constant.val.ival
            return size
    return None


def _sampled_text(sql: str, samples: Sequence[str], number: int) -> str | None:
    """Without widths, which may be large, and without backslashes, which strings of some servers read otherwise."""
    for sample in samples:
        constant = literals(sql, sample).get(number)
        if constant is not None and isinstance(constant.val, ast.String):
            text: str = constant.val.sval
            if not any(c in text for c in "*\\0123456789"):
                return text
    return None
