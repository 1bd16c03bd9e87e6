"""What an expression in a plan compares: EXPLAIN's text as columns, operators and the kinds of the other sides.

EXPLAIN prints SQL that PostgreSQL's parser takes, but for its references to subplans (``(hashed SubPlan 1)`` up to 16,
``(ANY (a = (hashed SubPlan 1).col1))`` since 17, ``(InitPlan 1).col1``) and windows (``OVER (?)``): those are put into
words it takes. Constants are redacted before anything is kept. A text that does not parse has no reading: ``None``.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache

from pglast import ast, enums

from analyzer.plans.condition_text import ANY, HASHED, INITPLAN, OWN_WORDS, SUBPLAN, parsable, pieces
from analyzer.plans.condition_tree import (
    AND,
    OR,
    Around,
    ColumnName,
    Node,
    OtherSide,
    columns_in,
    functions_in,
    kind_of,
    parts,
    sides,
)
from analyzer.plans.literals import masked_string, replace_literals
from analyzer.statements.time_calls import TimeCall, time_calls
from analyzer.statements.tree import Unparsable, fresh_parse, function_name, walk, without_casts

MOST_CHARACTERS = 20_000  # without its strings: a longer one says nothing that fits a sentence
ELEMENT = re.compile(r'"(?:[^"\\]|\\.)*"|[^,{}"]+')
SORT_SUFFIX = re.compile(r"(?:\s+(?P<down>DESC)|\s+USING\s+\S+)?(?:\s+NULLS\s+(?P<nulls>FIRST|LAST))?\Z")
MARK = "\x01"  # around the number of a literal; no expression of PostgreSQL's holds it unquoted
COLLATED = re.compile(r"\sCOLLATE\s")
PATTERNS = ("~~", "~~*", "!~~", "!~~*")


@dataclass(frozen=True, slots=True)
class StringFacts:
    """What is kept of a string: of an array ``'{a,b}'`` how many elements; whether a pattern starts with a wildcard."""

    elements: int | None
    leading_wildcard: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """One of the conditions that all must hold.

    ``columns`` are those of ``side``, the side that is compared; a plain comparison has one, not wrapped in anything.
    ``(date_trunc('day', t) = $1)``: columns t, functions date_trunc, operator =, other ``parameter``.
    """

    text: str  # redacted
    columns: tuple[ColumnName, ...]
    operator: str  # "=", "<", "~~", "= ANY", "IS NULL", "IS NOT NULL", "OR"; "" for a bare boolean expression
    other: OtherSide
    other_columns: tuple[ColumnName, ...] = ()
    functions: tuple[str, ...] = ()  # around the columns, the outermost first
    other_functions: tuple[str, ...] = ()  # on the other side, anywhere
    around_other: Around | None = None  # what stands around its columns
    operators: tuple[str, ...] = ()  # around the columns: ``(a + 1) = 5`` has "+"
    casts: tuple[str, ...] = ()  # types the columns are cast to, the outermost first: "numeric", "text"
    is_negated: bool = False  # below a NOT
    elements: int | None = None  # of the list behind = ANY, where it is printed
    leading_wildcard: bool = False  # LIKE '%...'

    @property
    def column(self) -> ColumnName | None:
        """The one column that is compared as it is; None where it is wrapped, or where there are several."""
        wrapped = self.functions or self.operators or self.casts or len(self.columns) != 1
        return None if wrapped else self.columns[0]

    @property
    def names_collation(self) -> bool:
        """Only an index in that collation serves it."""
        return COLLATED.search(self.text) is not None


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression of a plan, read."""

    text: str  # redacted
    columns: tuple[ColumnName, ...]  # every one once, in the order named
    comparisons: tuple[Comparison, ...]  # what AND joins at the top
    alternatives: tuple[tuple[tuple[Comparison, ...], ...], ...]  # of each OR among them its arms, joined by AND
    functions: frozenset[str]  # every function called
    subplans: frozenset[int] = frozenset()  # referred to, and not hashed
    hashed_subplans: frozenset[int] = frozenset()
    initplans: frozenset[int] = frozenset()  # from 17; up to 16 they are among the parameters
    parameters: frozenset[int] = frozenset()  # $n: of the statement, of an InitPlan (to 16), of a nested loop's outer
    time_calls: tuple[TimeCall, ...] = ()

    @property
    def aliases(self) -> frozenset[str]:
        return frozenset(column.alias for column in self.columns if column.alias)


_kept: ContextVar[dict[str, Condition | None] | None] = ContextVar("kept", default=None)


@dataclass(frozen=True, slots=True)
class SortKey:
    condition: Condition
    is_descending: bool
    nulls_first: bool

    @property
    def column(self) -> ColumnName | None:
        """None for an expression."""
        only = self.condition.comparisons[0] if len(self.condition.comparisons) == 1 else None
        return only.column if only is not None and not only.operator else None


@contextmanager
def readings_kept() -> Iterator[None]:
    """Inside, a text is read once: the checks of one plan ask for the same conditions. Nothing is kept behind it."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def read_condition(text: str) -> Condition | None:
    """``Filter``, ``Index Cond``, ``Join Filter``, ``Hash Cond`` and the like; None where it does not parse."""
    kept = _kept.get()
    if kept is None:
        return _read_text(text)
    if text not in kept:
        kept[text] = _read_text(text)
    return kept[text]


def _read_text(text: str) -> Condition | None:
    literals: list[str] = []

    def marked(literal: str) -> str:
        literals.append(literal)
        return f"{MARK}{len(literals) - 1}{MARK}"

    # found once, and put into two texts: one that is parsed, and one to show
    scanned = replace_literals(
        text.replace(MARK, " "), string=marked, number=f"{MARK}n{MARK}", comment=f"{MARK}c{MARK}", keep_parts=True
    )
    parts = scanned.split(MARK)
    read, redacted = parts[:], parts
    for at in range(1, len(parts), 2):
        kind = parts[at]
        if kind == "n":
            read[at], redacted[at] = "0", "?"
        elif kind == "c":
            read[at], redacted[at] = " ", "/* ? */"
        else:
            read[at], redacted[at] = f"'?{kind}'", masked_string(literals[int(kind)])
    numberless = "".join(read)
    if len(numberless) > MOST_CHARACTERS or "_explain_" in numberless:  # our own words for subplans
        return None
    return _read(numberless, tuple(map(_literal, literals)), "".join(redacted))


@lru_cache(maxsize=1024)  # a partitioned table's scans print the same a thousand times
def _read(numberless: str, literals: tuple[StringFacts, ...], text: str) -> Condition | None:
    """Keyed by texts without values."""
    tree = _tree(numberless)
    return None if tree is None else _Reader(literals).condition(tree, text)


def read_sort_key(text: str) -> SortKey | None:
    """One entry of ``Sort Key``, ``Presorted Key``, ``Group Key``: ``o.created_at DESC NULLS LAST``."""
    suffix = SORT_SUFFIX.search(text)
    condition = read_condition(text[: suffix.start()] if suffix else text)
    if condition is None:
        return None
    down = bool(suffix and suffix["down"])
    nulls = suffix["nulls"] if suffix else None
    return SortKey(condition, down, nulls == "FIRST" if nulls else down)


def _tree(text: str) -> Node | None:
    statements = fresh_parse(f"SELECT {parsable(text)}")
    if isinstance(statements, Unparsable) or len(statements) != 1:
        return None
    select = statements[0].stmt
    if not isinstance(select, ast.SelectStmt) or select.fromClause or select.whereClause or select.larg:
        return None
    targets: tuple[Node, ...] = select.targetList or ()
    return targets[0].val if len(targets) == 1 and targets[0].name is None else None


def _literal(text: str) -> StringFacts:
    body = text[text.find("'") + 1 :].removesuffix("'")
    if not (body.startswith("{") and body.endswith("}")):
        return StringFacts(None, body.startswith(("%", "_")))
    inside = body[1:-1]
    return StringFacts(0 if not inside else sum(1 for _ in ELEMENT.finditer(inside)), False)


class _Reader:
    def __init__(self, literals: tuple[StringFacts, ...]) -> None:
        self.literals = literals

    def condition(self, tree: Node, text: str) -> Condition:
        nodes = list(walk(tree))
        calls = [(function_name(n), n) for n in nodes if isinstance(n, ast.FuncCall)]

        def numbers(name: str) -> frozenset[int]:
            return frozenset(call.args[0].val.ival for word, call in calls if word == name)

        conjuncts = list(self._joined(tree, text, AND))
        choices = [part for part in conjuncts if isinstance(part[0], ast.BoolExpr) and part[0].boolop == OR]
        return Condition(
            text=text,
            columns=columns_in(nodes),
            comparisons=self._comparisons(tree, text),
            alternatives=tuple(
                tuple(self._comparisons(arm, arm_text) for arm, arm_text in self._joined(either, either_text, OR))
                for either, either_text in choices
            ),
            functions=frozenset(word for word, _ in calls if word not in OWN_WORDS),
            subplans=numbers(SUBPLAN),
            hashed_subplans=numbers(HASHED),
            initplans=numbers(INITPLAN),
            parameters=frozenset(n.number for n in nodes if isinstance(n, ast.ParamRef)),
            time_calls=tuple(time_calls(call for _, call in calls)),
        )

    def _joined(self, tree: Node, text: str, joined_by: enums.BoolExprType) -> Iterator[tuple[Node, str]]:
        """What AND or OR joins, each with its text; with the whole's where the text is cut another way."""
        joined = list(parts(tree, joined_by))
        texts = pieces(text, "AND" if joined_by == AND else "OR")
        yield from zip(joined, texts if len(texts) == len(joined) else [text] * len(joined), strict=True)

    def _comparisons(self, tree: Node, text: str) -> tuple[Comparison, ...]:
        return tuple(self._comparison(part, words) for part, words in self._joined(tree, text, AND))

    def _comparison(self, tree: Node, text: str) -> Comparison:
        negated, compared = False, tree
        while True:
            if isinstance(compared, ast.BoolExpr) and compared.boolop == enums.BoolExprType.NOT_EXPR:
                negated, compared = not negated, compared.args[0]
            elif isinstance(compared, ast.FuncCall) and function_name(compared) == ANY:
                compared = compared.args[0]
            else:
                break
        side, operator, other = sides(compared)
        nodes, other_nodes = list(walk(side)), list(walk(other)) if other is not None else []
        columns, other_columns = columns_in(nodes), columns_in(other_nodes)
        own = Around.of(nodes, columns)
        constant = without_casts(other) if other is not None else None
        literal = None
        if isinstance(constant, ast.A_Const) and isinstance(constant.val, ast.String):
            literal = self._literal_of(constant.val.sval)
        elements = literal.elements if literal else None
        if isinstance(constant, ast.A_ArrayExpr):
            elements = len(constant.elements or ())
        return Comparison(
            text=text,
            columns=columns,
            operator=operator,
            other=kind_of(side, other),
            other_columns=other_columns,
            functions=own.functions,
            other_functions=functions_in(other_nodes),
            around_other=Around.of(other_nodes, other_columns) if other_columns else None,
            operators=own.operators,
            casts=own.casts,
            is_negated=negated,
            elements=elements if operator.endswith((" ANY", " ALL")) else None,
            leading_wildcard=bool(literal and literal.leading_wildcard and operator in PATTERNS),
        )

    def _literal_of(self, numbered: str) -> StringFacts | None:
        number = numbered.removeprefix("?")
        return self.literals[int(number)] if number.isdigit() and int(number) < len(self.literals) else None
