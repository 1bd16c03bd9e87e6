"""How large a value can become: bytes and decimal digits, linear in the bytes of a column's value."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pglast import ast

from analyzer.statements.tree import Node, operator_name, without_casts

COLUMN_BYTES = 1_000.0  # judgement: ANALYZE keeps no longer values either (WIDTH_THRESHOLD, analyze.c)
CONSTANT_BYTES = 100_000.0  # of one folded value; judgement: as long as the longest text that is analysed
CONSTANTS_BYTES = 1_000_000.0  # of all folded values together
ROW_BYTES = 1_000_000.0  # of one value made of a row; judgement: repeat(), lpad() in applications make far less
# Multiplying numbers of 1,000 digits takes 0.1 ms, of 131,072 (numeric's most) a second: measured on 18
MOST_DIGITS = 1_000.0
NUMERIC_DIGITS = 131_072.0  # the manual, 8.1
COLUMN_DIGITS = 40.0
MOST_OPTIONS_BYTES = 10_000.0
# Measured on 18: planning takes about 1.2 kB a term, which is copied for each partition, and hears no cancel meanwhile
MOST_TERMS = 100_000.0
PARAMETER_SIZE = 20.0  # where a parameter is a size; the value that is sent is reckoned with again
UNKNOWN = math.inf

EXPONENT = re.compile(r"\de\+?(\d{1,9})", re.IGNORECASE)
NUMBER = re.compile(r"\s*[+-]?(\d[\d_]*)?(?:\.(\d*))?(?:e([+-]?\d{1,9}))?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Extent:
    """At most ``fixed_bytes + per_column x`` the bytes of a column's value; ``digits`` where it may be a number.

    ``is_constant``: no column takes part, so the planner works it out. ``terms``: of how many parts the expression is
    once the columns of views, subqueries and CTEs in it are written out, as the planner does.
    """

    fixed_bytes: float = 0.0
    per_column: float = 0.0
    digits: float = 0.0
    is_constant: bool = True
    terms: float = 1.0

    def bytes(self, column_bytes: float = COLUMN_BYTES) -> float:
        return self.fixed_bytes + (self.per_column * column_bytes if self.per_column else 0.0)

    def times(self, factor: float) -> "Extent":
        return Extent(
            product(self.fixed_bytes, factor), product(self.per_column, factor), self.digits, self.is_constant
        )

    def of_size(self, size_bytes: float) -> "Extent":
        return Extent(size_bytes, 0.0, min(self.digits, COLUMN_DIGITS), self.is_constant)

    def with_digits(self, digits: float) -> "Extent":
        return Extent(self.fixed_bytes, self.per_column, digits, self.is_constant)


COLUMN = Extent(0.0, 1.0, COLUMN_DIGITS, is_constant=False)


def product(a: float, b: float) -> float:
    return 0.0 if not a or not b else a * b


def scaled(value: Extent, factor: float) -> tuple[float, float]:
    return product(value.fixed_bytes, factor), product(value.per_column, factor)


def multiplied(a: Extent, b: Extent) -> Extent:
    """Every byte of the one becomes the other."""
    per_column = product(a.fixed_bytes, b.per_column) + product(a.per_column, b.fixed_bytes)
    per_column += product(product(a.per_column, b.per_column), COLUMN_BYTES)
    return Extent(
        product(a.fixed_bytes, b.fixed_bytes), per_column, max(a.digits, b.digits), a.is_constant and b.is_constant
    )


def total(parts: Sequence[Extent], more: float = 0.0) -> Extent:
    return Extent(
        sum((p.fixed_bytes for p in parts), more), sum(p.per_column for p in parts),
        max((p.digits for p in parts), default=0.0), all(p.is_constant for p in parts), sum(p.terms for p in parts),
    )  # fmt: skip


def longest(parts: Sequence[Extent]) -> Extent:
    return Extent(
        max((p.fixed_bytes for p in parts), default=0.0), max((p.per_column for p in parts), default=0.0),
        max((p.digits for p in parts), default=0.0), all(p.is_constant for p in parts),
        max((p.terms for p in parts), default=1.0),
    )  # fmt: skip


# -- what stands there as a constant ------------------------------------------------------------------------


def constant_extent(node: Node) -> Extent:
    if node.isnull:
        return Extent()
    text = str(next((getattr(node.val, n) for n in ("sval", "fval", "bsval") if hasattr(node.val, n)), ""))
    if isinstance(node.val, ast.Integer):
        text = str(node.val.ival)
    elements = text.count(",") if "{" in text else 0  # of an array, which the planner looks at as at those of a list
    return Extent(float(len(text.encode("utf-8", "replace"))), 0.0, digits_of(text), terms=1.0 + elements)


def digits_of(text: str) -> float:
    """Of a number written so: 1e65000 has 65,001. 0 of what is no number."""
    match = NUMBER.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        return 0.0
    return float(len(match[1] or "") + len(match[2] or "") + abs(int(match[3] or 0)))


def digits_in(node: Node) -> float:
    """The most digits of the numbers that a text holds."""
    inner = without_casts(node)
    if not isinstance(inner, ast.A_Const) or inner.isnull:
        return NUMERIC_DIGITS if isinstance(inner, (ast.A_Expr, ast.FuncCall)) else 0.0
    text = str(getattr(inner.val, "sval", ""))
    exponents = [float(literal) for literal in EXPONENT.findall(text)]
    return max([*exponents, *(float(len(literal)) for literal in re.findall(r"\d+", text))], default=0.0)


def literal_number(node: Node) -> float | None:
    """The value of a number that stands there as such, also in quotes; None for anything else, NaN and Infinity too."""
    inner = without_casts(node)
    sign = 1.0
    while isinstance(inner, ast.A_Expr) and inner.lexpr is None and operator_name(inner) in ("-", "+"):
        inner, sign = without_casts(inner.rexpr), -sign if operator_name(inner) == "-" else sign
    if not isinstance(inner, ast.A_Const) or inner.isnull:
        return 0.0 if isinstance(inner, ast.A_Const) else None
    if isinstance(inner.val, ast.Integer):
        return sign * float(inner.val.ival)
    text = str(getattr(inner.val, "fval", None) or getattr(inner.val, "sval", ""))
    try:
        number = sign * float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def size_of(node: Node) -> float:
    """A number of characters or of repetitions."""
    if isinstance(without_casts(node), ast.ParamRef):
        return PARAMETER_SIZE
    number = literal_number(node)
    return UNKNOWN if number is None else max(0.0, number)
