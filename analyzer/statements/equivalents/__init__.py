"""Statements written otherwise that give the same rows, NULLs and duplicates included, and can be planned better.

One module a kind. Each changes the parse tree and is offered only where the schema proves that nothing else changes, or
says what has to hold beside it (``given``); what comes out is parsed again, and has to be the tree that was meant.
Paging by keys instead of OFFSET is no equivalent, but built alike (``keyset``).
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache

from pglast import ast, enums
from pglast.stream import IndentedStream, RawStream

from analyzer.errors import FAULTS
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.equivalents.build import form
from analyzer.statements.equivalents.column_range import column_to_range
from analyzer.statements.equivalents.count_exists import count_to_exists
from analyzer.statements.equivalents.disjoint_union import union_to_all
from analyzer.statements.equivalents.distinct_exists import distinct_to_exists
from analyzer.statements.equivalents.fenced_query import fence_to_plain_query
from analyzer.statements.equivalents.first_of_group import window_to_first_rows
from analyzer.statements.equivalents.idle_distinct import distinct_to_plain_list
from analyzer.statements.equivalents.interval_side import interval_to_other_side
from analyzer.statements.equivalents.keyset import offset_to_keyset
from analyzer.statements.equivalents.not_in import in_to_exists, not_in_to_not_exists
from analyzer.statements.equivalents.notes import ANY_LENGTH, Notes
from analyzer.statements.equivalents.numbering import numbered_again
from analyzer.statements.equivalents.or_union import or_to_union
from analyzer.statements.equivalents.subquery_join import subquery_to_join
from analyzer.statements.preparable import preparable_sql
from analyzer.statements.secrets import LIST_MARK
from analyzer.statements.tree import Node, Unparsable, fresh_parse, operator_name, parse, walk
from analyzer.words.visible import visible_line

logger = logging.getLogger(__name__)

BROKEN_LIST = re.compile(r",\n +(?=\$\d+[,)])")  # the pretty printer gives each parameter a line
Change = Callable[[Node, SchemaFacts, Notes], bool]  # of one of BLOCKS
NOT_IN, COUNT = "NOT IN as NOT EXISTS", "count(*) as EXISTS"
RANGE, INTERVAL = "a column's day or year as a range", "interval on the other side"
OR, SUBQUERY = "OR as UNION ALL", "subquery as a join"
FIRST_ROWS, DISTINCT_JOIN = "first rows without numbering all", "DISTINCT after a join as EXISTS"
LIST, UNION = "a list without DISTINCT", "UNION as UNION ALL"
IN_LIST, FENCE = "IN as EXISTS", "WITH without MATERIALIZED"
KINDS: dict[str, Change] = {
    NOT_IN: not_in_to_not_exists,
    COUNT: count_to_exists,
    RANGE: column_to_range,
    INTERVAL: interval_to_other_side,
    OR: or_to_union,
    SUBQUERY: subquery_to_join,
    FIRST_ROWS: window_to_first_rows,
    DISTINCT_JOIN: distinct_to_exists,
    LIST: distinct_to_plain_list,
    UNION: union_to_all,
    IN_LIST: in_to_exists,
    FENCE: fence_to_plain_query,
}
# what a statement has to hold for a kind to change anything: looked for once, in the tree that all share
SUBLINK, CALL, SUM, ALTERNATIVES, WINDOW, DISTINCT, BOTH, WITH = (
    "sublink", "call", "+", "or", "over", "distinct", "union", "with",
)  # fmt: skip
NEEDED = {
    NOT_IN: SUBLINK, COUNT: SUBLINK, RANGE: CALL, INTERVAL: SUM, OR: ALTERNATIVES, SUBQUERY: SUBLINK,
    FIRST_ROWS: WINDOW, DISTINCT_JOIN: DISTINCT, LIST: DISTINCT, UNION: BOTH,
    IN_LIST: SUBLINK, FENCE: WITH,
}  # fmt: skip
NOTHING: Mapping[int, str] = {}
# what a kind changes, alone or within the statement
WRITING = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)
BLOCKS: dict[str, tuple[type, ...]] = dict.fromkeys(KINDS, (ast.SelectStmt,)) | dict.fromkeys(
    (NOT_IN, IN_LIST, SUBQUERY, FENCE), WRITING
)
OF_THE_WHOLE = frozenset({OR})  # of a subquery's OR the planner knows more than a UNION would tell it


@dataclass(frozen=True, slots=True)
class Equivalent:
    """``assumptions``: what has to hold for the same rows, that the schema cannot tell.

    ``forms``: which of the forms of its kind were written (``notes.py``), each once.
    """

    kind: str
    sql: str
    assumptions: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()

    @property
    def laid_out(self) -> str:
        """The statement in lines, for people, with its semicolon; in one where it is too deep for that."""
        try:
            return self._in_lines()
        except FAULTS:  # the printer's: the statement itself was written
            return f"{self.sql};"

    def _in_lines(self) -> str:
        parsed = fresh_parse(self.sql)
        if isinstance(parsed, Unparsable):
            return f"{self.sql};"
        lines = IndentedStream(comma_at_eoln=True, special_functions=True)(parsed[0].stmt).splitlines()
        text = "\n".join(line.rstrip() for line in lines if line.strip())
        text = BROKEN_LIST.sub(", ", text)
        again = fresh_parse(text)  # a line may have been a constant's
        is_same = not isinstance(again, Unparsable) and form(again[0].stmt) == form(parsed[0].stmt)
        return f"{text if is_same else self.sql};"


@dataclass(frozen=True, slots=True)
class NotRewritten:
    """``reasons``: why what is of the kind was left as it is; () where nothing of the statement is."""

    kind: str
    reasons: tuple[str, ...] = ()


_kept: ContextVar[dict[tuple[object, ...], Equivalent | NotRewritten] | None] = ContextVar("kept", default=None)


def equivalents(sql: str, facts: SchemaFacts) -> tuple[Equivalent, ...]:
    """One for each kind that changes something; () for more than one statement."""
    return tuple(rewrite for kind in KINDS if (rewrite := equivalent(kind, sql, facts)) is not None)


def why_none(sql: str, facts: SchemaFacts) -> tuple[NotRewritten, ...]:
    """Of each kind that the statement holds something of, why that was left as it is."""
    found = [rewritten(kind, sql, facts) for kind in KINDS]
    return tuple(each for each in found if isinstance(each, NotRewritten) and each.reasons)


def equivalent(kind: str, sql: str, facts: SchemaFacts) -> Equivalent | None:
    found = rewritten(kind, sql, facts)
    return found if isinstance(found, Equivalent) else None


def rewritten(kind: str, sql: str, facts: SchemaFacts, parts: Mapping[int, str] = NOTHING) -> Equivalent | NotRewritten:
    """``parts``: parameter -> the part of a time that it holds in the plan at hand."""
    kept = _kept.get()
    key = (kind, sql, id(facts), tuple(parts.items()))
    if kept is not None and key in kept:
        return kept[key]
    found = _changed(kind, KINDS[kind], sql, facts, parts, whole=kind in OF_THE_WHOLE)
    if kept is not None:
        kept[key] = found
    return found


@contextmanager
def rewrites_kept() -> Iterator[None]:
    """Inside, where facts stay what they are, a statement is rewritten once for a kind: a plan's findings ask again."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def keyset(sql: str, facts: SchemaFacts) -> Equivalent | NotRewritten:
    """The statement that asks for the rows after the last one of the page before, whose values are parameters more."""
    return _changed("keyset pagination", offset_to_keyset, sql, facts, NOTHING, whole=True)


def _readable(sql: str, facts: SchemaFacts) -> str:
    """``interval $1``, which no server parses, as ``$1::interval``; any other text as it is."""
    if not isinstance(parse(sql), Unparsable):
        return sql
    written = preparable_sql(sql, facts=facts)
    is_same = all(rewrite.kind == "typed_literal" for rewrite in written.rewrites)
    return written.sql if written.sql is not None and is_same else sql


def _without(facts: SchemaFacts, names: Collection[str]) -> SchemaFacts:
    """With the tables of these names nameless, so that no statement finds them; what they inherit from stays known."""
    if not any(facts.tables_named(name) for name in names):
        return facts
    return replace(facts, tables=tuple(replace(each, name="") if each.name in names else each for each in facts))


def _of_several(nodes: list[Node], facts: SchemaFacts) -> list[str]:
    """Names without a schema that stand for tables which are not alike: only the session's search_path tells which."""
    names = {node.relname for node in nodes if isinstance(node, ast.RangeVar) and not node.schemaname}
    return sorted(name for name in names if len({_shape(each, facts) for each in facts.tables_named(name)}) > 1)


def _shape(table: TableFacts, facts: SchemaFacts) -> object:
    """What a rewrite looks at, but for foreign keys (``rows_of_group.py``)."""
    columns = tuple(
        (each.number, each.name, each.type_oid, each.not_null, each.compares_bytes) for each in table.columns
    )
    keys = (table.primary_key, frozenset(table.unique_keys))
    constraints = None if table.constraints is None else frozenset(
        (known.kind, known.columns, known.is_validated, known.is_deferrable) for known in table.constraints
    )  # fmt: skip
    return table.kind, columns, keys, constraints, bool(facts.heirs(table))


def _changed(
    kind: str, change: Change, sql: str, facts: SchemaFacts, parts: Mapping[int, str], *, whole: bool
) -> Equivalent | NotRewritten:
    try:
        return _written(kind, change, sql, facts, Notes(parts=parts), whole=whole)
    except (RecursionError, NotImplementedError):
        return NotRewritten(kind, ("it is nested too deeply, or holds what cannot be written out",))
    except FAULTS as error:
        logger.exception("A statement could not be written otherwise: %s", kind)
        return NotRewritten(kind, (f"pgLoupe could not work on it ({type(error).__name__})",))


@lru_cache(maxsize=512)
def _held(sql: str) -> frozenset[str]:
    """Of what ``NEEDED`` names; all of it where the text cannot be read."""
    statements = parse(sql)
    if isinstance(statements, Unparsable):
        return frozenset(NEEDED.values())
    return frozenset(word for node in walk(statements) if (word := _needed(node)))


def _needed(node: Node) -> str:
    match node:
        case ast.SubLink():
            return SUBLINK
        case ast.FuncCall():
            return WINDOW if node.over else CALL
        case ast.TypeCast():
            return CALL
        case ast.A_Expr() if operator_name(node) in ("+", "-"):
            return SUM
        case ast.BoolExpr() if node.boolop == enums.BoolExprType.OR_EXPR:
            return ALTERNATIVES
        case ast.CommonTableExpr():
            return WITH
        case ast.SelectStmt() if node.distinctClause:
            return DISTINCT
        case ast.SelectStmt() if node.op == enums.SetOperation.SETOP_UNION:
            return BOTH
    return ""


def _written(
    kind: str, change: Change, sql: str, facts: SchemaFacts, notes: Notes, *, whole: bool
) -> Equivalent | NotRewritten:
    readable = _readable(sql, facts)
    if kind in NEEDED and NEEDED[kind] not in _held(readable):
        return NotRewritten(kind)
    statements = fresh_parse(readable)
    blocks = BLOCKS.get(kind, (ast.SelectStmt,))
    if isinstance(statements, Unparsable) or len(statements) != 1 or not isinstance(statements[0].stmt, blocks):
        return NotRewritten(kind)
    statement = statements[0].stmt
    nodes = list(walk((statement,)))
    of_several = _of_several(nodes, facts)
    # which of both a name stands for that a WITH query and a table have is not looked at
    facts = _without(facts, {*of_several, *(n.ctename for n in nodes if isinstance(n, ast.CommonTableExpr))})
    selects = [node for node in nodes if isinstance(node, blocks)]
    if LIST_MARK in sql:
        notes.need(ANY_LENGTH)
    notes.whole = statement
    notes.locks_rows = any(isinstance(node, ast.SelectStmt) and node.lockingClause for node in nodes)
    given = Counter(node.number for node in nodes if isinstance(node, ast.ParamRef))
    changed = [change(select, facts, notes) for select in ([statement] if whole else selects)]
    if not any(changed):
        unclear = [visible_line(f"{quote_identifier(name)} is in several schemas, not alike") for name in of_several]
        return NotRewritten(kind, (*unclear, *notes.why_not) if notes.why_not else ())
    if not numbered_again(statement, given, notes):
        return NotRewritten(kind, tuple(notes.why_not[-1:]))
    written = RawStream(special_functions=True)(statement)
    again = fresh_parse(written)
    if isinstance(again, Unparsable) or form(again[0].stmt) != form(statement):
        return NotRewritten(kind, ("it cannot be written so that PostgreSQL reads what is meant",))
    return Equivalent(kind, written, tuple(notes.assumptions), tuple(notes.forms))
