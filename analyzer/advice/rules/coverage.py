"""Whether an index that exists already does what a statement needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.advice.definition import IndexColumn
from analyzer.advice.thresholds import ASSUMED_LIMIT_ROWS, FEW_ROWS, MAX_ROWS_READ_IN_ORDER
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.statements.index_expressions import are_same, comparable
from analyzer.statements.predicates import query_blocks
from analyzer.statements.tree import Unparsable, conjuncts, parse, text_of
from analyzer.values.selectivity import equality_selectivity, rarest_selectivity

C_COLLATION_OID = 950  # pg_collation.dat
NULL_TESTS = frozenset({"is_null", "is_not_null"})
JSON_PATHS = "jsonb_path_ops"  # knows @>, @? and @@ of a document, and none of its keys


@dataclass(frozen=True)
class Need:
    """An index a statement would use: ``equality`` columns first, in any order, then ``tail`` in this order.

    ``purpose``: filter, order, join, foreign_key, text (trigrams), contents (GIN). ``kept_ratio`` is the share of the
    table the conditions keep, None when unknown.
    """

    table: TableFacts
    equality: frozenset[str]
    tail: tuple[IndexColumn, ...] = ()
    purpose: str = "filter"
    kept_ratio: float | None = None
    method: str = "btree"
    conditions: frozenset[tuple[str, str]] = frozenset()  # column and operator, where no value is involved

    def __hash__(self) -> int:
        return hash((self.table.oid, self.equality, self.tail, self.purpose, self.method))

    @property
    def column_names(self) -> frozenset[str]:
        return self.equality | {c.name for c in self.tail}


def serving_index(need: Need, indexes: Sequence[IndexFacts]) -> IndexFacts | None:
    """The first of some whole B-trees that covers the need, or leaves little enough to do."""
    trees = [i for i in indexes if i.method == need.method == "btree"]
    return next((i for i in trees if covers(need, i) or _good_enough(need, i)), None)


def served_by(need: Need) -> str | None:
    """A sentence naming what serves the need already; None where nothing does."""
    table = need.table
    if need.method != "btree":
        same = (i for i in table.indexes if i.is_usable and i.method == need.method and _same_specialised(need, i))
        index = next((i for i in same if _holds_all(need, i)), None)
        return f"{index.name} on {table.qualified_name} serves it." if index else None
    for key in table.unique_keys:
        if need.purpose != "order" and set(key) <= need.equality:
            return f"It finds rows of {table.qualified_name} by the unique key ({', '.join(key)})."
    usable = [i for i in table.indexes if i.is_usable]
    for index in usable:
        hashed = index.method == "hash" and not need.tail and set(index.columns) == need.equality
        hashed = hashed and not any(operator == "is_null" for _, operator in need.conditions)
        if index.predicate is None and (hashed or (index.method == "btree" and covers(need, index))):
            return f"{index.name} on {table.qualified_name} serves it."
    trees = [i for i in usable if i.method == "btree"]
    partial = (_partial(need, i) for i in trees if i.predicate is not None)
    enough = (
        f"{i.name} on {table.qualified_name} serves it." for i in trees if i.predicate is None and _good_enough(need, i)
    )
    return next((sentence for sentence in (*enough, *partial) if sentence), None)


def covers(need: Need, index: IndexFacts) -> bool:
    """The index leads with the equality columns, in any order, then the tail, forwards or wholly backwards."""
    width = len(need.equality)
    leading = index.columns[:width]
    if None in leading or frozenset(c for c in leading if c) != need.equality or len(leading) != width:
        return False
    if not all(_default_class(index, at) for at in range(width)):
        return False
    return _delivers(need.tail, index, width, ordered=need.purpose == "order")


def _delivers(tail: Sequence[IndexColumn], index: IndexFacts, start: int, *, ordered: bool) -> bool:
    keys = _keys(index)[start : start + len(tail)]
    if keys != [comparable(c.name) if c.is_expression else c.name for c in tail]:
        return False
    written = _written(index)[start : start + len(tail)]
    if not all(are_same(key, column.name) for key, column in zip(written, tail, strict=True) if column.is_expression):
        return False
    for offset, column in enumerate(tail):
        if column.opclass is None:
            if not _default_class(index, start + offset):
                return False
        elif not _compares_bytes(index, start + offset):
            return False
    if not ordered:
        return True
    options = index.options or (0,) * len(index.columns)
    return any(
        all(_option(column, backwards) == options[start + offset] for offset, column in enumerate(tail))
        for backwards in (False, True)
    )


def _option(column: IndexColumn, backwards: bool) -> int:
    """pg_index.indoption of a column: 1 DESC, 2 NULLS FIRST; both flip when an index is read backwards."""
    nulls_first = column.descending if column.nulls_first is None else column.nulls_first
    return (1 if column.descending != backwards else 0) | (2 if nulls_first != backwards else 0)


def _keys(index: IndexFacts) -> list[str]:
    """Column names, and expressions without casts where they stand."""
    return [
        written if name is not None else comparable(written)
        for name, written in zip(index.columns, _written(index), strict=True)
    ]


def _written(index: IndexFacts) -> list[str]:
    """Column names, and expressions as the catalog has them."""
    expressions = iter(index.expressions)
    return [name if name is not None else next(expressions, "?") for name in index.columns]


def _compares_bytes(index: IndexFacts, at: int) -> bool:
    """text_pattern_ops, varchar_pattern_ops (one family), or the C collation: what a prefix search needs."""
    if at < len(index.opclasses) and "pattern_ops" in index.opclasses[at]:
        return True
    return _default_class(index, at) and at < len(index.collations) and index.collations[at] == C_COLLATION_OID


def _default_class(index: IndexFacts, at: int) -> bool:
    return at >= len(index.is_default_opclass) or index.is_default_opclass[at]


def _good_enough(need: Need, index: IndexFacts) -> bool:
    """A shorter or other index that already leaves so few rows that the rest costs nothing."""
    rows = need.table.rows
    if rows is None:
        return False
    left = rows
    used = 0
    for at, name in enumerate(index.columns):
        fact = need.table.column(name) if name in need.equality else None
        share = equality_selectivity(fact) if fact else None
        if share is None or not _default_class(index, at):
            break
        left *= share
        used += 1
    if used and left <= FEW_ROWS:
        return True
    if need.purpose == "order" and need.tail and not used and need.equality:
        # in the right order, the equality columns filtered on the way: LIMIT / selectivity rows are read
        share_kept = 1.0
        for name in need.equality:
            fact = need.table.column(name)
            one = rarest_selectivity(fact) if fact else None
            share_kept *= one if one is not None else 0.0
        few = share_kept > 0 and ASSUMED_LIMIT_ROWS / share_kept <= MAX_ROWS_READ_IN_ORDER
        return few and _delivers(need.tail, index, 0, ordered=True)
    return False


def _partial(need: Need, index: IndexFacts) -> str | None:
    """A partial index over the same columns was made for this very question; with ``$1`` nobody can be sure."""
    wanted = predicate_conditions(index.predicate or "")
    if wanted is None:
        return None
    implied = _implied(need)
    answered = {column for column, operator in wanted & need.conditions if operator != "is_not_null"}
    if wanted <= implied:
        without = Need(need.table, need.equality - answered, need.tail, need.purpose, need.kept_ratio)
        if covers(need, index) or covers(without, index):
            return f"{index.name} on {need.table.qualified_name} serves it."
    if need.purpose == "foreign_key":
        return None  # any value may be asked for
    open_ones = wanted - implied
    columns = {column for column, _ in open_ones}
    of_values = columns <= _compared(need) and all(operator not in NULL_TESTS for _, operator in open_ones)
    rest = need.equality - columns - answered
    if of_values and columns & need.equality and covers(
        Need(need.table, rest, need.tail, need.purpose, need.kept_ratio), index
    ):  # fmt: skip
        return (
            f"The partial index {index.name} on {need.table.qualified_name} (WHERE {index.predicate}) serves it for the"
            " values it was made for; whether these are the ones asked for cannot be told from $1."
        )
    return None


def _implied(need: Need) -> frozenset[tuple[str, str]]:
    """Column and operator of conditions that hold for all rows asked for: no comparison does for a NULL."""
    return need.conditions | {(name, "is_not_null") for name in _compared(need)}


def _compared(need: Need) -> frozenset[str]:
    """Columns that are compared with a value, which those of ORDER BY and of IS NULL are not."""
    names = need.equality if need.purpose == "order" else need.column_names
    return names - {name for name, operator in need.conditions if operator == "is_null"}


def _holds_all(need: Need, index: IndexFacts) -> bool:
    """Whether all rows asked for are in it."""
    wanted = frozenset() if index.predicate is None else predicate_conditions(index.predicate)
    return wanted is not None and wanted <= _implied(need)


def predicate_conditions(predicate: str) -> frozenset[tuple[str, str]] | None:
    """Column, or an expression over it, and operator of each condition of a partial index; None where one cannot be
    read."""
    statements = parse(f"SELECT FROM t WHERE {predicate}")
    if isinstance(statements, Unparsable):
        return None
    conditions: set[tuple[str, str]] = set()
    for conjunct in conjuncts(statements[0].stmt.whereClause):
        blocks = query_blocks(f"SELECT FROM t WHERE {text_of(conjunct)}")
        predicates = blocks[0].tables[0].predicates if blocks and blocks[0].tables else ()
        if not predicates:
            return None  # columns compared with each other
        conditions |= {(p.column if p.expression is None else p.expression, p.operator) for p in predicates}
    return frozenset(conditions)


def _same_specialised(need: Need, index: IndexFacts) -> bool:
    wanted = need.tail[0] if need.tail else None
    name = None if wanted is None else comparable(wanted.name) if wanted.is_expression else wanted.name
    keys = _keys(index)
    if wanted is None or name not in keys:
        return False
    at = keys.index(name)
    is_same = not wanted.is_expression or are_same(_written(index)[at], wanted.name)
    return is_same and _knows(index, at, wanted.opclass)


def _knows(index: IndexFacts, at: int, opclass: str | None) -> bool:
    """Whether the operator class that a key has knows what the wanted one does; None: the type's default."""
    has = index.opclasses[at] if at < len(index.opclasses) else ""
    if not has:
        return True  # not read
    if opclass is None:
        return has != JSON_PATHS  # others know more than the default does
    return has == opclass or (opclass == JSON_PATHS and _default_class(index, at))
