"""Every index that the planner might like for a workload: broad on purpose, because the planner judges each.

``candidates.py`` gives the one index a rule would choose; this gives the alternatives: other column orders, covering
and partial forms, other methods. Not proposed: hash indexes (a B-tree serves the same look-ups, orders rows as well
and is de-duplicated) and what exists already.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations

from analyzer.advice.candidates import small_table_reason
from analyzer.advice.ddl import IndexColumn, IndexDefinition, quote_identifier
from analyzer.advice.shapes import indexes_like, shape_of_definition, shape_of_index
from analyzer.advice.specialised import specialised_need
from analyzer.checks import Threshold
from analyzer.facts import ColumnFacts, SchemaFacts, TableFacts
from analyzer.statements.blocks import Predicate, QueryBlock, TableUse
from analyzer.statements.predicates import query_blocks

LIMITS = {
    "key_columns": Threshold(3, "columns", "judgement: a fourth rarely narrows down and makes each write dearer"),
    "permuted": Threshold(6, "columns", "judgement: all ordered pairs of so many are 30 candidates for one table"),
    "covering_columns": Threshold(6, "columns", "judgement: more, and the index is a copy of the table"),
    "covering_width": Threshold(0.5, "entry / row", "judgement: wider, and reading it saves little over the table"),
    "partial_share": Threshold(0.5, "rows kept / rows", "judgement: above it the whole index costs hardly more"),
    "flag_values": Threshold(20, "distinct values", "judgement: a status has few, and the application knows them all"),
    "column_width": Threshold(600, "bytes", "nbtree.h BTMaxItemSize: a B-tree entry holds a third of a page"),
    "brin_rows": Threshold(100_000, "rows", "judgement: below it a B-tree is a few MB at most"),
    "brin_correlation": Threshold(0.9, "", "judgement: below it a block range holds most of the values"),
}
KEY_COLUMNS = int(LIMITS["key_columns"].value)
PERMUTED = int(LIMITS["permuted"].value)
# pg_type names without a default B-tree operator class
NO_BTREE = ("json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "aclitem", "txid_snapshot")


@dataclass(slots=True)
class Candidate:
    """``statements``: keys of those it is meant for."""

    definition: IndexDefinition
    statements: set[str] = field(default_factory=set)


def workload_candidates(statements: Sequence[tuple[str, str]], facts: SchemaFacts) -> list[Candidate]:
    """For (key, SQL) pairs; each definition once, in an order that does not depend on theirs."""
    found: dict[tuple[int, str], Candidate] = {}
    for key, sql in sorted(statements):
        for definition in statement_candidates(sql, facts):
            at = (definition.table.oid, definition.body())
            found.setdefault(at, Candidate(definition)).statements.add(key)
    for candidate in list(_shared_coverings(found.values())):
        found.setdefault((candidate.definition.table.oid, candidate.definition.body()), candidate)
    return [found[at] for at in sorted(found)]


def statement_candidates(sql: str, facts: SchemaFacts) -> list[IndexDefinition]:
    """For every query block and every table in it, with those that inherit from it, since an index holds one table's
    rows only; nothing for a text that is no single query."""
    found: dict[tuple[int, str], IndexDefinition] = {}
    for block in query_blocks(sql, facts):
        for use in block.tables:
            named = facts.find_table(use.name, use.schema or None)
            if named is None or (use.is_target and block.kind == "insert"):
                continue
            for table in (named, *facts.heirs(named)):
                if table.kind not in ("r", "p", "m") or small_table_reason(table):
                    continue
                for definition in _Use(block, use, table, facts).definitions():
                    if not _exists(definition):
                        found.setdefault((table.oid, definition.body()), definition)
    return list(found.values())


class _Use:
    """One table in one query block."""

    def __init__(self, block: QueryBlock, use: TableUse, table: TableFacts, facts: SchemaFacts) -> None:
        self.block, self.use, self.table, self.facts = block, use, table, facts
        self.values = [p for p in use.predicates if p.joined is None or p.joined.is_outer]
        # the most selective first
        self.equality = self._named(p for p in self.values if p.is_equality)
        self.ranges = self._named(p for p in self.values if p.is_range)
        self.joins = self._named(p for p in use.joins if p.is_bare and p.operator in ("eq", "semi"))
        self.order = self._order()
        self.grouped = self._grouped()
        self.selected = self._named_columns(use.used)

    def definitions(self) -> Iterator[IndexDefinition]:
        for keys in self._key_lists():
            columns = tuple(keys)
            yield IndexDefinition(self.table, columns)
            include = self._include(columns)
            if include:
                yield IndexDefinition(self.table, columns, include=include)
        yield from self._partial()
        yield from self._specialised()
        yield from self._brin()

    def _key_lists(self) -> Iterator[list[IndexColumn]]:
        for names in self._name_lists():
            yield [IndexColumn(name) for name in names]
        for prefix in self._equality_prefixes():
            taken = set(prefix)
            if tail := [c for c in self.order if c.name not in taken]:
                yield [*(IndexColumn(name) for name in prefix), *tail]
            if rest := [name for name in self.grouped if name not in taken]:
                yield [IndexColumn(name) for name in (*prefix, *rest)][: KEY_COLUMNS + 1]

    def _equality_prefixes(self) -> Iterator[tuple[str, ...]]:
        yield ()
        for width in range(1, min(len(self.equality), KEY_COLUMNS) + 1):
            yield tuple(self.equality[:width])
        for name in self.equality[1:]:
            yield (name,)

    def _name_lists(self) -> list[tuple[str, ...]]:
        """Each once: single columns, ordered pairs, and equality or join columns with one range behind them."""
        named = list(dict.fromkeys([*self.equality, *self.joins, *self.ranges]))[:PERMUTED]
        found: dict[tuple[str, ...], None] = {(name,): None for name in named}
        found |= dict.fromkeys(permutations(named, 2))
        fixed = list(dict.fromkeys([*self.equality, *self.joins]))[:PERMUTED]
        for width in range(2, min(len(fixed), KEY_COLUMNS) + 1):
            for several in combinations(fixed, width):
                found[several] = None
                found |= {(*several, name): None for name in self.ranges if name not in several}
        for join in self.joins:
            rest = [name for name in fixed if name != join][: KEY_COLUMNS - 1]
            if rest:
                found[(join, *rest)] = None
                found[(*rest, join)] = None
        whole = tuple(self.joins)
        if 1 < len(whole) <= KEY_COLUMNS:
            found |= dict.fromkeys(permutations(whole))
        return list(found)

    def _include(self, columns: Sequence[IndexColumn], more: Iterable[str] = ()) -> tuple[str, ...]:
        """The other columns the block reads, for an index-only scan; empty where that makes no sense."""
        keys = {c.name for c in columns} | set(more)
        rest = [name for name in self.selected if name not in keys]
        if self.use.selected is None or not rest or len(rest) > LIMITS["covering_columns"].value:
            return ()
        if any(not self._fits(name) for name in rest):
            return ()
        widths = [self._width(name) for name in (*keys, *rest)]
        if sum(widths) > LIMITS["covering_width"].value * max(1.0, _row_bytes(self.table)):
            return ()
        return tuple(sorted(rest))

    def _partial(self) -> Iterator[IndexDefinition]:
        """For conditions whose value never changes: NULL, not NULL, true, false, or a status written into the text."""
        for predicate in self.values:
            where = _where(predicate)
            share = self._share(predicate)
            if where is None or share is None or share > LIMITS["partial_share"].value:
                continue
            names = [n for n in dict.fromkeys([*self.equality, *self.joins, *self.ranges]) if n != predicate.column]
            lists = [[IndexColumn(n)] for n in names[:PERMUTED]]
            if len(names) > 1:
                lists.append([IndexColumn(n) for n in names[:KEY_COLUMNS]])
            if self.order:
                lists.append(list(self.order))
            for columns in lists or [[IndexColumn(predicate.column)]]:
                yield IndexDefinition(self.table, tuple(columns), predicate=where)
                if include := self._include(columns, [predicate.column]):
                    yield IndexDefinition(self.table, tuple(columns), include=include, predicate=where)

    def _specialised(self) -> Iterator[IndexDefinition]:
        """Text search, contents, and expressions, alone and behind the equality columns."""
        for predicate in self.values:
            found = specialised_need(self.table, [predicate], self.facts)
            if found is None or found.need is None:
                continue
            need = found.need
            yield IndexDefinition(self.table, need.tail, need.method)
            if need.method == "btree":
                for prefix in self._equality_prefixes():
                    if prefix:
                        yield IndexDefinition(self.table, (*(IndexColumn(n) for n in prefix), *need.tail))

    def _brin(self) -> Iterator[IndexDefinition]:
        if (self.table.rows or 0) < LIMITS["brin_rows"].value:
            return
        for name in self.ranges:
            column = self.table.column(name)
            if column and abs(column.correlation or 0) > LIMITS["brin_correlation"].value:
                yield IndexDefinition(self.table, (IndexColumn(name),), "brin")

    def _order(self) -> tuple[IndexColumn, ...]:
        """ORDER BY of this table's columns alone; read backwards where it starts with DESC."""
        columns: list[IndexColumn] = []
        fixed = {p.column for p in self.values if p.operator in ("eq", "is_null") and p.is_bare}
        for term in self.block.order_by:
            if term.column is None or term.alias != self.use.alias or not self._fits(term.column):
                return ()
            if term.column in fixed or any(c.name == term.column for c in columns):
                continue
            columns.append(IndexColumn(term.column, term.is_descending, term.nulls_first))
        if columns and columns[0].descending:
            columns = [IndexColumn(c.name, not c.descending, not c.nulls_first) for c in columns]
        return tuple(columns[: KEY_COLUMNS + 1])

    def _grouped(self) -> list[str]:
        columns = [c for c in (*self.block.group_by, *self.block.distinct_on) if c.alias == self.use.alias]
        return list(dict.fromkeys(c.column for c in columns if self._fits(c.column)))[: KEY_COLUMNS + 1]

    def _named(self, predicates: Iterable[Predicate]) -> list[str]:
        names = {p.column for p in predicates if self._fits(p.column)}
        return sorted(names, key=lambda name: (-self._distinct(name), name))

    def _named_columns(self, names: Iterable[str]) -> list[str]:
        return sorted(name for name in names if self.table.column(name) is not None)

    def _distinct(self, name: str) -> float:
        column = self.table.column(name)
        return (column.distinct_values if column else None) or 0.0

    def _width(self, name: str) -> float:
        column = self.table.column(name)
        return float(column.avg_width_bytes or 8) if column else 8.0

    def _fits(self, name: str) -> bool:
        column = self.table.column(name)
        return column is not None and _has_btree(column) and self._width(name) <= LIMITS["column_width"].value

    def _share(self, predicate: Predicate) -> float | None:
        column = self.table.column(predicate.column)
        if column is None or column.null_frac is None:
            return None
        match predicate.operator:
            case "is_null":
                return column.null_frac
            case "is_not_null":
                return 1 - column.null_frac
            case "is_true" | "is_false":
                # of a boolean's two values; which is the rarer one the planner knows
                return min(column.most_common_freqs or (column.null_frac,))
            case "eq" | "in" if predicate.constants and column.distinct_values:
                is_flag = column.distinct_values <= LIMITS["flag_values"].value
                return len(predicate.constants) / column.distinct_values if is_flag else None
        return None


def _where(predicate: Predicate) -> str | None:
    if not predicate.is_bare:
        return None
    name = quote_identifier(predicate.column)
    if predicate.constants:
        values = sorted(set(predicate.constants))
        return f"{name} = {values[0]}" if len(values) == 1 else f"{name} IN ({', '.join(values)})"
    return {
        "is_null": f"{name} IS NULL", "is_not_null": f"{name} IS NOT NULL", "is_true": name, "is_false": f"NOT {name}",
    }.get(predicate.operator)  # fmt: skip


def _shared_coverings(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """One covering index for two statements that have the same keys and read other columns."""
    groups: dict[tuple[int, str], list[Candidate]] = {}
    for candidate in candidates:
        definition = candidate.definition
        if definition.include:
            keys = IndexDefinition(definition.table, definition.columns, predicate=definition.predicate).body()
            groups.setdefault((definition.table.oid, keys), []).append(candidate)
    for group in groups.values():
        for one, other in combinations(sorted(group, key=lambda c: c.definition.body())[:PERMUTED], 2):
            include = tuple(sorted({*one.definition.include, *other.definition.include}))
            if len(include) <= LIMITS["covering_columns"].value and include not in (
                one.definition.include, other.definition.include
            ):  # fmt: skip
                d = one.definition
                both = IndexDefinition(d.table, d.columns, d.method, include, d.predicate)
                yield Candidate(both, one.statements | other.statements)


def _exists(definition: IndexDefinition) -> bool:
    """As it is, or as the first columns of a whole B-tree, read forwards or backwards."""
    if indexes_like(definition, definition.table):
        return True
    if definition.method != "btree" or definition.include or definition.predicate:
        return False
    shape = shape_of_definition(definition)
    return any(i.is_usable and shape.is_replaced_by(shape_of_index(i)) for i in definition.table.indexes)


def _has_btree(column: ColumnFacts) -> bool:
    return not column.type_name.startswith(NO_BTREE) or column.type_name.startswith("jsonb")


def _row_bytes(table: TableFacts) -> float:
    known = [c.avg_width_bytes for c in table.columns if c.avg_width_bytes]
    return float(sum(known)) or 100.0


__all__ = ["Candidate", "statement_candidates", "workload_candidates"]
