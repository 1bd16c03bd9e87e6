"""Indexes worth considering for one statement, or the reason why there are none.

For each query block one table is read first, by its own conditions or by ORDER BY with LIMIT; the others are reached
through their join columns. A B-tree wants its equality columns first, in any order, then one range column or the
ORDER BY columns. What decides is how many rows the planner would expect, from pg_stats.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from analyzer.advice.candidates.specialised import specialised_need
from analyzer.advice.candidates.table_candidates import HASHABLE
from analyzer.advice.definition import IndexColumn
from analyzer.advice.rules.coverage import Need, served_by
from analyzer.advice.rules.key_columns import best_equality, fixed_conditions, is_selective, range_column
from analyzer.advice.rules.reasons import small_table_reason, why_nothing_is_read_by_index
from analyzer.advice.sizing.key_widths import better_hashed, entry_bytes, fits_btree, has_hash, too_wide
from analyzer.advice.thresholds import ASSUMED_LIMIT_ROWS, MAX_KEPT_RATIO, MAX_ROWS_READ_IN_ORDER
from analyzer.checks.column_widths import BTREE_ENTRY_BYTES
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.system_tables import is_system_table
from analyzer.statements.blocks import Predicate, QueryBlock, TableUse
from analyzer.statements.predicates import query_blocks
from analyzer.values.selectivity import combined_selectivity, predicate_selectivity

# conditions that usually keep most rows
WEAK = frozenset({"ne", "not_in", "is_not_null"})


@dataclass(slots=True)
class StatementAdvice:
    """``needs``: indexes that would help; ``reasons``: why nothing, or nothing more, is suggested."""

    needs: list[Need] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Use:
    """A table in a block with what the facts know of it."""

    use: TableUse
    table: TableFacts
    values: list[Predicate]  # conditions with values, the block's own
    kept_ratio: float | None  # by ``values`` that an index can serve

    @property
    def kept_rows(self) -> float | None:
        return None if self.kept_ratio is None or self.table.rows is None else self.kept_ratio * self.table.rows


def statement_advice(
    sql: str, facts: SchemaFacts, *, rows_per_call: float | None = None, kept_ratios: dict[str, float] | None = None
) -> StatementAdvice:
    """``rows_per_call`` tells how selective a plain SELECT from one table really is; ``kept_ratios`` what plans
    that were executed kept of a table (schema.table)."""
    advice = StatementAdvice()
    blocks = query_blocks(sql, facts)
    if not blocks:
        advice.reasons.append("It is no single query that an index could serve.")
        return advice
    for block in blocks:
        _Block(block, facts, advice).read(_known_ratios(block, blocks, facts, rows_per_call, kept_ratios or {}))
    if not advice.needs and not advice.reasons and blocks[0].kind == "insert":
        advice.reasons.append("It inserts rows: there is nothing to find.")
    elif not advice.needs and not advice.reasons:
        advice.reasons.append("It has no condition, join or order that an index could serve.")
    return advice


def _known_ratios(
    block: QueryBlock,
    blocks: list[QueryBlock],
    facts: SchemaFacts,
    rows_per_call: float | None,
    executed: dict[str, float],
) -> dict[str, float]:
    """Measured shares that a table's conditions keep: better than any estimate for unknown values."""
    known = dict(executed)
    plain = len(blocks) == 1 and len(block.tables) == 1 and not (
        block.has_limit or block.is_aggregate or block.is_grouped or block.distinct or block.has_other_sources
    )  # fmt: skip
    if plain and rows_per_call is not None:
        table = facts.find_table(block.tables[0].name, block.tables[0].schema or None)
        if table is not None and table.rows:
            known.setdefault(table.qualified_name, min(1.0, rows_per_call / table.rows))
    return known


class _Block:
    def __init__(self, block: QueryBlock, facts: SchemaFacts, advice: StatementAdvice) -> None:
        self.block, self.facts, self.advice = block, facts, advice

    def read(self, known: dict[str, float]) -> None:
        uses = list(self._uses(known))
        if not uses:
            return
        driver = self._driver(uses)
        if driver is None:
            if any(self._joins(p, set()) for u in uses for p in u.use.joins):
                self._follow(set(), uses, ASSUMED_LIMIT_ROWS)  # joined to a subquery's or a function's rows
            elif len(uses) > 1:
                self.advice.reasons.append(
                    "It joins whole tables, without a condition or LIMIT: reading them whole is right."
                )
            else:
                self.advice.reasons.append(
                    why_nothing_is_read_by_index(self.block, uses[0].table, uses[0].values, self.facts.extensions)
                )
            return
        flowing = self._drive(driver)
        self._follow({driver.use.alias}, [u for u in uses if u is not driver], flowing)

    def _uses(self, known: dict[str, float]) -> Iterator[_Use]:
        for use in self.block.tables:
            table = self.facts.find_table(use.name, use.schema or None)
            if table is None or table.kind not in ("r", "p", "m"):
                self._unknown(use, table)
                continue
            if use.is_target and self.block.kind == "insert":
                continue
            values = [p for p in use.predicates if p.joined is None or p.joined.is_outer]
            ratio = known.get(table.qualified_name)
            if ratio is None:
                ratio = combined_selectivity(values, table)
            yield _Use(use, table, values, ratio)

    def _unknown(self, use: TableUse, table: TableFacts | None) -> None:
        name = f"{use.schema}.{use.name}" if use.schema else use.name
        what = {"v": "a view", "f": "a foreign table"}.get(table.kind) if table is not None else None
        if what is not None:
            self.advice.reasons.append(f"{name} is {what}: pgLoupe advises on tables only.")
        elif not is_system_table(use.schema, use.name):
            self.advice.reasons.append(f"{name} is no table that pgLoupe has seen in this database.")
        else:
            self.advice.reasons.append("It reads the server's own catalog.")

    def _driver(self, uses: list[_Use]) -> _Use | None:
        """The table read first: the one whose own conditions leave the fewest rows, else the ordered one."""

        def has_condition(use: _Use) -> bool:
            if any(p.is_sargable for p in use.values):
                return True
            return specialised_need(use.table, use.values, self.facts.extensions) is not None

        filtered = [u for u in uses if has_condition(u) and not u.use.is_nullable]
        ordered = [u for u in uses if self._order(u) and not u.use.is_nullable]
        if filtered:
            best = min(filtered, key=lambda u: (u.kept_rows is None, u.kept_rows or 0.0, u.use.alias))
            # a weak condition elsewhere is worse than reading in order and stopping early
            if ordered and (best.kept_ratio is None or best.kept_ratio > MAX_KEPT_RATIO):
                return ordered[0]
            return best
        return ordered[0] if ordered else None

    def _order(self, use: _Use) -> tuple[IndexColumn, ...]:
        """The ORDER BY columns an index could deliver, where a LIMIT lets the scan stop early."""
        block = self.block
        if not block.has_limit or block.is_aggregate or block.is_grouped or block.distinct or not block.order_by:
            return ()
        if any(p.operator not in WEAK and not p.is_sargable for p in use.values):
            return ()  # a search that may match nearly nothing: reading in order would not stop early
        fixed = {p.column for p in use.values if p.operator in ("eq", "is_null", "is_true", "is_false") and p.is_bare}
        columns: list[IndexColumn] = []
        for term in block.order_by:
            if term.column is None or term.alias != use.use.alias:
                return ()
            fact = use.table.column(term.column)
            if fact is None:
                return ()
            if term.column in fixed or any(c.name == term.column for c in columns):
                continue
            nulls = term.is_descending if fact.not_null else term.nulls_first
            columns.append(IndexColumn(term.column, term.is_descending, nulls))
            if (term.column,) in use.table.unique_keys:
                break  # what follows a unique column orders nothing
        if columns and columns[0].descending:  # a B-tree reads backwards as well
            columns = [IndexColumn(c.name, not c.descending, not c.nulls_first) for c in columns]
        return tuple(columns)

    def _drive(self, driver: _Use) -> float:
        """Advice for the table read first; returns how many rows go on to the joins."""
        table, order = driver.table, self._order(driver)
        rows = table.rows if table.rows is not None else 0.0
        kept = driver.kept_ratio
        out = ASSUMED_LIMIT_ROWS if self.block.has_limit and order else (rows if kept is None else rows * kept)
        if self.block.has_limit and self.block.limit is not None and order:
            out = float(self.block.limit)
        small = small_table_reason(table)
        if small:
            self.advice.reasons.append(small)
            return out
        equality = [p for p in driver.values if p.is_equality and self._fits(p, table)]
        special = specialised_need(table, driver.values, self.facts.extensions)
        by_value = [p for p in equality if _is_hashable(p)]
        hashed = None if is_selective(best_equality(by_value, table), table) else self._hashed(driver)
        if order:
            if hashed and (predicate_selectivity(hashed, table) or 1.0) * rows <= MAX_ROWS_READ_IN_ORDER:
                self._add_wide(hashed, table)  # so few are sorted at once, and found wherever they are in that order
                return out
            if hashed:
                equality = [p for p in driver.values if p.is_equality and fits_btree(IndexColumn(p.column), table)]
            single = [p for p in equality if p.operator not in ("in", "any", "in_subquery")]
            lists = [p for p in equality if p not in single]
            listed = combined_selectivity(lists, table) if lists else None
            if not lists or listed is None or listed > MAX_KEPT_RATIO:
                columns = best_equality(single, table)
                self._add(
                    Need(table, frozenset(columns), order, "order", kept, conditions=fixed_conditions(driver.values))
                )
                return out
        ranges = [p for p in driver.values if p.is_range and self._fits(p, table)]
        if not equality and not ranges and (wide := hashed or self._wide(driver)):
            self._add_wide(wide, table)
            return out
        if not equality and not ranges:
            if special is not None:
                self._add(replace(special.need, conditions=fixed_conditions(driver.values)))
            else:
                self.advice.reasons.append(
                    why_nothing_is_read_by_index(self.block, driver.table, driver.values, self.facts.extensions)
                )
            return out
        if kept is None:
            if self.facts.statistics_readable and table.rows is not None:
                why = "its columns have no statistics: ANALYZE the table"
            else:
                why = "pgLoupe may not read the table's statistics"
            self.advice.reasons.append(f"How many rows of {table.qualified_name} it keeps is not known: {why}.")
            return out
        if kept > MAX_KEPT_RATIO:
            self.advice.reasons.append(
                f"Its conditions on {table.qualified_name} keep about {kept:.0%} of the rows, as far as the statistics"
                " tell without the values: reading the table whole is cheaper than that many index lookups."
            )
            return out
        columns = best_equality(equality, table)
        if hashed:
            self._add_wide(hashed, table)
            return out
        tail: tuple[IndexColumn, ...] = ()
        if ranges and not is_selective(columns, table):
            best = min(ranges, key=lambda p: (predicate_selectivity(p, table) or 1.0, p.column))
            tail = (range_column(best, table),)
            columns = [c for c in columns if c != best.column]
        if not columns and not tail:
            return out
        self._add(Need(table, frozenset(columns), tail, "filter", kept, conditions=fixed_conditions(driver.values)))
        return out

    def _fits(self, predicate: Predicate, table: TableFacts) -> bool:
        key = IndexColumn(predicate.column)
        return fits_btree(key, table) and not (_is_hashable(predicate) and better_hashed(key, table))

    def _wide(self, driver: _Use) -> Predicate | None:
        """The first condition that a B-tree would serve, were its values not too wide for one."""
        return next((p for p in driver.values if p.is_sargable and not self._fits(p, driver.table)), None)

    def _hashed(self, driver: _Use) -> Predicate | None:
        """Of the equalities that a hash index serves better, or alone, the one that keeps the fewest rows."""
        table = driver.table
        better = [
            p for p in driver.values
            if _is_hashable(p) and has_hash(IndexColumn(p.column), table) and not self._fits(p, table)
        ]  # fmt: skip
        return min(better, key=lambda p: (predicate_selectivity(p, table) or 1.0, p.column), default=None)

    def _add_wide(self, predicate: Predicate, table: TableFacts) -> None:
        """Equality finds its rows by a hash of the value; nothing keeps an order of values so wide."""
        key = IndexColumn(predicate.column)
        if _is_hashable(predicate) and has_hash(key, table):
            self._add(Need(table, frozenset(), (key,), "filter", method="hash"))
        else:
            self.advice.reasons.append(f"{too_wide(key, table)}.")

    def _follow(self, reached: set[str], others: list[_Use], flowing: float) -> None:
        """The other tables, each reached from those before it through its join columns."""
        waiting = list(others)
        while waiting:
            step = next(((u, c) for u in waiting if (c := [p for p in u.use.joins if self._joins(p, reached)])), None)
            if step is None:
                return
            use, joins = step
            waiting.remove(use)
            reached.add(use.use.alias)
            table = use.table
            matched = combined_selectivity(joins, table)
            rows = table.rows or 0.0
            matching = None if matched is None else flowing * matched * rows
            if small_table_reason(table) is None:
                if matching is not None and matching > rows * MAX_KEPT_RATIO:
                    self.advice.reasons.append(
                        f"The join reads a large part of {table.qualified_name}:"
                        " reading it whole into a hash is cheaper."
                    )
                else:
                    columns = [p.column for p in joins if p.is_bare and self._fits(p, table)]
                    if columns:
                        self._add(Need(table, frozenset(columns), (), "join", matched))
                    elif joins:
                        self._add_wide(joins[0], table)
            if matching is not None:
                own = 1.0 if use.kept_ratio is None else use.kept_ratio
                flowing = max(1.0, matching * own)

    def _joins(self, predicate: Predicate, reached: set[str]) -> bool:
        """An equality with a table read before, or with something in FROM that is no table of this block."""
        joined = predicate.joined
        if joined is None or joined.is_outer or predicate.operator != "eq" or not predicate.is_bare:
            return False
        return joined.alias in reached or self.block.table(joined.alias) is None

    def _add(self, need: Need) -> None:
        keys = [*(IndexColumn(name) for name in sorted(need.equality)), *need.tail]
        if need.method == "btree" and entry_bytes(need.table, keys) > BTREE_ENTRY_BYTES:
            names = " and ".join(key.name for key in keys)
            self.advice.reasons.append(
                f"Together {names} can be wider than the {BTREE_ENTRY_BYTES:,.0f} bytes that a B-tree entry holds:"
                " rows could not be written any more."
            )
            return
        served = served_by(need)
        if served:
            self.advice.reasons.append(served)
        elif need not in self.advice.needs:
            self.advice.needs.append(need)


def _is_hashable(predicate: Predicate) -> bool:
    return predicate.is_equality and predicate.operator in HASHABLE
