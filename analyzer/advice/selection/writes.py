"""What an index costs each day in the planner's units: its entries, its vacuuming, and HOT updates it prevents.

An entry is a descent, priced as the planner does (btcostestimate() in selfuncs.c: comparisons, and 50 operators for
each page), the work of adding it, and the page it makes dirty. Pages are written once a checkpoint: rows that arrive
in the index's order share theirs, scattered ones have their own until they outnumber the pages. The first change of a
page after a checkpoint also copies it whole into the WAL (the manual, "full_page_writes"). Dead entries wait for
vacuum, which reads the index from end to end each time a fifth of the table has died (autovacuum_vacuum_scale_factor).

An update is HOT, and touches no index, when it changes no indexed column (key, INCLUDE, expression or predicate; from
16 on BRIN does not count) and its page has room (the manual, "Heap-Only Tuples"). Indexing a column that an UPDATE
sets ends that, and each of those updates then adds an entry to every index of the table.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.advice.selection.bits import bits, mask_of
from analyzer.checks import Threshold
from analyzer.schema.page_layout import PAGE_BYTES

CHECKPOINTS_PER_DAY = 86400 / 300  # checkpoint_timeout's default of 5 minutes
LIMITS = {
    "entry": Threshold(1.0, "planner units", "measured: INSERT with 0 to 6 B-trees on 18, see insert_cost()"),
    "dead_share": Threshold(0.2, "dead / live", "the manual: autovacuum_vacuum_scale_factor"),
    "hot_share": Threshold(0.5, "HOT / updates", "judgement: half, where the server's counters say nothing"),
}
ENTRY_COST = LIMITS["entry"].value
DEAD_SHARE = LIMITS["dead_share"].value
ASSUMED_HOT_SHARE = LIMITS["hot_share"].value


@dataclass(frozen=True, slots=True)
class CostConstants:
    """The server's planner settings that matter here."""

    seq_page: float = 1.0
    random_page: float = 4.0
    cpu_index_tuple: float = 0.005
    cpu_operator: float = 0.0025

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> "CostConstants":
        def number(name: str, default: float) -> float:
            try:
                return float(settings.get(name, default))
            except ValueError:
                return default

        return cls(
            number("seq_page_cost", 1.0),
            number("random_page_cost", 4.0),
            number("cpu_index_tuple_cost", 0.005),
            number("cpu_operator_cost", 0.0025),
        )


@dataclass(frozen=True, slots=True)
class TableWrites:
    """Rows a day of one table. ``hot_updates``: those that are HOT now, by the columns they set."""

    rows: float
    inserted: float = 0.0
    deleted: float = 0.0
    plain_updates: float = 0.0
    hot_updates: Mapping[frozenset[str], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WrittenIndex:
    """``share``: of the table's rows that it holds; ``in_order``: 0 to 1, how far new keys arrive in its order."""

    size_bytes: float
    columns: frozenset[str]
    share: float = 1.0
    in_order: float = 0.0
    prevents_hot: bool = True


@dataclass(frozen=True, slots=True)
class HotGroup:
    """``per_day`` HOT updates that end when one of ``touching`` is chosen; each then costs ``fixed`` for the indexes
    that are there, and ``entries`` for the chosen ones that it would not have touched. Costs are per day."""

    touching: int
    fixed: float
    entries: Mapping[int, float]

    def cost(self, chosen: int) -> float:
        if not chosen & self.touching:
            return 0.0
        return self.fixed + sum(cost for number, cost in self.entries.items() if chosen >> number & 1)


@dataclass(slots=True)
class WriteModel:
    """``linear[i]``: cost per day of index i by itself."""

    linear: list[float]
    groups: list[HotGroup] = field(default_factory=list)

    def cost(self, chosen: int) -> float:
        return sum(self.linear[n] for n in bits(chosen)) + sum(g.cost(chosen) for g in self.groups)

    def added_by(self, number: int, chosen: int) -> float:
        """What it adds to the others that are chosen."""
        return self.cost(chosen | 1 << number) - self.cost(chosen & ~(1 << number))


def insert_cost(index: WrittenIndex, table_rows: float, per_day: float, constants: CostConstants) -> float:
    """Cost per day of ``per_day`` new entries.

    The fixed part was measured on PostgreSQL 18 (1,000,000 rows, batches of 1,000, all in memory): each further B-tree
    on random integers adds about as much time to a row's INSERT as one unit of cost takes a sequential scan.
    """
    if per_day <= 0:
        return 0.0
    rows = max(1.0, table_rows * index.share)
    pages = max(1.0, index.size_bytes / PAGE_BYTES)
    height = max(0.0, math.log(pages, 200))  # a page of inner tuples points to some 200 others
    descent = constants.cpu_operator * (math.ceil(math.log2(rows + 1)) + 50 * (height + 1))
    entries = descent + constants.cpu_index_tuple + ENTRY_COST * constants.cpu_operator / 0.0025
    per_checkpoint = per_day / CHECKPOINTS_PER_DAY
    scattered = pages * -math.expm1(-per_checkpoint / pages) if pages > 1 else min(1.0, per_checkpoint)
    together = min(per_checkpoint, per_checkpoint * pages / rows + 1 / CHECKPOINTS_PER_DAY)
    dirty = CHECKPOINTS_PER_DAY * (index.in_order * together + (1 - index.in_order) * scattered)
    # read or found in the cache, written, copied into the WAL: one random page and one in sequence
    return per_day * entries + dirty * (constants.random_page + constants.seq_page)


def vacuum_cost(index: WrittenIndex, table_rows: float, per_day: float, constants: CostConstants) -> float:
    """Cost per day of ``per_day`` dead entries: the index is read once for each fifth of the table."""
    if per_day <= 0:
        return 0.0
    scans = per_day / max(50.0, DEAD_SHARE * table_rows)
    return scans * index.size_bytes / PAGE_BYTES * constants.seq_page


def write_model(
    tables: Mapping[int, TableWrites],
    existing: Mapping[int, Sequence[WrittenIndex]],
    candidates: Sequence[tuple[int, WrittenIndex]],
    constants: CostConstants,
) -> WriteModel:
    """``tables`` and ``existing`` by root oid; each candidate with its table's root oid."""
    linear = [0.0] * len(candidates)
    groups: list[HotGroup] = []

    def entry(index: WrittenIndex, writes: TableWrites, per_day: float) -> float:
        share = per_day * index.share
        return insert_cost(index, writes.rows, share, constants) + vacuum_cost(index, writes.rows, share, constants)

    for number, (root, index) in enumerate(candidates):
        writes = tables.get(root)
        if writes:
            added = (writes.inserted + writes.plain_updates) * index.share
            dead = (writes.deleted + writes.plain_updates) * index.share
            linear[number] = insert_cost(index, writes.rows, added, constants)
            linear[number] += vacuum_cost(index, writes.rows, dead, constants)
    for root, writes in sorted(tables.items()):
        here = [n for n, (of, _) in enumerate(candidates) if of == root]
        for columns, per_day in sorted(writes.hot_updates.items(), key=lambda item: sorted(item[0])):
            touching = mask_of(n for n in here if candidates[n][1].prevents_hot and candidates[n][1].columns & columns)
            if touching and per_day > 0:
                fixed = sum(entry(index, writes, per_day) for index in existing.get(root, ()))
                entries = {n: entry(candidates[n][1], writes, per_day) for n in here}
                groups.append(HotGroup(touching, fixed, entries))
    return WriteModel(linear, groups)


def split_updates(
    updated: float, hot: float, by_columns: Mapping[frozenset[str], float], existing: Iterable[WrittenIndex]
) -> tuple[float, dict[frozenset[str], float]]:
    """Rows a day that are not HOT now, and those that are by the columns they set.

    Updates that set a column which is indexed already cannot be the HOT ones.
    """
    indexed = [i.columns for i in existing if i.prevents_hot]
    able = {c: n for c, n in by_columns.items() if n > 0 and not any(c & columns for columns in indexed)}
    total = sum(able.values())
    if not total:
        return updated, {}
    hot = min(hot, updated)
    return updated - hot, {c: hot * n / total for c, n in sorted(able.items(), key=lambda item: sorted(item[0]))}
