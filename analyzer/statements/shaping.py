"""Which constants shape an expression over columns, as 'day' does in date_trunc('day', made), so that an index can be
on it.

All others are values: what is looked for, distances, salts, keys. An index on them would serve one call, and its
definition, which anybody may read, would keep them. What is not known to shape is a value.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto

from pglast import ast, enums

from analyzer.statements.tree import Node, children, flat, name_parts, operator_name, text_of


class ConstantRole(Enum):
    """What a constant is to the expression it stands in."""

    VALUE = auto()
    UNIT = auto()  # of time
    STRIDE = auto()  # of time, and where it begins
    ZONE = auto()
    CONFIGURATION = auto()  # of text search, or a dictionary
    FORMAT = auto()
    CODE = auto()  # how bytes are written or hashed
    KEY = auto()  # of a document
    PATH = auto()  # into a document
    NUMBER = auto()
    PIECE = auto()  # where a text is cut, or what it is cleaned of
    JOINT = auto()  # what texts are joined with
    FALLBACK = auto()  # for what is NULL
    NEUTRAL = auto()


STEPS = frozenset({"->", "->>", "#>", "#>>"})
# function -> what constants among its arguments are, where it has that many
ARGUMENTS: dict[str, tuple[ConstantRole, ...]] = {
    **dict.fromkeys(("date_trunc", "date_part", "extract"), (ConstantRole.UNIT, ConstantRole.VALUE, ConstantRole.ZONE)),
    "date_bin": (ConstantRole.STRIDE, ConstantRole.VALUE, ConstantRole.STRIDE),
    "timezone": (ConstantRole.ZONE, ConstantRole.VALUE),
    **dict.fromkeys(("to_tsvector", "json_to_tsvector", "jsonb_to_tsvector", "unaccent"),
                    (ConstantRole.CONFIGURATION, ConstantRole.VALUE, ConstantRole.CODE)),
    **dict.fromkeys(("to_char", "to_date", "to_timestamp", "to_number"), (ConstantRole.VALUE, ConstantRole.FORMAT)),
    **dict.fromkeys(("encode", "decode", "convert_from", "convert_to", "digest", "setweight", "normalize"),
                    (ConstantRole.VALUE, ConstantRole.CODE)),
}  # fmt: skip
# function -> what all constants behind its first argument are
BEHIND: dict[str, ConstantRole] = {
    **dict.fromkeys(("jsonb_extract_path", "jsonb_extract_path_text", "json_extract_path", "json_extract_path_text"),
                    ConstantRole.KEY),
    **dict.fromkeys(("jsonb_path_query_first", "jsonb_path_query_array"), ConstantRole.PATH),
    **dict.fromkeys(("mod", "round", "trunc", "array_length", "subpath", "set_masklen", "st_transform", "st_setsrid"),
                    ConstantRole.NUMBER),
    **dict.fromkeys(("left", "right", "substring", "substr", "split_part", "replace", "lpad", "rpad", "btrim", "ltrim",
                     "rtrim", "regexp_replace", "regexp_substr", "regexp_split_to_array", "string_to_array",
                     "array_to_string"), ConstantRole.PIECE),
    **dict.fromkeys(("tstzrange", "tsrange", "daterange", "int4range", "int8range", "numrange"), ConstantRole.NEUTRAL),
}  # fmt: skip
JOINING = frozenset({"concat", "concat_ws", "format"})
# what PostgreSQL knows there: an application's own function of the name may take anything
FORMS = {
    ConstantRole.UNIT: re.compile(
        r"(?:microsecond|millisecond|second|minute|hour|day|week|month|quarter|year|decade)s?|century|millennium|(?:iso)?dow"
        r"|doy|isoyear|epoch|julian|timezone(?:_hour|_minute)?",
        re.IGNORECASE,
    ),
    ConstantRole.STRIDE: re.compile(
        r"\d{1,4} ?(?:micro|milli)?(?:second|sec|minute|min|hour|day|week|month|year)s?"
        r"|\d\d:\d\d(?::\d\d)?|\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?",
        re.IGNORECASE,
    ),
    ConstantRole.ZONE: re.compile(
        r"[A-Z]{3,5}(?:[+-]\d{1,2})?|(?:[A-Z_]{2,15}/){1,2}[A-Z_\-]{2,20}(?:[+-]\d{1,2})?|[+-]?\d\d?(?::\d\d)?",
        re.IGNORECASE,
    ),
    ConstantRole.CONFIGURATION: re.compile(r"(?:[a-z_]{1,30}\.)?[a-z_]{1,30}"),
    ConstantRole.FORMAT: re.compile(
        r"(?:FM|FX|TM|TH|SP|HH(?:12|24)?|MI|SSSSS?|SS|MS|US|FF[1-6]|[AP]\.?M\.?|Y,YYY|Y+|IY+|MONTH|MON|MM|DAY|DY|D+|ID+"
        r"|WW?|IW|CC|J|Q|RM|TZ[HM]?|OF|BC|AD|[09]+|PR|PL|SG|RN|EEEE|[SGLV_]|[^\w\"])*+",
        re.IGNORECASE,
    ),
    ConstantRole.CODE: re.compile(
        r"md5|sha(?:1|224|256|384|512)|hex|base64(?:url)?|base32hex|escape|[A-D]|NFK?[CD]"
        r"|utf-?8|latin\d{1,2}|iso[_-]8859[_-]\d{1,2}|win(?:dows-)?\d{3,4}|sql_ascii|euc_[a-z]{2}|koi8[ru]|s?jis|big5"
        r"|gbk|gb18030|uhc|\[?(?:\"(?:all|string|numeric|boolean|key)\"[, ]*)+\]?",
        re.IGNORECASE,
    ),
}
CHARACTER_CLASS = re.compile(r"\[:\w+:\]")  # [:alnum:]
WORD = re.compile(r"[^\W_]{3}")
ALPHANUMERIC = re.compile(r"[^\W_]")
# of a pattern: [:alnum:], [^0-9a-z], \s, and \1
CLASSES = re.compile(r"\[:\w+:\]|(?<=[\[^])(?:\w-\w)+|\\\w")
FLAGS = re.compile(r"g?i?g?|0")  # of a pattern, and what numbers are padded with
LONGEST_PIECE = 30  # characters; judgement: patterns that clean a number or a name are shorter
LONGEST_NUMBER = 6  # digits; judgement: a length, a place, a remainder's divisor; ids are longer
LONGEST_LENGTH = 3  # digits, of how much is cut off
LONGEST_INDEX = 2  # digits, of a place in a list
PLAIN_PATH = re.compile(r"(?:(?:lax|strict)\s+)?\$(?:\.[^\W\d]\w*|\.\"[\w .\-]+\"|\[(?:\d+|\*)\])*")
STEP = re.compile(r"\.([^\W\d]\w*)|\.\"([^\"]+)\"|\[(\d+)\]")
# judgement: fields of documents are called so; names, ids, addresses and tokens, by which a map is keyed, are not: one
# group of digits at most, and none where small and capital letters are mixed
FIELD = re.compile(r"(?!.*\d\D+\d|.*\d{4})(?!(?=.*[a-z])(?=.*[A-Z]).*\d)[^\W\d][\w.:/\-]{0,24}")
NEUTRAL_NUMBER = re.compile(r"-?[01]\.0*")
NEUTRAL_TEXTS = frozenset({"infinity", "-infinity", "epoch"})


def constants(expression: Node | tuple[Node, ...]) -> Iterator[tuple[Node, ConstantRole]]:
    """Every constant that is not NULL (A_Const) and parameter in it, with its place; lengths of types are none."""
    stack: list[tuple[Node, ConstantRole]] = [(expression, ConstantRole.VALUE)]
    while stack:
        node, place = stack.pop()
        if isinstance(node, tuple):
            stack.extend((item, place) for item in flat(node))
        elif isinstance(node, ast.ParamRef) or (isinstance(node, ast.A_Const) and not node.isnull):
            yield node, place
        elif isinstance(node, ast.Node):
            stack.extend(_within(node, place))


def shapes(constant: Node, place: ConstantRole) -> bool:
    """Whether a constant in this place is the same in each call, as far as the text tells."""
    text = _string(constant)
    match place:
        case ConstantRole.KEY | ConstantRole.FALLBACK:
            return True
        case ConstantRole.PATH:
            return text is not None and PLAIN_PATH.fullmatch(text.strip()) is not None
        case ConstantRole.NUMBER:
            return _is_number(constant, LONGEST_NUMBER)
        case ConstantRole.PIECE:
            return _is_number(constant, LONGEST_NUMBER) or (text is not None and _is_piece(text))
        case ConstantRole.JOINT:
            return text is not None and _is_piece(text)
        case ConstantRole.NEUTRAL:
            return _is_neutral(constant) or (text is not None and _is_piece(text))
    return place in FORMS and text is not None and FORMS[place].fullmatch(text) is not None


def is_surely_shaping(constant: Node, place: ConstantRole) -> bool:
    """As ``shapes``, of a constant that somebody's run showed, and nobody typed for an index to be made of it."""
    text = _string(constant)
    match place:
        case ConstantRole.FALLBACK | ConstantRole.NEUTRAL:  # coalesce(tenant_id, 42) = 42: all tenants' rows and one's
            return _is_neutral(constant)
        case ConstantRole.KEY:
            keys = [] if text is None else _keys(text)
            return _is_number(constant, LONGEST_INDEX) or (bool(keys) and all(map(_is_field, keys)))
        case ConstantRole.PATH:
            steps = [step for groups in STEP.findall(text or "") for step in groups if step]
            return shapes(constant, place) and all(map(_is_field, steps))
        case ConstantRole.PIECE if text is not None:
            rest = CLASSES.sub("", text)
            return _is_piece(text) and (FLAGS.fullmatch(text) is not None or not ALPHANUMERIC.search(rest))
        case ConstantRole.PIECE:
            return _is_number(constant, LONGEST_LENGTH)
        case ConstantRole.JOINT:
            return text is not None and not ALPHANUMERIC.search(text) and _is_piece(text)
    return shapes(constant, place)


def _within(node: Node, place: ConstantRole) -> Iterator[tuple[Node, ConstantRole]]:
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
            args = node.args or ()
            yield from ((arg, _argument(node.funcname, at, len(args))) for at, arg in enumerate(args))
            yield from ((part, ConstantRole.VALUE) for part in (node.agg_order, node.agg_filter, node.over) if part)
        case ast.CoalesceExpr():
            yield from ((arg, ConstantRole.FALLBACK if at else ConstantRole.VALUE) for at, arg in enumerate(node.args))
        case ast.MinMaxExpr():
            yield node.args, ConstantRole.NEUTRAL
        case ast.CaseExpr():
            yield from ((part, ConstantRole.VALUE) for part in (node.arg, *node.args) if part is not None)
            yield from ((part, ConstantRole.NEUTRAL) for part in (node.defresult,) if part is not None)
        case ast.CaseWhen():
            yield node.expr, ConstantRole.VALUE
            yield node.result, ConstantRole.NEUTRAL
        case ast.A_Indices():
            yield from ((part, ConstantRole.KEY) for part in (node.lidx, node.uidx) if part is not None)
        case _:
            is_json = isinstance(node, ast.JsonFuncExpr)
            for child in children(node):
                yield child, ConstantRole.PATH if is_json and child is node.pathspec else ConstantRole.VALUE


def _sides(operation: Node) -> tuple[ConstantRole, ConstantRole]:
    if operation.kind == enums.A_Expr_Kind.AEXPR_NULLIF:
        return ConstantRole.VALUE, ConstantRole.NEUTRAL
    if operation.kind != enums.A_Expr_Kind.AEXPR_OP:
        return ConstantRole.VALUE, ConstantRole.VALUE
    match operator_name(operation):
        case "||":
            return ConstantRole.JOINT, ConstantRole.JOINT
        case "%":
            return ConstantRole.VALUE, ConstantRole.NUMBER
        case name if name in STEPS:
            return ConstantRole.VALUE, ConstantRole.KEY
    return ConstantRole.VALUE, ConstantRole.VALUE


def _argument(names: tuple[Node, ...], at: int, count: int) -> ConstantRole:
    *schema, name = name_parts(names)
    if schema not in ([], ["pg_catalog"]):
        return ConstantRole.VALUE
    if name in JOINING:
        return ConstantRole.JOINT
    places = ARGUMENTS.get(name, ())
    if places:
        return places[at] if at < len(places) and count > 1 else ConstantRole.VALUE
    return BEHIND.get(name, ConstantRole.VALUE) if at else ConstantRole.VALUE


def _string(constant: Node) -> str | None:
    return constant.val.sval if isinstance(constant.val, ast.String) else None


def _is_number(constant: Node, longest: int) -> bool:
    return isinstance(constant.val, (ast.Float, ast.Integer)) and len(text_of(constant)) <= longest


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
            return not ALPHANUMERIC.search(text) or text.lower() in NEUTRAL_TEXTS
    return False


def _keys(text: str) -> list[str]:
    """``{a,b}`` is a path of two."""
    is_path = text.startswith("{") and text.endswith("}")
    return [key.strip() for key in text[1:-1].split(",")] if is_path else [text]


def _is_field(key: str) -> bool:
    return FIELD.fullmatch(key) is not None or (key.isdigit() and len(key) <= LONGEST_INDEX)
