"""Which constants shape an expression over columns, as 'day' does in date_trunc('day', made), so that an index can be
on it.

All others are values: what is looked for, distances, salts, keys. An index on them would serve one call, and its
definition, which anybody may read, would keep them. What is not known to shape is a value.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto

from pglast import ast, enums

from analyzer.statements.tree import Node, children, flat, function_name, operator_name, text_of


class Place(Enum):
    """What a constant is to the expression it stands in."""

    VALUE = auto()
    NAME = auto()  # a unit, a format, a time zone, a text search configuration
    KEY = auto()  # of a document
    PATH = auto()  # into a document
    NUMBER = auto()
    PIECE = auto()  # where a text is cut, or what it is cleaned of
    JOINT = auto()  # what texts are joined with
    FALLBACK = auto()  # for what is NULL
    NEUTRAL = auto()


STEPS = frozenset({"->", "->>", "#>", "#>>"})
# functions whose first argument says how, and whose second is what it is done to
HOW_FIRST = frozenset({
    "date_trunc", "date_part", "extract", "date_bin", "timezone", "to_tsvector", "json_to_tsvector",
    "jsonb_to_tsvector", "unaccent",
})  # fmt: skip
# function -> what constants behind its first argument are
BEHIND: dict[str, Place] = {
    **dict.fromkeys(("to_char", "to_date", "to_timestamp", "to_number", "encode", "decode", "convert_from",
                     "convert_to", "digest", "setweight", "normalize", "translate"), Place.NAME),
    **dict.fromkeys(("jsonb_extract_path", "jsonb_extract_path_text", "json_extract_path", "json_extract_path_text"),
                    Place.KEY),
    **dict.fromkeys(("jsonb_path_query_first", "jsonb_path_query_array"), Place.PATH),
    **dict.fromkeys(("mod", "round", "trunc", "array_length", "subpath", "set_masklen", "st_transform", "st_setsrid"),
                    Place.NUMBER),
    **dict.fromkeys(("left", "right", "substring", "substr", "split_part", "replace", "lpad", "rpad", "btrim", "ltrim",
                     "rtrim", "regexp_replace", "regexp_substr", "regexp_split_to_array", "string_to_array",
                     "array_to_string"), Place.PIECE),
    **dict.fromkeys(("tstzrange", "tsrange", "daterange", "int4range", "int8range", "numrange"), Place.NEUTRAL),
}  # fmt: skip
JOINING = frozenset({"concat", "concat_ws", "format"})
CHARACTER_CLASS = re.compile(r"\[:\w+:\]")  # [:alnum:]
WORD = re.compile(r"[^\W_]{3}")
LONGEST_PIECE = 30  # characters; judgement: patterns that clean a number or a name are shorter
LONGEST_NUMBER = 6  # digits; judgement: a length, a place, a remainder's divisor; ids are longer
PLAIN_PATH = re.compile(r"(?:(?:lax|strict)\s+)?\$(?:\.[^\W\d]\w*|\.\"[\w .\-]+\"|\[(?:\d+|\*)\])*")
# judgement: fields of documents are called so; ids, addresses and tokens, by which a map is keyed, are not
FIELD = re.compile(r"(?!(?:.*\d){5})[^\W\d][\w .:/\-]{0,39}")
NEUTRAL_NUMBER = re.compile(r"-?[01]\.0*")
NEUTRAL_TEXTS = frozenset({"infinity", "-infinity", "epoch"})


def constants(expression: Node | tuple[Node, ...]) -> Iterator[tuple[Node, Place]]:
    """Every constant that is not NULL (A_Const) and parameter in it, with its place; lengths of types are none."""
    stack: list[tuple[Node, Place]] = [(expression, Place.VALUE)]
    while stack:
        node, place = stack.pop()
        if isinstance(node, tuple):
            stack.extend((item, place) for item in flat(node))
        elif isinstance(node, ast.ParamRef) or (isinstance(node, ast.A_Const) and not node.isnull):
            yield node, place
        elif isinstance(node, ast.Node):
            stack.extend(_within(node, place))


def shapes(constant: Node, place: Place) -> bool:
    """Whether a constant in this place is the same in each call, as far as the text tells."""
    value = constant.val
    is_number = isinstance(value, (ast.Float, ast.Integer)) and len(text_of(constant)) <= LONGEST_NUMBER
    text = value.sval if isinstance(value, ast.String) else None
    match place:
        case Place.NAME | Place.KEY | Place.FALLBACK:
            return True
        case Place.PATH:
            return text is not None and PLAIN_PATH.fullmatch(text.strip()) is not None
        case Place.NUMBER:
            return is_number
        case Place.PIECE:
            return is_number or (text is not None and _is_piece(text))
        case Place.JOINT:
            return text is not None and _is_piece(text)
        case Place.NEUTRAL:
            return _is_neutral(constant)
    return False


def is_surely_shaping(constant: Node, place: Place) -> bool:
    """As ``shapes``, of a constant that somebody's run showed, and nobody typed for an index to be made of it."""
    value = constant.val
    match place:
        case Place.FALLBACK:  # coalesce(tenant_id, 42) = 42: all tenants' rows and one's
            return _is_neutral(constant)
        case Place.KEY if isinstance(value, ast.String):
            return all(FIELD.fullmatch(key) or (key.isdigit() and len(key) < 3) for key in _keys(value.sval))
    return shapes(constant, place)


def _within(node: Node, place: Place) -> Iterator[tuple[Node, Place]]:
    """The parts of a node, each with the place that a constant there has."""
    match node:
        case ast.TypeName():
            return
        case ast.TypeCast() | ast.CollateClause():
            yield node.arg, place
        case ast.A_ArrayExpr():
            yield node.elements or (), place
        case ast.A_Expr():
            left, right = _sides(node)
            yield from ((side, at) for side, at in ((node.lexpr, left), (node.rexpr, right)) if side is not None)
        case ast.FuncCall():
            yield from ((arg, _argument(function_name(node), at)) for at, arg in enumerate(node.args or ()))
            yield from ((part, Place.VALUE) for part in (node.agg_order, node.agg_filter, node.over) if part)
        case ast.CoalesceExpr():
            yield from ((arg, Place.FALLBACK if at else Place.VALUE) for at, arg in enumerate(node.args))
        case ast.MinMaxExpr():
            yield node.args, Place.NEUTRAL
        case ast.CaseExpr():
            yield from ((part, Place.VALUE) for part in (node.arg, *node.args) if part is not None)
            yield from ((part, Place.NEUTRAL) for part in (node.defresult,) if part is not None)
        case ast.CaseWhen():
            yield node.expr, Place.VALUE
            yield node.result, Place.NEUTRAL
        case ast.A_Indices():
            yield from ((part, Place.KEY) for part in (node.lidx, node.uidx) if part is not None)
        case _:
            is_json = isinstance(node, ast.JsonFuncExpr)
            for child in children(node):
                yield child, Place.PATH if is_json and child is node.pathspec else Place.VALUE


def _sides(operation: Node) -> tuple[Place, Place]:
    if operation.kind == enums.A_Expr_Kind.AEXPR_NULLIF:
        return Place.VALUE, Place.NEUTRAL
    if operation.kind != enums.A_Expr_Kind.AEXPR_OP:
        return Place.VALUE, Place.VALUE
    match operator_name(operation):
        case "||":
            return Place.JOINT, Place.JOINT
        case "%":
            return Place.VALUE, Place.NUMBER
        case name if name in STEPS:
            return Place.VALUE, Place.KEY
    return Place.VALUE, Place.VALUE


def _argument(name: str, at: int) -> Place:
    if name in JOINING:
        return Place.JOINT
    if name in HOW_FIRST:
        return Place.VALUE if at == 1 else Place.NAME
    return BEHIND.get(name, Place.VALUE) if at else Place.VALUE


def _is_piece(text: str) -> bool:
    return len(text) <= LONGEST_PIECE and WORD.search(CHARACTER_CLASS.sub("", text)) is None


def _is_neutral(constant: Node) -> bool:
    match constant.val:
        case ast.Boolean():
            return True
        case ast.Integer(ival=number):
            return number in (-1, 0, 1)
        case ast.Float(fval=text):
            return NEUTRAL_NUMBER.fullmatch(text) is not None
        case ast.String(sval=text):
            return _is_piece(text) or text.lower() in NEUTRAL_TEXTS
    return False


def _keys(text: str) -> list[str]:
    """``{a,b}`` is a path of two."""
    return [key.strip(' "') for key in text.strip("{}").split(",")]
