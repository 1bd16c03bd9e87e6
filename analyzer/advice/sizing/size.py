"""How large an index would be right after CREATE INDEX, of any kind, from statistics alone.

Each kind has its module: ``sizing_btree``, ``sizing_gin``, ``sizing_other``. Unknown (None) without statistics.
"""

import math
from collections.abc import Mapping, Sequence

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.sizing.btree import BtreeSize, btree_height, btree_size
from analyzer.advice.sizing.elements import gin_keys
from analyzer.advice.sizing.gin import gin_pages
from analyzer.advice.sizing.keys import KeyColumn, key_columns
from analyzer.advice.sizing.other_kinds import brin_pages, gist_pages, hash_pages
from analyzer.schema.facts import TableFacts
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.values.column_statistics import ColumnStatisticsMap


def index_size_bytes(
    definition: IndexDefinition,
    statistics: ColumnStatisticsMap | None = None,
    *,
    rows: float | None = None,
    distinct_groups: Mapping[frozenset[str], float] | None = None,
    server_version_num: int = 0,
) -> int | None:
    """Bytes on disk; None where the table's rows or a column's statistics are not known, and for SP-GiST.

    ``statistics`` by column name, an expression's by its SQL; a column missing there is looked up in the table's
    facts. ``rows``: how many rows a partial index holds (None: unknown, and so is the size). ``distinct_groups``:
    numbers of distinct combinations from extended statistics (ndistinct). ``server_version_num``: 0 where not known.
    """
    if definition.method == "btree":
        size = btree_index_size(
            definition, statistics, rows=rows, distinct_groups=distinct_groups, server_version_num=server_version_num
        )
        return None if size is None else size.size_bytes
    known, table = key_columns(definition, statistics), definition.table
    indexed = rows if rows is not None or definition.predicate else table.rows
    if known is None or table.rows is None or table.size_bytes is None or indexed is None:
        return None
    pages = _other_pages(definition, known[0], indexed, table.rows, table.size_bytes / PAGE_BYTES)
    return None if pages is None else pages * PAGE_BYTES


def _other_pages(
    definition: IndexDefinition, keys: Sequence[KeyColumn], rows: float, table_rows: float, blocks: float
) -> int | None:
    match definition.method:
        case "brin":
            return brin_pages(keys, definition.storage, blocks)
        case "hash":
            return hash_pages(keys[0], rows, table_rows) if _are_analysed(keys) else None
        case "gist":
            return gist_pages(keys, rows)
        case "gin":
            keys_each = [gin_keys(key, table_rows) for key in keys]
            all_keys = [key for some in keys_each if some is not None for key in some]
            unseen = [key for key, some in zip(keys, keys_each, strict=True) if some is None]
            wide = [_stored_bytes(key, definition.table) for key in unseen]
            if None in wide:
                return None
            pages = gin_pages(all_keys, rows, blocks) if all_keys else 1
            return pages + math.ceil(sum(filter(None, wide)) * rows / PAGE_BYTES)
    return None  # spgist, and what extensions bring


def _stored_bytes(key: KeyColumn, table: TableFacts) -> float | None:
    """Of a value that ANALYZE found too wide to keep (WIDTH_THRESHOLD of analyze.c: 1,024 bytes), as the table has it.

    What a GIN index takes for one is about as much: measured on 15, 0.65 and 0.92 of it for trigrams of prose, 1.8 of
    hexadecimal digits.
    """
    width = key.statistics.avg_width_bytes
    if key.is_expression or width is None or key.statistics.n_distinct is None or not table.rows:
        return None
    outside = (table.storage.toast_bytes or 0) if table.storage is not None else 0  # where pg_stats counts a pointer
    return width + outside / table.rows


def _are_analysed(keys: Sequence[KeyColumn]) -> bool:
    return all(key.statistics.n_distinct is not None for key in keys)


def btree_index_size(
    definition: IndexDefinition,
    statistics: ColumnStatisticsMap | None = None,
    *,
    rows: float | None = None,
    distinct_groups: Mapping[frozenset[str], float] | None = None,
    server_version_num: int = 0,
) -> BtreeSize | None:
    """Pages and height of a B-tree; arguments and None as in ``index_size_bytes``."""
    known = key_columns(definition, statistics, server_version_num)
    table_rows = definition.table.rows
    indexed = rows if rows is not None or definition.predicate else table_rows
    if known is None or table_rows is None or indexed is None or not _are_analysed(known[0]):
        return None
    keys, include = known
    return btree_size(
        keys, include, indexed, table_rows, is_unique=definition.is_unique, distinct_groups=distinct_groups
    )


def btree_size_bytes(
    table: TableFacts, columns: Sequence[str], include: Sequence[str] = (), *, is_unique: bool = False
) -> int | None:
    """Bytes of a plain B-tree on these columns, from the table's facts."""
    definition = IndexDefinition(
        table, tuple(IndexColumn(name) for name in columns), include=tuple(include), is_unique=is_unique
    )
    return index_size_bytes(definition)


__all__ = ["BtreeSize", "btree_height", "btree_index_size", "btree_size_bytes", "index_size_bytes"]
