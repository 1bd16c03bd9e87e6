"""Indexes on one table that one query block could use.

Long: every kind of index begins with the same reading of a block's conditions on the table.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, permutations

from analyzer.advice.candidates.specialised import (
    TRIGRAMS,
    Special,
    key_of,
    kind_of,
    prefix_class,
    prefix_indexes,
    special_indexes,
)
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.sizing.key_widths import better_hashed, fits_btree, has_hash, may_refuse_rows
from analyzer.checks import Threshold
from analyzer.checks.column_widths import has_btree
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.blocks import PATTERNS, OrderTerm, Predicate, QueryBlock, TableUse
from analyzer.statements.index_expressions import can_be_key, unqualified
from analyzer.statements.tree import Unparsable, parse

LIMITS = {
    "key_columns": Threshold(3, "columns", "judgement: a fourth rarely narrows down and makes each write dearer"),
    "permuted": Threshold(6, "columns", "judgement: all ordered pairs of so many are 30 candidates for one table"),
    "arms": Threshold(8, "arms of an OR", "judgement: more indexes in one BitmapOr cost more writes than they save"),
    "covering_columns": Threshold(6, "columns", "judgement: more, and the index is a copy of the table"),
    "covering_width": Threshold(0.5, "entry / row", "judgement: wider, and reading it saves little over the table"),
    "partial_share": Threshold(0.5, "rows kept / rows", "judgement: above it the whole index costs hardly more"),
    "flag_values": Threshold(20, "distinct values", "judgement: a status has few, and the application knows them all"),
    "brin_rows": Threshold(100_000, "rows", "judgement: below it a B-tree is a few MB at most"),
    "brin_correlation": Threshold(0.9, "", "judgement: below it a block range holds most of the values"),
}
KEY_COLUMNS = int(LIMITS["key_columns"].value)
PERMUTED = int(LIMITS["permuted"].value)
MOST_ARMS = int(LIMITS["arms"].value)
# of comparisons with a value that a B-tree on an expression serves, too
ON_EXPRESSIONS = frozenset({"eq", "in", "any", "in_subquery", "semi", "lt", "gt", "between"})
EQUALITIES = frozenset({"eq", "in", "any", "in_subquery", "is_null", "is_true", "is_false", "semi"})
HASHABLE = frozenset({"eq", "in", "any", "in_subquery", "semi"})  # what a hash index serves
RANGES = frozenset({"lt", "gt", "between", "like_prefix"})
STARTS_WITH_VERSION_NUM = 150_000  # release notes of 15: ^@ and starts_with() use B-trees


class TableCandidates:
    """``definitions``: what the block could use; ``too_wide``: keys that it would, were they not too wide for it."""

    def __init__(self, block: QueryBlock, use: TableUse, table: TableFacts, facts: SchemaFacts) -> None:
        self.block, self.use, self.table, self.facts = block, use, table, facts
        self.keys: dict[str, IndexColumn] = {}
        self.too_wide: dict[str, IndexColumn] = {}
        self.hashed: dict[str, IndexColumn] = {}
        self.radix: dict[str, IndexColumn] = {}
        binding = [p for p in use.predicates if not p.is_in_or]
        self.values = [p for p in binding if p.joined is None or p.joined.is_outer]
        # the most selective first
        self.equality = self._named(p for p in self.values if p.operator in EQUALITIES)
        self.ranges = self._named(p for p in self.values if p.operator in RANGES)
        self.joins = self._named(p for p in binding if p.joined is not None and p.operator in ("eq", "semi"))
        self.order = self._order()
        self.grouped = self._grouped()
        self.selected = sorted(name for name in use.used if table.column(name) is not None)

    def definitions(self) -> Iterator[IndexDefinition]:
        for definition in self._definitions():
            if not may_refuse_rows(definition):
                yield definition

    def _definitions(self) -> Iterator[IndexDefinition]:
        for columns in self._key_lists():
            yield IndexDefinition(self.table, columns)
            include = self._include(columns)
            if include:
                yield IndexDefinition(self.table, columns, include=include)
        yield from self._partial()
        for predicate in self.use.predicates:
            if predicate.operator == "like_prefix" and predicate.column not in self.too_wide:
                continue  # a B-tree is less work to keep than trigrams
            if predicate.operator == "like" and any(prefix_indexes(self.table, predicate.column)):
                continue  # it is in use, and tells what is asked for where the text does not
            for special in special_indexes(self.table, predicate, self.facts.extensions):
                yield from self._special(special)
        yield from self._nearest()
        yield from self._arms()
        yield from self._brin()
        for key in self.hashed.values():
            yield IndexDefinition(self.table, (key,), "hash")
        for key in self.radix.values():  # SP-GiST cuts long texts into pieces
            yield IndexDefinition(self.table, (key,), "spgist")

    # B-trees

    def _key_lists(self) -> Iterator[tuple[IndexColumn, ...]]:
        for names in self._name_lists():
            yield self._columns(names)
        for prefix in self._equality_prefixes():
            taken = set(prefix)
            if tail := tuple(c for c in self.order if c.name not in taken):
                yield (*self._columns(prefix), *tail)
            if rest := [name for name in self.grouped if name not in taken]:
                yield self._columns([*prefix, *rest])[: KEY_COLUMNS + 1]

    def _equality_prefixes(self) -> Iterator[tuple[str, ...]]:
        yield ()
        for width in range(1, min(len(self.equality), KEY_COLUMNS) + 1):
            yield tuple(self.equality[:width])
        for name in self.equality[1:]:
            yield (name,)

    def _name_lists(self) -> list[tuple[str, ...]]:
        """Each once: single columns, ordered pairs, and equality or join columns with one range behind them."""
        named = list(dict.fromkeys([*self.equality, *self.joins, *self.ranges]))[:PERMUTED]
        lists: dict[tuple[str, ...], None] = {(name,): None for name in named}
        lists |= dict.fromkeys(permutations(named, 2))
        fixed = list(dict.fromkeys([*self.equality, *self.joins]))[:PERMUTED]
        for width in range(2, min(len(fixed), KEY_COLUMNS) + 1):
            for several in combinations(fixed, width):
                lists[several] = None
                lists |= {(*several, name): None for name in self.ranges if name not in several}
        for join in self.joins:
            rest = [name for name in fixed if name != join][: KEY_COLUMNS - 1]
            if rest:
                lists[(join, *rest)] = None
                lists[(*rest, join)] = None
        whole = tuple(self.joins)
        if 1 < len(whole) <= KEY_COLUMNS:
            lists |= dict.fromkeys(permutations(whole))
        return list(lists)

    def _include(self, columns: Sequence[IndexColumn], more: Iterable[str] = ()) -> tuple[str, ...]:
        """The other columns the block reads, for an index-only scan; empty where that makes no sense."""
        keys = {c.name for c in columns} | set(more)
        rest = [name for name in self.selected if name not in keys]
        if self.use.selected is None or not rest or len(rest) > LIMITS["covering_columns"].value:
            return ()
        if any(c.is_expression for c in columns) or not all(map(self._can_be_included, rest)):
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
            lists = [self._columns([n]) for n in names[:PERMUTED]]
            if len(names) > 1:
                lists.append(self._columns(names[:KEY_COLUMNS]))
            if self.order:
                lists.append(self.order)
            if not lists and self._fits(IndexColumn(predicate.column)):
                lists.append((IndexColumn(predicate.column),))
            for columns in lists:
                yield IndexDefinition(self.table, columns, predicate=where)
                if include := self._include(columns, [predicate.column]):
                    yield IndexDefinition(self.table, columns, include=include, predicate=where)

    def _arms(self) -> Iterator[IndexDefinition]:
        """For each arm of an OR its own index: a BitmapOr needs one for every arm, and a restriction that the planner
        takes out of an OR over a join a condition of this table in every arm."""
        ors: dict[int, dict[int, list[Predicate]]] = {}
        arm_counts: dict[int, int] = {}
        for predicate in self.use.predicates:
            if predicate.arm is not None:
                number, arm, count = predicate.arm
                ors.setdefault(number, {}).setdefault(arm, []).append(predicate)
                arm_counts[number] = count
        for number, arms in ors.items():
            if len(arms) < arm_counts[number] or len(arms) > MOST_ARMS:
                continue
            for predicates in arms.values():
                equality = self._named(p for p in predicates if p.operator in EQUALITIES)
                ranges = self._named(p for p in predicates if p.operator in RANGES)
                names = [*equality[:KEY_COLUMNS], *ranges[:1]]
                lists = {(name,) for name in (*equality, *ranges)} | {tuple(names)}
                lists |= {(self.equality[0], *names)} if self.equality and names else set()
                for columns in sorted(filter(None, lists)):
                    yield IndexDefinition(self.table, self._columns(list(dict.fromkeys(columns))))

    # other methods

    def _special(self, special: Special) -> Iterator[IndexDefinition]:
        if not self._is_served_by_other_class(special):
            yield IndexDefinition(self.table, (special.key,), special.method)

    def _is_served_by_other_class(self, special: Special) -> bool:
        """A GIN index of the default class knows what jsonb_path_ops does, and is there."""
        return special.key.opclass == "jsonb_path_ops" and any(
            i.is_usable and i.method == "gin" and i.predicate is None and i.columns == (special.key.name,)
            for i in self.table.indexes
        )

    def _nearest(self) -> Iterator[IndexDefinition]:
        """ORDER BY a distance: GiST brings the nearest first."""
        term = self.block.order_by[0] if self.block.order_by else None
        if term is None or term.near is None or term.alias != self.use.alias or term.is_descending:
            return
        key = _key_written(term.near)
        if key is None:
            return
        named = next((c for c in self.table.columns if c.name == key.name), None)
        kind = kind_of(key, named) if named is not None else ""
        if kind == "text" and TRIGRAMS in self.facts.extensions:
            key = IndexColumn(key.name, opclass="gist_trgm_ops", is_expression=key.is_expression)
        if kind not in ("network", "jsonb", "citext"):
            yield IndexDefinition(self.table, (key,), "gist")

    def _brin(self) -> Iterator[IndexDefinition]:
        if (self.table.rows or 0) < LIMITS["brin_rows"].value:
            return
        for name in self.ranges:
            column = self.table.column(name)
            if column and abs(column.correlation or 0) > LIMITS["brin_correlation"].value:
                yield IndexDefinition(self.table, (IndexColumn(name),), "brin")

    # names of keys: a column's, or an expression in brackets

    def _columns(self, names: Iterable[str]) -> tuple[IndexColumn, ...]:
        return tuple(self.keys.get(name) or IndexColumn(name) for name in names)

    def _named(self, predicates: Iterable[Predicate]) -> list[str]:
        names = {name for p in predicates if (name := self._name(p)) is not None}
        return sorted(names, key=lambda name: (-self._distinct(name), name))

    def _name(self, predicate: Predicate) -> str | None:
        """Of the B-tree's key that serves it; None where there is none. Where it is only too wide, that is noted."""
        key = key_of(predicate)
        column = self.table.column(predicate.column)
        if key is None or column is None:
            return None
        if predicate.operator == "like_prefix":
            return self._prefix_name(predicate, key)
        if key.is_expression and predicate.operator not in ON_EXPRESSIONS:
            return None
        if not self._fits(key):
            self._note_wide(predicate, key)
            return None
        if predicate.operator in HASHABLE and better_hashed(key, self.table):
            self.hashed[key.name] = key
            return None
        return self._noted(key)

    def _prefix_name(self, predicate: Predicate, key: IndexColumn) -> str | None:
        """Text that starts with something: comparing bytes, whatever the collation."""
        column = self.table.column(predicate.column)
        is_new = predicate.text == "^@" and self.facts.server_version_num < STARTS_WITH_VERSION_NUM
        if column is None or kind_of(key, column) not in ("text", "", "other") or is_new:
            return None
        if not key.is_expression and not has_btree(column):
            return None
        opclass = prefix_class(key, column)
        if not self._fits(key):
            self.too_wide[key.name] = key
            self.radix[key.name] = key
            return None
        return self._noted(IndexColumn(key.name, opclass=opclass, is_expression=key.is_expression))

    def _noted(self, key: IndexColumn) -> str:
        name = f"({key.name})" if key.is_expression else key.name
        if key.opclass:
            name = f"{name} {key.opclass}"
        if name != key.name:
            self.keys[name] = key
        return name

    def _note_wide(self, predicate: Predicate, key: IndexColumn) -> None:
        """Equality needs no order: a hash index keeps four bytes of any value."""
        self.too_wide[key.name] = key
        if predicate.operator in HASHABLE and has_hash(key, self.table):
            self.hashed[key.name] = key

    def _order(self) -> tuple[IndexColumn, ...]:
        """ORDER BY of this table's columns alone; read backwards where it starts with DESC.

        Not beside a search inside texts: how many match is a guess, and where few do, reading in order does not stop
        early under a LIMIT, as the planner hopes.
        """
        if self.block.has_limit and any(p.operator in PATTERNS for p in self.values):
            return ()
        columns: list[IndexColumn] = []
        fixed = {p.column for p in self.values if p.operator in ("eq", "is_null") and p.is_bare}
        for term in self.block.order_by:
            key = self._ordered(term)
            if key is None:
                return ()
            if key.name in fixed or any(c.name == key.name for c in columns):
                continue
            columns.append(key)
        if columns and columns[0].descending:
            columns = [
                IndexColumn(c.name, not c.descending, not c.nulls_first, is_expression=c.is_expression) for c in columns
            ]
        return tuple(columns[: KEY_COLUMNS + 1])

    def _ordered(self, term: OrderTerm) -> IndexColumn | None:
        if term.alias != self.use.alias:
            return None
        if term.column is not None:
            key = IndexColumn(term.column, term.is_descending, term.nulls_first)
        elif term.expression is not None and can_be_key(term.expression):
            name = unqualified(term.expression)
            key = IndexColumn(name, term.is_descending, term.nulls_first, is_expression=True)
        else:
            return None
        if not self._fits(key):
            self.too_wide[key.name] = key
            return None
        return key

    def _grouped(self) -> list[str]:
        columns = [c for c in (*self.block.group_by, *self.block.distinct_on) if c.alias == self.use.alias]
        names = dict.fromkeys(c.column for c in columns if self._fits(IndexColumn(c.column)))
        return list(names)[: KEY_COLUMNS + 1]

    # what is known of them

    def _distinct(self, name: str) -> float:
        key = self.keys.get(name)
        column = self.table.column(name if key is None else key.name)
        if column is None:
            return 1.0 if key is None else 1.5  # an expression's are not known: before a flag, behind a code
        return column.distinct_values or 0.0

    def _width(self, name: str) -> float:
        column = self.table.column(name)
        return float(column.avg_width_bytes or 8) if column else 8.0

    def _fits(self, key: IndexColumn) -> bool:
        return fits_btree(key, self.table)

    def _can_be_included(self, name: str) -> bool:
        """What an index-only scan saves is not worth an INSERT that fails."""
        return self._fits(IndexColumn(name)) and not better_hashed(IndexColumn(name), self.table)

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


def _key_written(sql: str) -> IndexColumn | None:
    """A column's name, or an expression."""
    if not can_be_key(sql):
        return None
    statements = parse(f"SELECT {sql}")
    if isinstance(statements, Unparsable):
        return None
    fields = getattr(statements[0].stmt.targetList[0].val, "fields", None)
    return IndexColumn(fields[-1].sval) if fields else IndexColumn(unqualified(sql), is_expression=True)


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


def _row_bytes(table: TableFacts) -> float:
    known = [c.avg_width_bytes for c in table.columns if c.avg_width_bytes]
    return float(sum(known)) or 100.0
