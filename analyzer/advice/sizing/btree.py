"""How large a new B-tree is, page by page as nbtsort.c and nbtdedup.c build it.

Rows fall on keys as the statistics say, columns independently of one another unless something says otherwise. Equal
keys become posting lists of six bytes a row. Leaf pages are filled to 90 %, inner pages to 70 %.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer.advice.sizing.keys import KeyColumn, ValueClass, merged, potential_values
from analyzer.schema.page_layout import (
    BTREE_PAGE_BYTES,
    INDEX_TUPLE_HEADER_BYTES,
    LINE_POINTER_BYTES,
    PAGE_BYTES,
)

ROW_POINTER_BYTES = 6
# _bt_load(): maxpostingsize is a tenth of a page less a line pointer; posting tuples are rounded up to 8
MAX_POSTING_BYTES = ((PAGE_BYTES // 10) // 8 * 8 - LINE_POINTER_BYTES) // 8 * 8
# _bt_buildadd(): a page is full when less than this is free; its last tuple then moves on and leaves the high key
LEAF_FREE_BYTES = PAGE_BYTES * (100 - 90) // 100
INNER_FREE_BYTES = PAGE_BYTES * (100 - 70) // 100
# what a page keeps until then: PageGetFreeSpace() counts a line pointer, the high key's has its place from the start
LEAF_BYTES = BTREE_PAGE_BYTES - LEAF_FREE_BYTES - 2 * LINE_POINTER_BYTES
INNER_BYTES = BTREE_PAGE_BYTES - INNER_FREE_BYTES - 2 * LINE_POINTER_BYTES
MOST_LEAF_BYTES = BTREE_PAGE_BYTES - 2 * LINE_POINTER_BYTES - 8  # room for the high key's row pointer
# judgement: two columns that both follow the order of the rows this closely split the table into the same runs
FOLLOWS_ROW_ORDER = 0.99
CLASSES = 32


@dataclass(frozen=True, slots=True)
class BtreeSize:
    """``height`` is the level of the root: 0 for a single leaf."""

    pages: int
    height: int

    @property
    def size_bytes(self) -> int:
        return self.pages * PAGE_BYTES


@dataclass(slots=True)
class _Leaf:
    """Sums over all leaf tuples: bytes with line pointers, their squares, and what truncation to a high key saves."""

    tuples: float = 0.0
    bytes: float = 0.0
    squares: float = 0.0
    saved: float = 0.0

    def add(self, tuples: float, size: float, posting: float = 0.0) -> None:
        size += LINE_POINTER_BYTES
        self.tuples += tuples
        self.bytes += tuples * size
        self.squares += tuples * size * size
        self.saved += tuples * size * posting

    @property
    def usual_bytes(self) -> float:
        """Size of the tuple at a random place of the leaf pages."""
        return self.squares / self.bytes if self.bytes else 0.0

    def pages(self) -> float:
        if self.bytes <= 0:
            return 0.0
        room = min(LEAF_BYTES + self.saved / self.bytes, MOST_LEAF_BYTES)
        mean = self.bytes / self.tuples
        if self.squares * self.tuples < self.bytes**2 * 1.001:  # all of one size
            return self.tuples / max(1, int(room / mean))
        # the tuple across the mark goes to the next page: on average half of it lies before the mark
        usual = self.usual_bytes
        kept = LEAF_BYTES + self.saved / self.bytes - usual / 2
        # posting lists rarely reach the mark before the page is full: the next one does not fit, and the last one goes
        # with it, since it becomes the high key
        return self.bytes / max(mean, min(kept, MOST_LEAF_BYTES - 1.5 * usual))


def btree_size(
    keys: Sequence[KeyColumn],
    include: Sequence[KeyColumn],
    rows: float,
    table_rows: float,
    *,
    is_unique: bool = False,
    distinct_groups: Mapping[frozenset[str], float] | None = None,
) -> BtreeSize:
    """``rows`` of the table's rows are in the index (fewer than ``table_rows`` when it is partial)."""
    columns = [*keys, *include]
    deduplicates = not include and not is_unique and all(k.deduplicates for k in keys)
    leaf, runs = _Leaf(), _Leaf()  # runs: of equal keys, longer than a page
    nullable = [k for k in columns if k.null_frac > 0]
    for nulls in itertools.product((False, True), repeat=len(nullable)):
        absent = {k.name for k, is_null in zip(nullable, nulls, strict=True) if is_null}
        share = math.prod(k.null_frac if k.name in absent else 1 - k.null_frac for k in nullable)
        if rows * share < 0.5:
            continue
        present = [k for k in columns if k.name not in absent]
        size = tuple_bytes(present, has_nulls=bool(absent))
        if deduplicates:
            for classes in _joint_classes(present, rows * share, table_rows, distinct_groups or {}):
                _add_groups(leaf, runs, classes, rows * share, size)
        else:
            leaf.add(rows * share, size)
    pivot_bytes = tuple_bytes(_telling_prefix(keys, table_rows), has_nulls=False)
    if max(leaf.usual_bytes, runs.usual_bytes) > MAX_POSTING_BYTES / 2:
        pivot_bytes += 8  # equal keys on both sides of a page boundary: the high key keeps the row pointer
    return _with_inner_pages(max(1, math.ceil(leaf.pages() + runs.pages())), pivot_bytes)


def btree_height(size_bytes: int, key_bytes: float) -> int:
    """Level of the root of a B-tree of that size whose keys take ``key_bytes`` (data only, on average)."""
    pages = max(1, size_bytes // PAGE_BYTES - 1)
    low, high = 1, pages
    pivot_bytes = INDEX_TUPLE_HEADER_BYTES + _aligned(key_bytes)
    while low < high:  # the number of leaves that makes so many pages
        middle = (low + high) // 2
        if _with_inner_pages(middle, pivot_bytes).pages - 1 < pages:
            low = middle + 1
        else:
            high = middle
    return _with_inner_pages(low, pivot_bytes).height


def tuple_bytes(columns: Sequence[KeyColumn], *, has_nulls: bool) -> float:
    """An index tuple's mean size, each one aligned to 8. NULLs add a bitmap of 4 bytes to the header."""
    ends: dict[float, float] = {0.0: 1.0}
    for column in columns:
        following: dict[float, float] = {}
        for at, share in ends.items():
            for width, part in column.widths():
                align = 4 if column.is_variable and width > 127 else column.alignment
                end = math.ceil(at / align) * align + width
                following[end] = following.get(end, 0.0) + share * part
        ends = following if len(following) <= 512 else _thinned(following)
    return INDEX_TUPLE_HEADER_BYTES * (2 if has_nulls else 1) + sum(
        _aligned(end) * share for end, share in ends.items()
    )


def _thinned(ends: dict[float, float]) -> dict[float, float]:
    """Ends to whole bytes, the far ones in steps of 8: only the remainder matters for alignment."""
    thinned: dict[float, float] = {}
    for end, share in ends.items():
        coarse = float(int(end) % 8 + int(end) // 64 * 64 + 32)
        thinned[coarse] = thinned.get(coarse, 0.0) + share
    return thinned


def _aligned(size: float) -> int:
    return math.ceil(size / 8) * 8


def _joint_classes(
    columns: Sequence[KeyColumn], rows: float, table_rows: float, groups: Mapping[frozenset[str], float]
) -> list[ValueClass]:
    """How rows fall on combinations of the columns' values."""
    classes = [ValueClass(1.0, 1.0)]
    for part in _dependent(columns, rows, table_rows, groups):
        classes = merged([ValueClass(a.count * b.count, a.share * b.share) for a in classes for b in part], CLASSES)
    return classes


def _dependent(
    columns: Sequence[KeyColumn], rows: float, table_rows: float, groups: Mapping[frozenset[str], float]
) -> list[list[ValueClass]]:
    """Value classes of each independent part: a column, or columns that are known to go together.

    ``groups`` are extended statistics (ndistinct). Without them, columns that follow the order of the rows have as
    many combinations as runs: at most the sum of their distinct values.
    """
    left = {c.name: c for c in columns}
    parts: list[list[ValueClass]] = []
    for names, distinct in sorted(groups.items(), key=lambda g: (-len(g[0]), sorted(g[0]))):
        if names <= left.keys():
            telling = max((left[name] for name in names), key=lambda c: c.statistics.distinct_values(table_rows) or 0)
            alone = telling.statistics.distinct_values(table_rows) or table_rows
            # one of them implies the others: rows fall on the combinations as they fall on its values
            is_implied = distinct <= alone * 1.01
            parts.append(telling.value_classes(table_rows) if is_implied else _even(distinct, rows))
            for name in names:
                del left[name]
    ordered = [c for c in left.values() if abs(c.statistics.correlation or 0) >= FOLLOWS_ROW_ORDER]
    if len(ordered) > 1:
        distinct = sum(c.statistics.distinct_values(table_rows) or table_rows for c in ordered)
        parts.append(_even(min(distinct, table_rows), table_rows))
        for column in ordered:
            del left[column.name]
    return parts + [c.value_classes(table_rows) for c in left.values()]


def _even(distinct: float, rows: float) -> list[ValueClass]:
    count = potential_values(max(1.0, distinct), rows)
    return [ValueClass(count, 1 / count)]


def _add_groups(leaf: _Leaf, runs: _Leaf, values: ValueClass, rows: float, size: float) -> None:
    """Leaf tuples of ``values.count`` keys on which a Poisson number of rows fall each."""
    mean = rows * values.share
    most = max(1, int((MAX_POSTING_BYTES - size) // ROW_POINTER_BYTES))
    if mean < 1e-4:
        leaf.add(values.count * mean, size)
        return
    if mean * ROW_POINTER_BYTES > LEAF_BYTES:  # nearly all of it in full posting lists
        runs.add(values.count * mean / most, size + _aligned(ROW_POINTER_BYTES * most), ROW_POINTER_BYTES * most)
        return
    spread = 4 * math.sqrt(mean) + 2
    for number in range(max(1, int(mean - spread)), int(mean + spread) + 2):
        keys = values.count * math.exp(number * math.log(mean) - mean - math.lgamma(number + 1))
        full, rest = divmod(number, most)
        if full and most > 1:
            leaf.add(keys * full, size + _aligned(ROW_POINTER_BYTES * most), ROW_POINTER_BYTES * most)
        if rest == 1 or most == 1:
            leaf.add(keys * (rest if most > 1 else number), size)
        elif rest:
            leaf.add(keys, size + _aligned(ROW_POINTER_BYTES * rest), ROW_POINTER_BYTES * rest)


def _telling_prefix(keys: Sequence[KeyColumn], table_rows: float) -> Sequence[KeyColumn]:
    """High keys lose the columns after the first that differs: with many values, that is an early one."""
    combinations = 1.0
    for number, key in enumerate(keys, start=1):
        combinations *= key.statistics.distinct_values(table_rows) or table_rows
        if combinations >= table_rows / 2:
            return keys[:number]
    return keys


def _with_inner_pages(leaves: int, pivot_bytes: float) -> BtreeSize:
    # the first downlink of a page has no key
    fan_out = 1 + max(1, int((INNER_BYTES - INDEX_TUPLE_HEADER_BYTES - LINE_POINTER_BYTES) / (pivot_bytes + 4)))
    level = pages = leaves
    height = 0
    while level > 1:
        level = math.ceil(level / fan_out)
        pages += level
        height += 1
    return BtreeSize(pages + 1, height)  # and the meta page
