"""Parse trees: the one place that calls pglast's parser, with its limits.

PostgreSQL's own parser decides what a text means. Texts come from servers and people, so the way in is
guarded: NUL ends a text for the parser but not for us, and a very deep tree would overflow the C stack.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pglast import ast, enums, parse_sql, parser
from pglast.stream import RawStream

from analyzer.errors import FAULTS
from analyzer.statements.tokens import parsing_steps

# judgement: longer texts are not analysed.
MAX_SQL_BYTES = 100_000
MOST_STEPS = 60_000_000  # measured: about a second; 900 rows of a number and ten Cyrillic letters have as many
# Measured with pglast 8.8: a tree some 40,000 levels deep (98 kB of "1+1+1...") ends the process; the
# serialiser refuses depth cleanly, so longer texts are shown to it first. Below 4,000 characters no text is
# deep enough.
DEPTH_CHECK_FROM = 4_000

Node = Any  # pglast's classes carry no types


@dataclass(frozen=True, slots=True)
class Unparsable:
    """Why a text has no tree; ``reason`` is a sentence for people and holds no part of the text."""

    reason: str


def parse(sql: str | None) -> tuple[Node, ...] | Unparsable:
    """The text's statements (pglast RawStmt); the trees are shared: never change one."""
    if sql is None:
        return Unparsable("The server gave no text for this statement.")
    if len(sql) <= DEPTH_CHECK_FROM:
        return _parse_short(sql)
    return _parse_long(sql) if len(sql) <= 20_000 else _parse_longest(sql)


def fresh_parse(sql: str) -> tuple[Node, ...] | Unparsable:
    """As ``parse``, but the caller's own tree, to change."""
    return _parse(sql)


def _parse(sql: str) -> tuple[Node, ...] | Unparsable:
    if "\0" in sql:
        return Unparsable("The text holds a NUL character.")
    try:
        size = len(sql.encode())
    except UnicodeEncodeError:
        return Unparsable("The text is not valid Unicode.")
    if size > MAX_SQL_BYTES:
        return Unparsable(f"The text is longer than {MAX_SQL_BYTES // 1000} kB.")
    if sql.startswith("<insufficient privilege>"):
        return Unparsable("The monitoring role may not see this text: grant it pg_read_all_stats.")
    if parsing_steps(sql) > MOST_STEPS:
        return Unparsable("The text holds too many characters beyond ASCII to be read in time.")
    try:
        if len(sql) > DEPTH_CHECK_FROM:
            parser.parse_sql_protobuf(sql)
        statements: tuple[Node, ...] = parse_sql(sql)
    except parser.ParseError as error:
        if "too deeply" in str(error) or "stack depth" in str(error):
            return Unparsable("The statement is nested too deeply.")
        return Unparsable("PostgreSQL's parser does not take this text: it may have been cut short.")
    except (RecursionError, MemoryError):
        return Unparsable("The statement is nested too deeply.")
    if not statements:
        return Unparsable("The text holds no statement.")
    return statements


# a tree is some thirty times as large as its text: hundreds of long ones would fill the memory
_parse_short = lru_cache(maxsize=512)(_parse)
_parse_long = lru_cache(maxsize=32)(_parse)
_parse_longest = lru_cache(maxsize=2)(_parse)  # a text and the same without its literals: each is looked at twice


def single_statement(sql: str | None) -> Node | Unparsable:
    """The one statement's own node (SelectStmt, ...)."""
    statements = parse(sql)
    if isinstance(statements, Unparsable):
        return statements
    if len(statements) > 1:
        return Unparsable("The text holds several statements.")
    return statements[0].stmt


def children(node: Node) -> Iterator[Node]:
    """Direct child nodes, in the order of the grammar's fields; lists are flattened."""
    for attribute in node.__slots__:
        value = getattr(node, attribute)
        if isinstance(value, ast.Node):
            yield value
        elif isinstance(value, tuple):
            yield from flat(value)


def flat(values: tuple[Any, ...]) -> Iterator[Node]:
    for value in values:
        if isinstance(value, ast.Node):
            yield value
        elif isinstance(value, tuple):
            yield from flat(value)


def walk(root: Node | tuple[Node, ...] | None) -> Iterator[Node]:
    """Every node below and including ``root``, parents first; keeps its own stack, so depth does not
    matter.
    """
    if root is None:
        return
    stack = [root] if isinstance(root, ast.Node) else list(reversed(list(flat(tuple(root)))))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(list(children(node))))


def walk_block(root: Node | tuple[Node, ...] | None) -> Iterator[Node]:
    """As ``walk`` but stops at subqueries: a SubLink is yielded, its SELECT is not entered."""
    stack = list(root) if isinstance(root, tuple) else [root] if root is not None else []
    stack.reverse()
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):
            stack.extend(reversed(node))
            continue
        if isinstance(node, ast.SelectStmt) or not isinstance(node, ast.Node):
            continue
        yield node
        stack.extend(reversed(list(children(node))))


def conjuncts(condition: Node | None) -> list[Node]:
    """The parts of a condition that must all hold; [] of no condition."""
    return joined(condition, enums.BoolExprType.AND_EXPR)


def disjuncts(condition: Node | None) -> list[Node]:
    """The parts of which one is enough; [] of no condition."""
    return joined(condition, enums.BoolExprType.OR_EXPR)


def joined(condition: Node | None, boolop: enums.BoolExprType) -> list[Node]:
    """The parts of an AND, or of an OR, however nested; without recursion, as nests may be deep."""
    parts, stack = [], [condition] if condition is not None else []
    while stack:
        node = stack.pop()
        if isinstance(node, ast.BoolExpr) and node.boolop == boolop:
            stack.extend(reversed(node.args))
        else:
            parts.append(node)
    return parts


def column_names(root: Node | tuple[Node, ...] | None) -> Iterator[str]:
    """Of every column named below, of whatever table, as often as it is; ``*`` names none."""
    for node in walk(root):
        if isinstance(node, ast.ColumnRef) and isinstance(node.fields[-1], ast.String):
            yield node.fields[-1].sval


def without_casts(node: Node) -> Node:
    """``x`` of ``x::type`` and ``x COLLATE c``, however often wrapped."""
    while isinstance(node, (ast.TypeCast, ast.CollateClause)):
        node = node.arg
    return node


def only_element(node: Node) -> Node | None:
    """``x`` of ``ARRAY[x]``."""
    inner = without_casts(node)
    return inner.elements[0] if isinstance(inner, ast.A_ArrayExpr) and len(inner.elements or ()) == 1 else None


def name_parts(names: tuple[Node, ...] | None) -> tuple[str, ...]:
    """A qualified name's strings: of a function, an operator, a type."""
    return tuple(part.sval for part in names or () if isinstance(part, ast.String))


def function_name(call: Node) -> str:
    """Last part of a FuncCall's name."""
    return (name_parts(call.funcname) or ("",))[-1]


def operator_name(expression: Node) -> str:
    """Last part of an A_Expr's operator: ``=``."""
    return (name_parts(expression.name) or ("",))[-1]


def written(node: Node) -> str | None:
    """A tree as SQL; None where pglast's printer, which has gaps and raises anything there, cannot write it."""
    try:
        text: str = RawStream()(node)
    except FAULTS:
        return None
    return text


def text_of(node: Node) -> str:
    """An expression as SQL; the name of its kind where it cannot be written."""
    text = written(node)
    return type(node).__name__ if text is None else text
