"""How large a B-tree would be, from pg_stats.

Follows nbtsort.c and nbtdedup.c: leaf pages filled to 90 %, equal keys packed into posting lists of six bytes a
row and at most about 800 bytes, inner pages filled to 70 %. Unknown without statistics.
"""

import math
from collections.abc import Sequence

from analyzer.facts import ColumnFacts, TableFacts

PAGE_BYTES = 8192
PAGE_OVERHEAD_BYTES = 24 + 16  # page header, B-tree special space
LINE_POINTER_BYTES = 4
TUPLE_HEADER_BYTES = 8
ROW_POINTER_BYTES = 6
LEAF_FREE_BYTES = PAGE_BYTES // 10  # fillfactor 90
# _bt_load(): maxpostingsize, a tenth of a page
MAX_POSTING_BYTES = (PAGE_BYTES // 10) // 8 * 8 - LINE_POINTER_BYTES
INNER_FILL_RATIO = 0.7
# pg_type.typlen and typalign of fixed-width types, by oid
FIXED_WIDTHS = {
    16: (1, 1), 18: (1, 1), 19: (64, 1), 20: (8, 8), 21: (2, 2), 23: (4, 4), 26: (4, 4), 700: (4, 4), 701: (8, 8),
    829: (6, 4), 1082: (4, 4), 1083: (8, 8), 1114: (8, 8), 1184: (8, 8), 1186: (16, 8), 1266: (12, 8), 2950: (16, 1),
    790: (8, 8), 3220: (8, 8),
}  # fmt: skip
VARIABLE_WIDTH = frozenset({17, 25, 1042, 1043, 1700, 869, 650, 1560, 1562, 3802, 114})
# equal does not mean the same bytes: never de-duplicated (nbtree's _bt_allequalimage)
NEVER_DEDUPLICATED = frozenset({700, 701, 1042, 1700, 3802})


def btree_size_bytes(
    table: TableFacts, columns: Sequence[str], include: Sequence[str] = (), *, is_unique: bool = False
) -> int | None:
    """Bytes on disk right after CREATE INDEX; None where rows or a column's statistics are not known."""
    facts = [table.column(name) for name in (*columns, *include)]
    if table.rows is None or any(c is None or c.avg_width_bytes is None for c in facts):
        return None
    keys = [c for c in facts if c is not None]
    rows = table.rows
    deduplicates = not include and not is_unique and not any(
        c.type_oid in NEVER_DEDUPLICATED or c.type_name.endswith(("[]", "range")) for c in keys
    )  # fmt: skip
    null_share = _null_share(keys)
    leaf = 0.0
    for share, has_nulls in ((1 - null_share, False), (null_share, True)):
        distinct = _distinct(keys, rows * share, has_nulls=has_nulls) if deduplicates else rows * share
        leaf += _leaf_bytes(rows * share, distinct, _tuple_bytes(keys, has_nulls=has_nulls))
    key_bytes = _tuple_bytes(keys, has_nulls=False) + LINE_POINTER_BYTES
    per_page = PAGE_BYTES - PAGE_OVERHEAD_BYTES - LEAF_FREE_BYTES - key_bytes  # the high key
    level = max(1, math.ceil(leaf / per_page))
    pages: int = level
    fan_out = max(2, int((PAGE_BYTES - PAGE_OVERHEAD_BYTES) * INNER_FILL_RATIO / key_bytes))
    while level > 1:
        level = (level + fan_out - 1) // fan_out
        pages += level
    return (pages + 1) * PAGE_BYTES  # and the meta page


def _distinct(keys: Sequence[ColumnFacts], rows: float, *, has_nulls: bool) -> float:
    """Distinct keys among ``rows`` rows without (or all with) a NULL, columns taken as independent."""
    if len(keys) == 1:
        return 1.0 if has_nulls else max(1.0, min(rows, keys[0].distinct_values or rows))
    nullable = [k for k in keys if k.null_frac]
    product = 1.0
    for key in keys:
        values = _even_values(key)
        if has_nulls and key in nullable:
            values = 1.0 if len(nullable) == 1 else 1 + values * (1 - (key.null_frac or 0))
        product *= values
    return max(1.0, min(rows, product))


def _even_values(key: ColumnFacts) -> float:
    """How many equally common values would spread as the non-null ones do: the exponential of their entropy."""
    distinct, present = key.distinct_values or 1.0, 1 - (key.null_frac or 0)
    if present <= 0:
        return 1.0
    shares = [f / present for f in key.most_common_freqs or () if f > 0]
    rest, others = 1 - sum(shares), distinct - len(shares)
    entropy = -sum(share * math.log(share) for share in shares)
    if rest > 1e-6 and others >= 1:
        entropy -= rest * math.log(rest / others)
    return math.exp(entropy)


def _null_share(keys: Sequence[ColumnFacts]) -> float:
    """Rows with at least one NULL key: their tuples carry a bitmap."""
    without = 1.0
    for key in keys:
        without *= 1 - (key.null_frac or 0)
    return 1 - without


def _tuple_bytes(keys: Sequence[ColumnFacts], *, has_nulls: bool) -> float:
    """An index tuple of one row, aligned to 8; with NULLs the average over which column is NULL."""
    at, varies = 0.0, False
    nullable = [k for k in keys if k.null_frac]
    for key in keys:
        width, align = _width(key)
        if has_nulls and key in nullable:
            if len(nullable) == 1:
                continue
            width *= 1 - (key.null_frac or 0)
        at = math.ceil(at / align) * align + width
        varies = varies or (key.type_oid not in FIXED_WIDTHS and _is_variable(key))
    header = TUPLE_HEADER_BYTES * (2 if has_nulls else 1)
    # the average of rounded-up widths is half a step above the average width
    data = at + 3.5 if varies else math.ceil(at / 8) * 8
    return header + data


def _width(key: ColumnFacts) -> tuple[float, int]:
    fixed = FIXED_WIDTHS.get(key.type_oid)
    if fixed:
        return float(fixed[0]), fixed[1]
    width = float(key.avg_width_bytes or 0)
    return width, 4 if not _is_variable(key) else 1


def _is_variable(key: ColumnFacts) -> bool:
    """Enums and other types of 4 bytes are fixed; strings have a short header and no alignment."""
    return key.type_oid in VARIABLE_WIDTH or key.avg_width_bytes != 4


def _leaf_bytes(rows: float, distinct: float, tuple_bytes: float) -> float:
    """Leaf tuples with their line pointers for ``distinct`` keys of one size, spread evenly."""
    if rows <= 0:
        return 0.0
    single = tuple_bytes + LINE_POINTER_BYTES
    per_key = rows / max(1.0, distinct)
    if per_key < 1.0001:
        return rows * single
    most = max(1, int((MAX_POSTING_BYTES - tuple_bytes) // ROW_POINTER_BYTES))
    if per_key > 4 * most:
        return rows * (math.ceil((tuple_bytes + ROW_POINTER_BYTES * most) / 8) * 8 + LINE_POINTER_BYTES) / most
    return distinct * sum(share * _key_bytes(size, tuple_bytes, most) for size, share in _group_sizes(per_key))


def _key_bytes(rows: int, tuple_bytes: float, most: int) -> float:
    """All tuples of one key with that many rows."""
    full, rest = divmod(rows, most)
    total: float = full * (math.ceil((tuple_bytes + ROW_POINTER_BYTES * most) / 8) * 8 + LINE_POINTER_BYTES)
    if rest == 1:
        total += tuple_bytes + LINE_POINTER_BYTES
    elif rest:
        total += math.ceil((tuple_bytes + ROW_POINTER_BYTES * rest) / 8) * 8 + LINE_POINTER_BYTES
    return total


def _group_sizes(mean: float) -> list[tuple[int, float]]:
    """How many rows share a key: one, plus a Poisson number, as when rows fall on keys at random."""
    extra = mean - 1
    sizes = range(max(0, int(extra - 4 * math.sqrt(extra + 1))), int(extra + 4 * math.sqrt(extra + 1)) + 2)
    weights = [
        math.exp(k * math.log(extra) - extra - math.lgamma(k + 1)) if extra > 0 else float(k == 0) for k in sizes
    ]
    total = sum(weights)
    return [(k + 1, w / total) for k, w in zip(sizes, weights, strict=True)]
