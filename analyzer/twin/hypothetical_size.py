"""How large a hypothetical index would be and how high its tree."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.sizing.size import btree_height, btree_index_size, index_size_bytes
from analyzer.monitored.catalog.planner_facts import GinPages
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.values.column_statistics import ColumnStatistics

# judgement, for what cannot be estimated: an index entry of header, row pointer and two short keys, pages 90 % full
DEFAULT_ENTRY_BYTES = 32
DEFAULT_KEY_BYTES = 16.0  # judgement: two integers or a short text, where the statistics say nothing


@dataclass(frozen=True, slots=True)
class Size:
    """``level`` of a B-tree's root, ``gin``: what a GIN index's metapage says; None for other kinds, or not known.
    ``rows`` of a partial index where they were counted; None: as many as the planner expects.
    """

    blocks: int
    level: int | None = None
    gin: GinPages | None = None
    rows: float | None = None


# definition, statistics of its table's columns and expressions, rows in the index -> size
Estimator = Callable[[IndexDefinition, Mapping[str, ColumnStatistics], float], Size]


def estimate_size(
    definition: IndexDefinition,
    statistics: Mapping[str, ColumnStatistics],
    rows: float,
    *,
    distinct_groups: Mapping[frozenset[str], float] | None = None,
    server_version_num: int = 0,
) -> Size:
    """``rows``: in the index, so fewer than the table's when it is partial. The rest as in ``index_size_bytes``."""
    if definition.method == "btree":
        size = btree_index_size(
            definition, statistics, rows=rows, distinct_groups=distinct_groups, server_version_num=server_version_num
        )
        if size is not None:
            return Size(size.pages, size.height)
        bytes_ = max(PAGE_BYTES * 2, math.ceil(rows * DEFAULT_ENTRY_BYTES / 0.9))
        return Size(math.ceil(bytes_ / PAGE_BYTES), btree_height(bytes_, DEFAULT_KEY_BYTES))
    known = index_size_bytes(definition, statistics, rows=rows)
    if known is None:
        known = math.ceil(rows * DEFAULT_ENTRY_BYTES / 0.9)
    return Size(max(1, math.ceil(known / PAGE_BYTES)))
