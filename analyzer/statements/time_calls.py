"""Which part of a time a statement asks for: date_trunc('month', t), EXTRACT(year FROM t).

pg_stat_statements makes the part a parameter (``extract($1 from t)``); the condition of a plan has it written out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pglast import ast, enums

from analyzer.statements.tree import Node, Unparsable, name_parts, parse, walk, walk_block, without_casts, written

PART_FUNCTIONS = ("date_trunc", "date_part", "extract")
# what PostgreSQL calls the parts of a time; the manual's chapter "Date/Time Functions and Operators"
TIME_PARTS = frozenset((
    "century", "day", "decade", "dow", "doy", "epoch", "hour", "isodow", "isoyear", "julian", "microseconds",
    "millennium", "milliseconds", "minute", "month", "quarter", "second", "timezone", "timezone_hour",
    "timezone_minute", "week", "year",
))  # fmt: skip
KIND = enums.A_Expr_Kind
# how often more a plan has the left side of it: a >= b AND a <= c
BETWEEN = {
    KIND.AEXPR_BETWEEN: 1, KIND.AEXPR_NOT_BETWEEN: 1, KIND.AEXPR_BETWEEN_SYM: 3, KIND.AEXPR_NOT_BETWEEN_SYM: 3,
}  # fmt: skip
READ = (ast.RangeVar, ast.RangeFunction)


@dataclass(frozen=True, slots=True)
class TimeCall:
    """``part``: the word, or the number of the parameter that holds it. ``of``: what it is taken from, as SQL."""

    function: str  # EXTRACT is date_part, as servers up to 13 print it
    part: str | int
    of: str
    table: str | None = None  # before the column


def time_calls(nodes: Iterable[Node]) -> Iterator[TimeCall]:
    for node in nodes:
        if not isinstance(node, ast.FuncCall) or len(node.args or ()) != 2:
            continue
        *schema, name = name_parts(node.funcname) or ("",)
        part = _part(node.args[0])
        of = _without_table(node.args[1]) if name in PART_FUNCTIONS and schema in ([], ["pg_catalog"]) else None
        if part is not None and of is not None:
            yield TimeCall("date_part" if name == "extract" else name, part, of, _table(node.args[1]))


def _part(node: Node) -> str | int | None:
    bare = node.arg if isinstance(node, ast.TypeCast) else node
    if isinstance(bare, ast.ParamRef):
        return int(bare.number)
    if isinstance(bare, ast.A_Const) and isinstance(bare.val, ast.String) and bare.val.sval.lower() in TIME_PARTS:
        return str(bare.val.sval.lower())
    return None


def _without_table(node: Node) -> str | None:
    """As SQL without the casts that a plan adds; a column without its table, which it leaves out where there is one."""
    bare = without_casts(node)
    if isinstance(bare, ast.ColumnRef):
        return (name_parts(bare.fields) or ("*",))[-1]
    return written(bare)


def _table(node: Node) -> str | None:
    bare = without_casts(node)
    names = name_parts(bare.fields) if isinstance(bare, ast.ColumnRef) else ()
    return names[-2] if len(names) > 1 else None


def parts_in_plan(sql: str, planned: Iterable[TimeCall]) -> dict[int, str]:
    """Parameter -> part, of those that a condition of the plan tells; without those of which it leaves a doubt.

    Calls in conditions are compared alone: the plan has to have each as often as the statement, or more often, always
    with the same part; of a column in a statement of several tables both have to name the same table, and no other.
    """
    statements = parse(sql)
    if isinstance(statements, Unparsable):
        return {}
    asked, told = _by_subject(time_calls(_in_conditions(statements))), _by_subject(planned)
    has_tables = sum(isinstance(node, READ) for node in walk(statements)) > 1
    found: dict[int, str] = {}
    for subject, calls in asked.items():
        parts, known = [call.part for call in calls], told.get(subject, [])
        words = {call.part for call in known}
        if len(words) != 1 or len(known) < len(parts) or (has_tables and not _is_of_same_table(calls, known)):
            continue
        (word,) = words
        if isinstance(word, str) and all(part == word for part in parts if isinstance(part, str)):
            found |= {part: word for part in parts if isinstance(part, int)}
    return found


def _by_subject(calls: Iterable[TimeCall]) -> Mapping[tuple[str, str], list[TimeCall]]:
    by_subject: defaultdict[tuple[str, str], list[TimeCall]] = defaultdict(list)
    for call in calls:
        by_subject[call.function, call.of].append(call)
    return by_subject


def _is_of_same_table(calls: Iterable[TimeCall], planned: Iterable[TimeCall]) -> bool:
    """Whether all name one and the same."""
    tables = {call.table for call in (*calls, *planned)}
    return len(tables) == 1 and None not in tables


def _in_conditions(statements: tuple[Node, ...]) -> Iterator[Node]:
    """Of WHERE and ON, each as often as a plan has it."""
    for each in walk(statements):
        for node in walk_block(getattr(each, "whereClause", None) or getattr(each, "quals", None)):
            yield node
            if isinstance(node, ast.A_Expr) and node.kind in BETWEEN:
                yield from walk_block((node.lexpr,) * BETWEEN[node.kind])
