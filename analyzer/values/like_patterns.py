"""Values for LIKE: where the wildcard stands decides which plan it is, and the normal text has lost it.

``icontains`` and ``istartswith`` of Django give the same text (``UPPER(name) LIKE UPPER($1)``), so the shape comes from
what is written around the parameters, else from real samples, else both are tried: text at the start as the typical
pattern, text anywhere as the rare one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pglast import ast, enums

from analyzer.statements.tree import Node, Unparsable, function_name, operator_name, parse, walk, without_casts

Shape = Literal["prefix", "suffix", "contained", "exact"]

TEXT_CHARACTERS = 3  # judgement: short enough to match, long enough for an index (pg_trgm needs three, too)
RARE_CHARACTERS = 12  # judgement: a name typed whole, by somebody who looks for one thing
WRAPPERS = ("upper", "lower", "unaccent", "like_escape")
PLAIN_TEXT = "abc"  # where no value is known
KINDS = (enums.A_Expr_Kind.AEXPR_LIKE, enums.A_Expr_Kind.AEXPR_ILIKE)
EXAMPLES: dict[Shape, str] = {"prefix": "abc%", "suffix": "%abc", "contained": "%abc%", "exact": "abc"}


@dataclass(frozen=True, slots=True)
class LikePattern:
    """The right side of one LIKE. ``parameters`` in the order they are joined; ``shape`` None: nothing tells."""

    parameters: tuple[int, ...]
    shape: Shape | None
    is_written: bool = False  # the wildcards stand in the text, beside the parameters

    def shape_for(self, is_rare: bool) -> Shape:
        """The known shape, else an index's best case, then its worst."""
        if self.shape is not None:
            return self.shape
        if not is_rare:
            return "prefix"
        return "suffix" if len(self.parameters) == 2 else "contained"

    def assumption(self, is_rare: bool) -> str:
        """What was assumed, in words; "" where the shape is known."""
        example = EXAMPLES[self.shape_for(is_rare)]
        return "" if self.shape else f"a LIKE pattern of unknown shape was taken as '{example}'"

    def literals(self, value: str, is_rare: bool) -> dict[int, str]:
        """Text for each parameter, so that a value of the column matches the whole."""
        shape = self.shape_for(is_rare)
        text = re.sub(r"([\\%_])", r"\\\1", _piece(value, shape, RARE_CHARACTERS if is_rare else TEXT_CHARACTERS))
        first = "%" if shape in ("suffix", "contained") else ""
        last = "%" if shape in ("prefix", "contained") else ""
        match self.is_written, len(self.parameters):
            case True, count:
                texts = [text, *[""] * (count - 1)]
            case False, 1:
                texts = [first + text + last]
            case False, 2:
                texts = [first, text + last] if first else [text, last]
            case _, count:
                texts = [first, text, last, *[""] * (count - 3)]
        return dict(zip(self.parameters, texts, strict=True))


def like_patterns(sql: str, samples: Sequence[str] = ()) -> list[LikePattern]:
    """Every LIKE of a statement whose pattern is made of parameters; ``samples`` are runs of just this statement."""
    seen = [list(_like_sides(sample)) for sample in samples]
    patterns = []
    sides = list(_like_sides(sql))
    for at, pieces in enumerate(sides):
        if pieces is None:
            continue
        numbers = tuple(p.number for p in pieces if isinstance(p, ast.ParamRef))
        if not numbers or len(set(numbers)) != len(numbers):
            continue
        is_written = len(numbers) < len(pieces)
        shape = _written_shape(pieces) if is_written else ("contained" if len(numbers) == 3 else None)
        if shape is None and not is_written:
            shape = _sampled_shape([s[at] for s in seen if len(s) == len(sides)])
        patterns.append(LikePattern(numbers, shape, is_written))
    return patterns


def _piece(value: str, shape: Shape, characters: int) -> str:
    match shape:
        case "prefix":
            return value[:characters]
        case "suffix":
            return value[-characters:]
        case "contained":
            start = max(0, (len(value) - characters) // 2)
            return value[start : start + characters]
    return value


def _like_sides(sql: str) -> Iterator[list[Node] | None]:
    """The pieces each LIKE's pattern is joined of; None where one is neither a parameter nor a text."""
    statements = parse(sql)
    for node in walk(None if isinstance(statements, Unparsable) else statements):
        if isinstance(node, ast.A_Expr) and node.kind in KINDS:
            pieces = list(_pieces(node.rexpr))
            yield pieces if all(isinstance(p, ast.ParamRef) or _text(p) is not None for p in pieces) else None


def _pieces(node: Node) -> Iterator[Node]:
    node = without_casts(node)
    if isinstance(node, ast.A_Expr) and operator_name(node) == "||":
        yield from _pieces(node.lexpr)
        yield from _pieces(node.rexpr)
    elif isinstance(node, ast.FuncCall) and function_name(node) == "concat":
        for argument in node.args or ():
            yield from _pieces(argument)
    elif isinstance(node, ast.FuncCall) and function_name(node) in WRAPPERS and node.args:
        yield from _pieces(node.args[0])
    else:
        yield node


def _text(node: Node) -> str | None:
    return node.val.sval if isinstance(node, ast.A_Const) and isinstance(node.val, ast.String) else None


def _shape_of(first: str, last: str) -> Shape:
    leads, trails = first[:1] in ("%", "_"), last[-1:] in ("%", "_")
    if leads:
        return "contained" if trails else "suffix"
    return "prefix" if trails else "exact"


def _written_shape(pieces: Sequence[Node]) -> Shape:
    return _shape_of(_text(pieces[0]) or "", _text(pieces[-1]) or "")


def _sampled_shape(samples: Sequence[list[Node] | None]) -> Shape | None:
    """Of the first sample that shows the whole pattern."""
    for pieces in samples:
        texts = [_text(p) for p in pieces or ()]
        if texts and all(t is not None for t in texts):
            whole = "".join(t or "" for t in texts)
            return _shape_of(whole, whole)
    return None
