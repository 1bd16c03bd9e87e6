"""How much of a table's heap and of a B-tree is empty: as pgstattuple measured it, else by the statistics' widths.

The estimate is ioguix' (pgsql-bloat-estimation): rows times what a row takes by pg_stats, against the pages there are.
What it cannot know widens its error bar: how columns are aligned, NULLs, and sampling, ``TOLERANCE`` of the pages.
Free space that a fillfactor asks for, and what wide rows leave over at the end of a page, is no bloat.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.fill import BtreeFill, HeapFill
from analyzer.schema.page_layout import BTREE_PAGE_BYTES, LINE_POINTER_BYTES, PAGE_BYTES, PAGE_HEADER_BYTES
from analyzer.schema.row_layout import ALIGNMENT
from analyzer.words.sizes import size_words

ROW_HEADER_BYTES, NULLS_BYTES = 24, 8
BTREE_ROW_HEADER_BYTES = 8
HEAP_FILLFACTOR, BTREE_FILLFACTOR = 100, 90
MOST_KEY_BYTES = 2704.0  # BTMaxItemSize
TOLERANCE = 0.1  # measured: see tests/monitored/test_bloat.py
MOST_CHANGED = 0.2  # judgement: of the rows, since the last ANALYZE; more, and its widths are old
MEASURED_FOR = timedelta(days=7)
MOST_RESIZED = 0.2  # of its size, since it was measured


@dataclass(frozen=True, slots=True)
class Bloat:
    """``wasted_bytes`` beyond what it would take if it were written anew; low and high: the ends of the error bar."""

    size_bytes: int
    wasted_bytes: int
    low_bytes: int
    high_bytes: int
    measured_at: datetime | None = None

    @property
    def low_ratio(self) -> float:
        return self.low_bytes / self.size_bytes if self.size_bytes else 0.0

    @property
    def words(self) -> str:
        """ "5.3 GB (measured)", "about 5.3 GB (5.1 GB to 5.6 GB, by its statistics)"."""
        wasted = size_words(self.wasted_bytes)
        if self.measured_at is not None:
            return f"{wasted} (measured {self.measured_at:%Y-%m-%d})"
        return f"about {wasted} ({size_words(self.low_bytes)} to {size_words(self.high_bytes)}, by its statistics)"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why nothing can be said."""

    reason: str


def heap_bloat(table: TableFacts, now: datetime | None) -> Bloat | Unknown:
    fill = table.fill
    if fill is not None and _holds(fill.measured_at, fill.size_bytes, table.size_bytes, now):
        return _of_heap_fill(table, fill)
    if table.size_bytes is None or table.rows is None:
        return Unknown("needs VACUUM or ANALYZE of the table")
    if max((column.number for column in table.columns), default=0) > len(table.columns):
        return Unknown("columns were dropped, and old rows still hold them")
    sizes = _row_bytes(table, table.columns, ROW_HEADER_BYTES)
    if isinstance(sizes, Unknown):
        return sizes
    usable = (PAGE_BYTES - PAGE_HEADER_BYTES) * _fillfactor(table.storage_options, HEAP_FILLFACTOR)
    least, most = (ceil(_rows(table) / max(1.0, usable // (size + LINE_POINTER_BYTES))) * PAGE_BYTES for size in sizes)
    return _between(table.size_bytes, least, most)


def btree_bloat(table: TableFacts, index: IndexFacts, now: datetime | None) -> Bloat | Unknown:
    if index.method != "btree":
        return Unknown("only B-trees are looked at")
    fill = index.fill
    if fill is not None and _holds(fill.measured_at, fill.size_bytes, index.size_bytes, now):
        measured = _of_btree_fill(index, fill)
        if measured is not None:
            return measured
    if index.size_bytes is None or table.rows is None:
        return Unknown("needs VACUUM or ANALYZE of the table")
    if index.predicate is not None or None in index.columns:
        return Unknown("of a partial index, or one on an expression, the statistics do not tell")
    columns = [column for name in (*index.columns, *index.include) if (column := table.column(name or "")) is not None]
    sizes = _row_bytes(table, columns, BTREE_ROW_HEADER_BYTES)
    if isinstance(sizes, Unknown):
        return sizes
    usable = BTREE_PAGE_BYTES * _fillfactor(index.storage_options, BTREE_FILLFACTOR)
    longest = min(MOST_KEY_BYTES, sizes[1] + _out_of_line_bytes(table, columns))
    least = ceil(_rows(table) * (sizes[0] + LINE_POINTER_BYTES) / usable) * PAGE_BYTES
    # a page's high key takes the place of one more
    most = ceil(_rows(table) / max(1.0, usable // (longest + LINE_POINTER_BYTES) - 1)) * PAGE_BYTES
    # equal keys may share an entry (13): how many do is not told, so that it may need next to nothing
    return _between(index.size_bytes, 0 if not index.is_unique else least, most)


def large_and_suspicious(
    facts: SchemaFacts, least_bytes: int, least_ratio: float
) -> Iterable[tuple[int, TableFacts, IndexFacts | None]]:
    """Tables and B-trees of that size that may be bloated so much, with the bytes they may waste, the worst first."""
    found: list[tuple[int, TableFacts, IndexFacts | None]] = []
    now = facts.taken_at
    for table in facts:
        if table.kind not in "rm":
            continue
        suspects: list[IndexFacts | None] = []
        if (table.size_bytes or 0) >= least_bytes:
            suspects.append(None)
        suspects += [i for i in table.indexes if (i.size_bytes or 0) >= least_bytes and i.is_usable]
        for index in suspects:
            try:
                bloat = heap_bloat(table, now) if index is None else btree_bloat(table, index, now)
            except (ArithmeticError, ValueError):  # figures that no server of ours had: no reason to read no schema
                continue
            if isinstance(bloat, Bloat) and bloat.wasted_bytes >= bloat.size_bytes * least_ratio:
                found.append((bloat.wasted_bytes, table, index))
    return sorted(found, key=lambda each: (-each[0], each[1].oid, each[2].oid if each[2] else 0))


def _rows(table: TableFacts) -> float:
    """With the dead ones: what they take is not free before VACUUM."""
    return (table.rows or 0.0) + table.activity.dead_rows


def _out_of_line_bytes(table: TableFacts, columns: Iterable[ColumnFacts]) -> float:
    """Of a key, at most: pg_stats counts a pointer for a value in TOAST, an index holds the value."""
    if not any(column.length_bytes == -1 and column.storage in "ex" for column in columns):
        return 0.0
    if table.storage is None or table.storage.toast_bytes is None:
        return MOST_KEY_BYTES
    return table.storage.toast_bytes / table.rows if table.rows else 0.0


def _between(size: int, least: int, most: int) -> Bloat:
    """What it would take is between these, and sampling may be off."""
    low = max(0, int(size - most * (1 + TOLERANCE)))
    high = max(low, int(size - least * (1 - TOLERANCE)))
    wasted = max(low, min(high, size - most))
    return Bloat(size, wasted, low, high)


def _of_heap_fill(table: TableFacts, fill: HeapFill) -> Bloat:
    """Free space without that of the fillfactor and the ends of pages that hold no further row.

    The map of free space knows it to a page's 256th, and not what pointers to rows that are gone still take.
    """
    pages = fill.size_bytes / PAGE_BYTES
    usable = PAGE_BYTES - PAGE_HEADER_BYTES
    row = fill.row_bytes + LINE_POINTER_BYTES if fill.row_bytes else 0.0
    left_over = usable % row if 0 < row < usable else 0.0
    reserved = usable * (1 - _fillfactor(table.storage_options, HEAP_FILLFACTOR))
    needed_free = pages * (reserved + left_over)
    wasted = max(0, int(fill.free_bytes - needed_free))
    low = max(0, wasted - fill.size_bytes // 256)
    high = min(fill.size_bytes, wasted + int(fill.size_bytes * TOLERANCE))
    return Bloat(fill.size_bytes, wasted, low, high, fill.measured_at)


def _of_btree_fill(index: IndexFacts, fill: BtreeFill) -> Bloat | None:
    if fill.leaf_density_ratio is None:
        return None
    leaves = fill.leaf_pages * min(1.0, fill.leaf_density_ratio / _fillfactor(index.storage_options, BTREE_FILLFACTOR))
    wasted = max(0, int(fill.size_bytes - (leaves + fill.internal_pages + 1) * PAGE_BYTES))
    return Bloat(fill.size_bytes, wasted, wasted, wasted, fill.measured_at)


def _holds(measured_at: datetime, then_bytes: int, size_bytes: int | None, now: datetime | None) -> bool:
    """Whether it is as it was measured: neither long ago nor of another size."""
    if now is None or now - measured_at > MEASURED_FOR or size_bytes is None:
        return False
    return abs(size_bytes - then_bytes) <= then_bytes * MOST_RESIZED


def _fillfactor(options: Mapping[str, str], default: int) -> float:
    value = options.get("fillfactor", "")
    return (int(value) if value.isdigit() else default) / 100


def _row_bytes(table: TableFacts, columns: Iterable[ColumnFacts], header: int) -> tuple[float, float] | Unknown:
    """The least and the most that a row may take on average, as its columns may be aligned."""
    if table.rows and table.activity.modified_since_analyze > table.rows * MOST_CHANGED:
        return Unknown("needs ANALYZE of the table: much changed since the last one")
    data = padding = 0.0
    has_nulls = False
    for column in columns:
        if column.avg_width_bytes is None or column.null_frac is None:
            return Unknown("needs the columns' statistics: ANALYZE, and for this login SELECT on the table")
        if not (column.avg_width_bytes >= 0 and 0 <= column.null_frac <= 1):
            return Unknown("the columns' statistics are none that ANALYZE writes")
        data += column.avg_width_bytes * (1 - column.null_frac)
        padding += ALIGNMENT.get(column.alignment, 4) - 1
        has_nulls = has_nulls or column.null_frac > 0
    nulls = NULLS_BYTES if has_nulls else 0
    return header + data, -(-(header + nulls + data + padding) // 8) * 8
