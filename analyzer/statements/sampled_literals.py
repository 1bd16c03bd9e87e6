"""Which literal stood for each parameter, told by a real run of the same statement."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pglast import ast, enums
from pglast.stream import RawStream

from analyzer.statements.shaping import ConstantRole, constants, is_surely_shaping
from analyzer.statements.tokens import scan
from analyzer.statements.tree import Node, Unparsable, function_name, operator_name, single_statement, walk

MOST_TEXTS = 3  # texts of one statement: judgement, each has candidates of its own
PATTERN_KINDS = (enums.A_Expr_Kind.AEXPR_LIKE, enums.A_Expr_Kind.AEXPR_ILIKE, enums.A_Expr_Kind.AEXPR_SIMILAR)
PATTERN_OPERATORS = frozenset({"~~", "~~*", "~", "~*", "^@"})


def literal_types(sql: str, samples: Sequence[str]) -> dict[int, str]:
    """Parameter -> type of the literal in the first sample that shows it; "text" for a string (its type is open)."""
    types: dict[int, str] = {}
    for sample in samples:
        for number, constant in literals(sql, sample).items():
            kind = literal_type(constant)
            if kind is not None:
                types.setdefault(number, kind)
    return types


def literals(sql: str, sample: str) -> Mapping[int, Node]:
    """Parameter -> the constant (A_Const) in its place, as far as the two trees are alike."""
    one, other = single_statement(sql), single_statement(sample)
    if isinstance(one, Unparsable) or isinstance(other, Unparsable):
        return {}
    return dict(_pairs(one, other))


def _pairs(one: Node, other: Node) -> Iterator[tuple[int, Node]]:
    stack = [(one, other)]
    while stack:
        a, b = stack.pop()
        if isinstance(a, ast.ParamRef):
            if isinstance(b, ast.A_Const):
                yield a.number, b
        elif isinstance(a, tuple) and isinstance(b, tuple):
            stack.extend(zip(a, b, strict=False))  # lists may be of different lengths
        elif isinstance(a, ast.Node) and type(a) is type(b):
            stack.extend((getattr(a, name), getattr(b, name)) for name in a.__slots__ if name != "location")


def literal_type(constant: Node) -> str | None:
    """As the server types a bare literal; None for NULL."""
    match constant.val:
        case ast.Integer():
            return "integer"
        case ast.Float():
            return "numeric" if "." in constant.val.fval or "e" in constant.val.fval.lower() else "bigint"
        case ast.Boolean():
            return "boolean"
        case ast.String():
            return "text"
    return None


def texts_with_deciding_constants(sql: str, samples: Sequence[str]) -> list[str]:
    """The statement with those constants that decide which index could serve it, as real runs show them: what shapes an
    expression over a column (``properties ->> $1``), where all runs show the same, and patterns (``LIKE $1``), each
    run's own. The text itself where none shows any. No value gets in: an index keeps what it is made of.
    """
    statement = single_statement(sql)
    deciding = {} if isinstance(statement, Unparsable) else _deciding(statement)
    if not deciding or not samples:
        return [sql]
    runs = [{n: c for n, c in literals(sql, sample).items() if n in deciding} for sample in samples]
    shaping = {n: text for n, places in deciding.items() if places and (text := _shown(n, places, runs))}
    texts: dict[str, None] = {}
    for run in runs:
        patterns = {n: RawStream()(constant) for n, constant in run.items() if not deciding[n]}
        texts[_with_constants(sql, shaping | patterns)] = None
    return list(texts)[:MOST_TEXTS]


def _shown(number: int, places: Sequence[ConstantRole], runs: Sequence[Mapping[int, Node]]) -> str | None:
    """The constant that stands for a parameter in all runs; None where it may be a value."""
    shown = [run[number] for run in runs if number in run]
    texts: set[str] = {RawStream()(constant) for constant in shown}
    if len(texts) != 1 or not all(is_surely_shaping(shown[0], place) for place in places):
        return None
    return texts.pop()


def _deciding(statement: Node) -> dict[int, list[ConstantRole]]:
    """Parameter -> its places in expressions over columns, none where it is a pattern; without those that are anything
    else as well."""
    places: dict[int, tuple[int, ConstantRole | None]] = {}  # by the ParamRef's id: a tree is walked more than once
    for node in walk(statement):
        parts: list[Node] = []
        if isinstance(node, ast.A_Expr):
            parts = [side for side in (node.lexpr, node.rexpr) if isinstance(side, ast.Node) and _has_column(side)]
        elif isinstance(node, ast.SortBy) and _has_column(node.node):
            parts = [node.node]
        inside: list[tuple[Node, ConstantRole | None]] = [*(each for part in parts for each in constants(part))]
        inside += [(n, None) for pattern in _patterns(node) for n in walk(pattern)]
        places |= {id(n): (n.number, place) for n, place in inside if isinstance(n, ast.ParamRef)}
    of_parameter: dict[int, list[ConstantRole | None]] = {}
    for number, place in places.values():
        of_parameter.setdefault(number, []).append(place)
    standing = Counter(node.number for node in walk(statement) if isinstance(node, ast.ParamRef))
    return {
        number: [place for place in each if place is not None]
        for number, each in of_parameter.items()
        if len(each) == standing[number] and (None not in each or set(each) == {None})
    }


def _patterns(node: Node) -> list[Node]:
    """What texts are compared with in it, by LIKE and its kind, where that is not made of columns."""
    patterns: list[Node] = []
    if isinstance(node, ast.A_Expr) and (node.kind in PATTERN_KINDS or operator_name(node) in PATTERN_OPERATORS):
        patterns = [node.rexpr]
    elif isinstance(node, ast.FuncCall) and function_name(node) == "starts_with":
        patterns = list((node.args or ())[1:])
    return [pattern for pattern in patterns if not _has_column(pattern)]


def _has_column(node: Node) -> bool:
    return any(isinstance(part, ast.ColumnRef) for part in walk(node))


def _with_constants(sql: str, constants: Mapping[int, str]) -> str:
    pieces, end = [], 0
    for token in scan(sql):
        if token.name == "PARAM" and (text := constants.get(int(sql[token.start + 1 : token.end + 1]))) is not None:
            pieces += [sql[end : token.start], text]
            end = token.end + 1
    return "".join([*pieces, sql[end:]])
