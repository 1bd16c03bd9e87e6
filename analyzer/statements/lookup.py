"""Shapes of N+1: the child that looks rows up by a key, and the parent whose rows bring the keys."""

from dataclasses import dataclass

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.blocks import Predicate, QueryBlock, TableUse
from analyzer.statements.predicates import query_blocks
from analyzer.statements.tree import Unparsable, single_statement

# LIMITs a lookup may have: first(), get() of Django (21) and of others (2)
LOOKUP_LIMITS = frozenset({1, 2, 21})
SHORTENED = "/*, ... */"  # what PostgreSQL 18 leaves of the further values of an IN list


@dataclass(frozen=True, slots=True)
class LookupShape:
    """A SELECT that finds rows of one table by equality.

    ``aggregate``: "count", "sum", ... , "exists", or None for plain rows. ``limit`` is None for no limit
    and where pg_stat_statements put a parameter in its place (``has_limit`` tells which). ``joined``:
    tables joined on, as for a many-to-many relation; the keys are all on ``table``. ``list_columns``: those of
    ``array_columns`` with an IN list of several, which the same statement may have with one value. ``rows_of``: the
    joined table whose rows are returned or counted, by schema and name; None: its own.
    """

    schema: str
    table: str
    key_columns: tuple[str, ...]  # compared by = with a value, sorted
    array_columns: tuple[str, ...]  # compared by = ANY(array) or an IN list: a batch already
    other_columns: tuple[str, ...]  # in further conditions
    aggregate: str | None
    limit: int | None
    has_limit: bool
    columns: frozenset[str] | None  # in the target list; None: all
    joined: tuple[tuple[str, str], ...] = ()
    list_columns: tuple[str, ...] = ()
    rows_of: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ParentTable:
    """``columns``: those of the table in the target list by themselves; None: all of them."""

    alias: str
    schema: str
    table: str
    columns: frozenset[str] | None

    def returns(self, column: str) -> bool:
        return self.columns is None or column in self.columns


@dataclass(frozen=True, slots=True)
class ParentShape:
    tables: tuple[ParentTable, ...]
    has_limit: bool


def repeatable_shapes(sql: str, facts: SchemaFacts | None = None) -> tuple[LookupShape, ...]:
    """How the statement looks rows up, one for each of the joined tables that is looked up by a key of its own.

    Also what else is asked again for each key: groups of its rows, an IN list of one, a whole table, which has no
    ``key_columns``.
    """
    blocks = query_blocks(sql, facts)
    block, aggregate = _looked_up(sql, blocks)
    if block is None:
        return ()
    lists_of_one = SHORTENED not in sql
    shapes = _shapes(block, "group" if block.is_grouped else aggregate, lists_of_one=lists_of_one)
    single = tuple(t for t in block.tables if not t.predicates)
    if not shapes and len(block.tables) == len(single) == len(blocks) == 1 and not block.has_limit | block.is_grouped:
        table = single[0]
        return (LookupShape(table.schema, table.name, (), (), (), aggregate, None, False, table.selected),)
    return shapes


def condition_shape(sql: str, facts: SchemaFacts | None = None) -> LookupShape | None:
    """What the statement asks of the first table that it compares with values in any way; it has no ``key_columns``.

    None for pages of a list, groups, and what locks rows or names no such table.
    """
    block, aggregate = _looked_up(sql, query_blocks(sql, facts))
    if block is None or block.kind != "select" or block.is_locking or block.is_grouped or block.has_offset:
        return None
    if block.has_other_sources or (block.limit is not None and block.limit not in LOOKUP_LIMITS):
        return None
    for table in block.tables:
        columns = tuple(sorted({p.column for p in table.predicates if p.joined is None and p.parameters}))
        if columns:
            return LookupShape(
                table.schema, table.name, (), (), columns, aggregate, block.limit, block.has_limit, table.selected,
                rows_of=_rows_of(block, table),
            )  # fmt: skip
    return None


def _shapes(block: QueryBlock, aggregate: str | None, *, lists_of_one: bool = False) -> tuple[LookupShape, ...]:
    if block.kind != "select" or block.is_locking or not block.tables:
        return ()
    if block.has_other_sources or block.has_offset or block.distinct_on:
        return ()
    if block.has_limit and block.limit is not None and block.limit not in LOOKUP_LIMITS:
        return ()
    if len(block.tables) > 1 and not _all_joined(block):
        return ()
    return tuple(
        shape for table in block.tables if (shape := _shape(block, table, aggregate, lists_of_one)) is not None
    )


def _shape(block: QueryBlock, table: TableUse, aggregate: str | None, lists_of_one: bool) -> LookupShape | None:
    values = [p for p in table.predicates if p.joined is None]
    keys = {p.column for p in values if p.operator == "eq" and p.is_bare}
    lists = {p.column for p in values if p.operator == "in" and p.is_bare} - keys
    arrays = {p.column for p in values if p.operator in ("any", "in") and p.is_bare} - keys
    if lists_of_one:
        keys |= {p.column for p in values if p.operator == "in" and p.is_bare and p.value_count == 1}
        arrays -= keys
    if not keys and not arrays:
        return None
    if aggregate is None:
        aggregate = block.aggregates[0] if block.is_aggregate and block.aggregates else None
    if aggregate is None and block.has_limit and all(t.selected == frozenset() for t in block.tables):
        aggregate = "exists"  # SELECT 1 ... LIMIT 1
    others = {p.column for p in values} - keys - arrays
    joined = tuple((t.schema, t.name) for t in block.tables if t is not table)
    return LookupShape(
        table.schema, table.name, tuple(sorted(keys)), tuple(sorted(arrays)), tuple(sorted(others)), aggregate,
        block.limit, block.has_limit, table.selected, joined, tuple(sorted(lists & arrays)),
        _rows_of(block, table),
    )  # fmt: skip


def _rows_of(block: QueryBlock, table: TableUse) -> tuple[str, str] | None:
    first = next((t for t in block.tables if t.selected != frozenset()), block.tables[0])
    return None if first is table else (first.schema, first.name)


def parent_shape(sql: str, facts: SchemaFacts | None = None) -> ParentShape | None:
    """The tables whose columns the statement returns; None unless it is a SELECT from tables."""
    blocks = query_blocks(sql, facts)
    returning = [b for b in blocks if b.kind == "select" and b.role in ("statement", "union", "subquery", "cte")]
    if not any(b.role in ("statement", "union") for b in returning):
        return None
    tables = tuple(
        ParentTable(t.alias, t.schema, t.name, t.selected) for b in returning if not b.is_aggregate for t in b.tables
    )
    return ParentShape(tables, any(b.has_limit for b in returning)) if tables else None


def _looked_up(sql: str, blocks: list[QueryBlock]) -> tuple[QueryBlock | None, str | None]:
    """The one block that reads a table, if narrowed by others.

    ``SELECT EXISTS (SELECT ... WHERE fk = $1)`` and ``SELECT count(*) FROM (SELECT ... WHERE fk = $1) s``
    have it inside.
    """
    if len(blocks) == 1 or (blocks and blocks[0].tables and _only_narrowed(sql, blocks[1:])):
        return blocks[0], None
    if len(blocks) < 2 or blocks[0].tables or any(b.role != "expression" for b in blocks[2:]):
        return None, None
    if blocks[0].is_aggregate and blocks[0].aggregates and blocks[1].role == "subquery":
        return blocks[1], blocks[0].aggregates[0]
    if not blocks[0].has_other_sources and blocks[1].role == "expression":
        statement = single_statement(sql)
        targets = () if isinstance(statement, Unparsable) else getattr(statement, "targetList", None) or ()
        link = next((t.val for t in targets if len(targets) == 1), None)
        if isinstance(link, ast.SubLink) and link.subLinkType == enums.SubLinkType.EXISTS_SUBLINK:
            return blocks[1], "exists"
    return None, None


def _only_narrowed(sql: str, inner: list[QueryBlock]) -> bool:
    """Whether the other blocks are EXISTS and the like in its conditions, none of them a column of the result."""
    statement = single_statement(sql)
    targets = () if isinstance(statement, Unparsable) else getattr(statement, "targetList", None) or ()
    return all(b.role == "expression" for b in inner) and not any(isinstance(t.val, ast.SubLink) for t in targets)


def _all_joined(block: QueryBlock) -> bool:
    """Every further table hangs on another by equality."""

    def hangs(table: TableUse) -> bool:
        return any(p.joined is not None and _is_join(p) for p in table.predicates)

    return all(hangs(t) for t in block.tables)


def _is_join(predicate: Predicate) -> bool:
    joined = predicate.joined
    return joined is not None and predicate.operator == "eq" and bool(joined.table) and not joined.is_outer
