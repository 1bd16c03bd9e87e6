"""How large a new GIN index is: an entry tree of keys, and row pointers in each entry or in a tree of their own.

Follows ginentrypage.c, gindatapage.c and ginpostinglist.c. CREATE INDEX inserts keys in order, and a full entry page
is split in halves, so entry pages stay half empty; pages of posting trees are filled.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analyzer.advice.sizing.keys import ValueClass
from analyzer.schema.page_layout import INDEX_TUPLE_HEADER_BYTES, LINE_POINTER_BYTES, PAGE_BYTES, PAGE_HEADER_BYTES

SPECIAL_BYTES = 8
ENTRY_PAGE_BYTES = PAGE_BYTES - PAGE_HEADER_BYTES - SPECIAL_BYTES
# GinMaxItemSize: three entries to a page; longer ones move their row pointers to a posting tree
MAX_ENTRY_BYTES = (PAGE_BYTES - 40 - SPECIAL_BYTES) // 3 // 8 * 8
# GinPostingList: the first row pointer and the number of bytes, before the deltas
LIST_HEADER_BYTES = 8
# GinPostingListSegmentTargetSize; GinDataPageMaxDataSize, of which half a segment stays free
SEGMENT_BYTES = 256
DATA_PAGE_BYTES = PAGE_BYTES - PAGE_HEADER_BYTES - SPECIAL_BYTES - 8 - SEGMENT_BYTES / 2
POSTING_ITEM_BYTES = 10
# ginpostinglist.c: offsets in a block take the low 11 bits, seven bits go into a byte
BLOCKS_WITHIN_BYTES = ((2, 2**14 / 2**11), (3, 2**21 / 2**11), (4, 2**28 / 2**11))


@dataclass(frozen=True, slots=True)
class GinKeys:
    """Keys of one size among which ``values`` tells how rows fall; shares are of all indexed rows."""

    values: ValueClass
    key_bytes: float


def gin_pages(keys: Iterable[GinKeys], rows: float, blocks: float) -> int:
    """``blocks``: of the table; ``rows``: in the index."""
    entries: list[tuple[float, float]] = []
    data_pages = 0.0
    for key in keys:
        for number, per_key in _row_counts(key.values, rows):
            entry: float = INDEX_TUPLE_HEADER_BYTES + _aligned(key.key_bytes)
            postings = LIST_HEADER_BYTES + max(0.0, per_key - 1) * pointer_bytes(per_key, rows, blocks)
            if entry + postings > MAX_ENTRY_BYTES:
                data_pages += number * _posting_tree_pages(postings)
            else:
                # a list ends anywhere: rounding up to 8 adds half a step where it has deltas
                entry += postings + 3.5 if per_key > 1.5 else _aligned(postings)
            entries.append((number, entry + LINE_POINTER_BYTES))
    return 1 + math.ceil(_entry_tree_pages(entries) + data_pages)


def pointer_bytes(per_key: float, rows: float, blocks: float) -> float:
    """Mean bytes of the delta to the key's next row, rows of a key lying anywhere in the table."""
    per_block = per_key / max(1.0, blocks)
    within = 1.0 if per_block > 50 else -math.expm1(-per_block) / per_block if per_block > 1e-9 else 1.0
    # the next row lies in the same block; a delta of 128 or more offsets takes two bytes all the same
    same = max(0.0, 1 - within) * min(1.0, 127 * blocks / max(1.0, rows))
    mean, covered = same, same
    for size, reach in BLOCKS_WITHIN_BYTES:
        share = max(covered, 1 - math.exp(-per_block * reach) * within)
        mean += size * (share - covered)
        covered = share
    return mean + 5 * (1 - covered)


def _row_counts(values: ValueClass, rows: float) -> list[tuple[float, float]]:
    """How many keys there are with how many rows each: those that any row has, by a Poisson number of rows."""
    mean = rows * values.share
    if mean > 30:
        return [(values.count, mean)]
    if mean < 1e-3:
        return [(values.count * mean, 1.0)]
    return [
        (values.count * math.exp(number * math.log(mean) - mean - math.lgamma(number + 1)), float(number))
        for number in range(1, int(mean + 4 * math.sqrt(mean)) + 3)
    ]


def _posting_tree_pages(postings: float) -> int:
    leaves = math.ceil(postings * (1 + LIST_HEADER_BYTES / SEGMENT_BYTES) / DATA_PAGE_BYTES)
    pages = level = leaves
    while level > 1:
        level = math.ceil(level * POSTING_ITEM_BYTES / DATA_PAGE_BYTES)
        pages += level
    return pages


def _entry_tree_pages(entries: Sequence[tuple[float, float]]) -> float:
    """entrySplitPage() leaves on the left what first exceeds half of a full page and the new entry."""
    total = sum(number * size for number, size in entries)
    if total <= ENTRY_PAGE_BYTES:
        return 1
    usual = sum(number * size * size for number, size in entries) / total
    leaves = level = math.ceil(total / min(ENTRY_PAGE_BYTES, ENTRY_PAGE_BYTES / 2 + 0.75 * usual))
    # a downlink is the key alone: at most as long as the shortest entry
    downlink = min(size for _, size in entries)
    pages = leaves
    while level > 1:
        level = math.ceil(level * downlink / (ENTRY_PAGE_BYTES / 2))
        pages += level
    return pages


def _aligned(size: float) -> int:
    return math.ceil(size / 8) * 8
