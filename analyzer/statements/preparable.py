"""pg_stat_statements' texts as texts that PREPARE and EXPLAIN (GENERIC_PLAN) take.

Replacing literals by ``$n`` leaves texts that no server parses: ``interval $1``, ``extract($1 from x)``.
Others parse but mean something else: a list shortened to ``IN ($1 /*, ... */)``, a GROUP BY whose copy kept
its literal. Tried on 13 to 18.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pglast import ast, enums, parser
from pglast.stream import RawStream

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.inner_query import inner_query
from analyzer.statements.parameter_types import parameter_types
from analyzer.statements.parse import parse_statement
from analyzer.statements.rewrites import Rewrite, size_constants
from analyzer.statements.secrets import LIST_MARK
from analyzer.statements.tokens import scan
from analyzer.statements.tree import (
    Node,
    Unparsable,
    fresh_parse,
    name_parts,
    operator_name,
    text_of,
    walk,
    without_casts,
)


@dataclass(frozen=True, slots=True)
class Preparable:
    """``sql`` is None where the text cannot be planned, and ``reason`` says why.

    ``parameters[i]`` is the original number that ``$(i+1)`` of ``sql`` stands for; elements added to a list
    carry the number of the list's first.
    """

    sql: str | None
    reason: str | None = None
    rewrites: tuple[Rewrite, ...] = ()
    parameters: tuple[int, ...] = ()


CANNOT_WRITE = "pgLoupe cannot write this statement in a form the server takes."
MOST_PAIRS = 100_000  # judgement: a second of comparing


class _CannotRewrite(Exception):
    pass


def preparable_sql(
    sql: str | None,
    *,
    list_length: int = 5,
    limit: int | None = None,
    facts: SchemaFacts | None = None,
    samples: Sequence[str] = (),
) -> Preparable:
    """``list_length``: elements for a list of unknown length. ``limit``: a number to put in place of a
    parameter after LIMIT (OFFSET becomes 0); None leaves the parameter. ``facts``: tell the columns' types, for
    literals that lost theirs; ``samples``: runs of this statement, which show the literals."""
    inner = inner_query(sql)
    sql = sql if inner is None else inner.sql
    parsed = parse_statement(sql)
    if sql is None or parsed.kind == "unknown":
        return Preparable(None, parsed.reason or "The server gave no text for this statement.")
    if parsed.kind == "utility":
        return Preparable(None, "It is a utility statement, which has no plan of its own.")
    rewrites: list[Rewrite] = []
    try:
        origin: dict[int, int] = {}  # numbers added by us -> the original's
        text = _expanded_lists(sql, list_length, rewrites, origin)
        constants = _group_by_twins(text, rewrites)
        constants |= size_constants(text, samples, rewrites)
        if limit is not None:
            constants |= _limits(text, limit, rewrites)
        text = _with_constants(text, constants)
        text = _server_syntax(text, rewrites)
        text = _with_types(text, parameter_types(text, facts, samples), rewrites)
        text, parameters = _without_gaps(text)
    except _CannotRewrite as reason:
        return Preparable(None, str(reason))
    return Preparable(
        text.strip().rstrip(";").rstrip(), None, tuple(rewrites), tuple(origin.get(n, n) for n in parameters)
    )


def _tokens(sql: str) -> list[parser.Token]:
    try:
        return scan(sql)
    except parser.ParseError as error:  # what is parsed can be scanned, unless it takes too long
        raise _CannotRewrite(f"The text cannot be cut into its words: {error.args[0]}.") from error


def _number(sql: str, token: parser.Token) -> int:
    return int(sql[token.start + 1 : token.end + 1])


def _expanded_lists(sql: str, length: int, rewrites: list[Rewrite], origin: dict[int, int]) -> str:
    if LIST_MARK not in sql:
        return sql
    tokens = _tokens(sql)
    next_number = max((_number(sql, t) for t in tokens if t.name == "PARAM"), default=0) + 1
    pieces, end, last = [], 0, None
    for token in tokens:
        if token.name == "PARAM":
            last = _number(sql, token)
        elif token.name == "C_COMMENT" and sql[token.start : token.end + 1] == LIST_MARK and last is not None:
            added = range(next_number, next_number + max(0, length - 1))
            pieces += [sql[end : token.start].rstrip(), "".join(f", ${n}" for n in added)]
            origin.update(dict.fromkeys(added, last))
            next_number, end = next_number + len(added), token.end + 1
            rewrites.append(Rewrite("list", (last,)))
    return "".join([*pieces, sql[end:]])


def _server_syntax(sql: str, rewrites: list[Rewrite]) -> str:
    """``interval $1`` -> ``CAST($1 AS interval)``, ``extract($1 FROM x)`` -> ``date_part($1, x)``."""
    statements = fresh_parse(sql)
    if isinstance(statements, Unparsable):
        raise _CannotRewrite(statements.reason)
    casts, extracts, arrays = [], [], []
    for node in walk(statements):
        if isinstance(node, ast.TypeCast) and isinstance(node.arg, ast.ParamRef):
            casts.append(node.arg.number)
        elif isinstance(node, ast.FuncCall) and name_parts(node.funcname) == ("pg_catalog", "extract"):
            field = without_casts(node.args[0])
            if isinstance(field, ast.ParamRef):
                node.funcname = (ast.String(sval="pg_catalog"), ast.String(sval="date_part"))
                node.funcformat = enums.CoercionForm.COERCE_EXPLICIT_CALL
                extracts.append(field.number)
        elif (
            isinstance(node, ast.A_Expr) and node.kind == enums.A_Expr_Kind.AEXPR_OP_ANY and operator_name(node) == "="
        ):
            elements = node.rexpr.elements or () if isinstance(node.rexpr, ast.A_ArrayExpr) else ()
            if elements and all(isinstance(element, ast.ParamRef) for element in elements):
                # array[$1, $2] is text[] whatever it is compared with; a list takes the column's type.
                # IN has no schema: OPERATOR(pg_catalog.=), as pg_dump writes, is the "=" it looks up.
                if name_parts(node.name)[:-1] not in ((), ("pg_catalog",)):
                    continue
                node.name = node.name[-1:]
                node.kind, node.rexpr = enums.A_Expr_Kind.AEXPR_IN, elements
                arrays += [element.number for element in elements]
    as_casts = _cast_parameters(sql)
    syntaxes = {"typed_literal": [n for n in casts if n not in as_casts], "extract": extracts, "array": arrays}
    if not any(syntaxes.values()):
        return sql
    rewrites += [Rewrite(kind, tuple(sorted(set(numbers)))) for kind, numbers in syntaxes.items() if numbers]
    return _deparsed(statements)


def _deparsed(statements: tuple[Node, ...]) -> str:
    """The tree as text. pglast's printer has gaps and raises anything there, so its text is read back, too."""
    try:
        text: str = RawStream()(statements)
        is_same = fresh_parse(text) == statements
    except Exception as error:
        raise _CannotRewrite(CANNOT_WRITE) from error
    if not is_same:
        raise _CannotRewrite(CANNOT_WRITE)
    return text


def _cast_parameters(sql: str) -> set[int]:
    """Parameters written ``$1::type`` or ``CAST($1 AS type)``, which every server takes."""
    tokens = [t for t in _tokens(sql) if t.name not in ("C_COMMENT", "SQL_COMMENT")]
    numbers = set()
    for at, token in enumerate(tokens):
        if token.name != "PARAM":
            continue
        following = tokens[at + 1].name if at + 1 < len(tokens) else ""
        before = [t.name for t in tokens[max(0, at - 2) : at]]
        if following == "TYPECAST" or before == ["CAST", "ASCII_40"]:
            numbers.add(_number(sql, token))
    return numbers


def _group_by_twins(sql: str, rewrites: list[Rewrite]) -> dict[int, str]:
    """Parameter -> literal, or ``$m``, so that equal expressions of the target list and of GROUP BY agree
    again.

    Only the first copy of an equal expression has its literals replaced: ``select date_trunc($1, at) ...
    group by date_trunc('day', at)``. Where the second copy was redacted too, both get the first's parameter.
    """
    statements = fresh_parse(sql)
    if isinstance(statements, Unparsable):
        raise _CannotRewrite(statements.reason)
    twins: dict[int, str] = {}
    for node in walk(statements):
        if not isinstance(node, ast.SelectStmt) or not node.targetList:
            continue
        for first, copy, must_agree in _copies(node):
            for number, text in (_differing_constants(first, copy) or {}).items():
                if must_agree or not text.startswith("$"):
                    twins.setdefault(number, text)
    if twins:
        rewrites.append(Rewrite("group_by_twin", tuple(sorted(twins))))
    return twins


def _copies(select: Node) -> Iterator[tuple[Node, Node, bool]]:
    """Pairs of expressions of different clauses; those of GROUP BY and DISTINCT ON must agree with another."""
    targets = [target.val for target in select.targetList or ()]
    sorts = [sort.node for sort in select.sortClause or ()]
    firsts = [item for item in select.distinctClause or () if item is not None]
    groups = list(_group_items(select.groupClause or ()))
    for one, other, must_agree in ((targets, groups, True), (sorts, groups, True), (targets, sorts, False),
                                   (sorts, firsts, True), (targets, firsts, True)):  # fmt: skip
        if len(one) * len(other) > MOST_PAIRS:
            raise _CannotRewrite("It selects and groups by too many expressions to compare them.")
        for a in one:
            for b in other:
                yield a, b, must_agree


def _group_items(items: Iterable[Node]) -> Iterator[Node]:
    """Also those inside ROLLUP, CUBE and GROUPING SETS."""
    for item in items:
        if isinstance(item, ast.GroupingSet):
            yield from _group_items(item.content or ())
        elif isinstance(item, ast.RowExpr):
            yield from _group_items(item.args or ())
        else:
            yield item


def _differing_constants(first: Node, copy: Node) -> dict[int, str] | None:
    """What makes two expressions equal; None where they differ in more than constants."""
    pairs: dict[int, str] = {}
    stack = [(first, copy)]
    while stack:
        a, b = stack.pop()
        if isinstance(a, ast.ParamRef) and isinstance(b, ast.A_Const):
            pairs[a.number] = RawStream()(b)
        elif isinstance(a, ast.A_Const) and isinstance(b, ast.ParamRef):
            pairs[b.number] = RawStream()(a)
        elif isinstance(a, ast.ParamRef) and isinstance(b, ast.ParamRef):
            if a.number != b.number:
                pairs[b.number] = f"${a.number}"
        elif isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
            stack.extend(zip(a, b, strict=True))
        elif isinstance(a, ast.Node) and type(a) is type(b):
            stack.extend((getattr(a, s), getattr(b, s)) for s in a.__slots__ if s != "location")
        elif isinstance(a, ast.Node) or isinstance(b, ast.Node) or a != b:
            return None
    # two bare parameters are equal only by chance: "select $1, $2 ... order by $3"
    return None if isinstance(first, (ast.ParamRef, ast.A_Const)) else pairs


def _limits(sql: str, limit: int, rewrites: list[Rewrite]) -> dict[int, str]:
    statements = fresh_parse(sql)
    limits: dict[int, str] = {}
    for node in walk(() if isinstance(statements, Unparsable) else statements):
        if isinstance(node, ast.SelectStmt):
            for part, value in ((node.limitCount, limit), (node.limitOffset, 0)):
                inner = without_casts(part) if part is not None else None
                if isinstance(inner, ast.ParamRef):
                    limits[inner.number] = str(value)
    if limits:
        rewrites.append(Rewrite("limit", tuple(sorted(limits))))
    return limits


def _with_constants(sql: str, constants: dict[int, str]) -> str:
    """Parameters replaced by the text given for them."""
    return _replaced(sql, lambda number: constants.get(number, f"${number}"))


def _with_types(sql: str, types: Mapping[int, str], rewrites: list[Rewrite]) -> str:
    """``$1`` as ``$1::integer`` where the server would not find the literal's type."""
    cast, texts = _cast_parameters(sql), _types_cast_to(sql)
    types = {number: name for number, name in types.items() if number not in cast or texts.get(number) == {name}}
    if not types:
        return sql
    text = _replaced(sql, lambda n: f"${n}::{types[n]}" if n in types else f"${n}")
    if isinstance(fresh_parse(text), Unparsable):
        return sql  # a place where the grammar takes no cast
    rewrites.append(Rewrite("type", tuple(sorted(types))))
    return text


def _types_cast_to(sql: str) -> dict[int, set[str]]:
    statements = fresh_parse(sql)
    types: dict[int, set[str]] = {}
    for node in walk(() if isinstance(statements, Unparsable) else statements):
        if isinstance(node, ast.TypeCast) and isinstance(node.arg, ast.ParamRef):
            types.setdefault(node.arg.number, set()).add(text_of(node.typeName))
    return types


def _without_gaps(sql: str) -> tuple[str, list[int]]:
    """Parameters renumbered from 1 without gaps; PREPARE wants a type for each number. And the numbers
    before.
    """
    numbers = sorted({_number(sql, t) for t in _tokens(sql) if t.name == "PARAM"})
    position = {number: at for at, number in enumerate(numbers, start=1)}
    return _replaced(sql, lambda number: f"${position[number]}"), numbers


def _replaced(sql: str, text_for: Callable[[int], str]) -> str:
    pieces, end = [], 0
    for token in _tokens(sql):
        if token.name == "PARAM":
            pieces += [sql[end : token.start], text_for(_number(sql, token))]
            end = token.end + 1
    return "".join([*pieces, sql[end:]])
