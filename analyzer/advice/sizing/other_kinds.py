"""How large new BRIN, hash and GiST indexes are.

BRIN follows brin_revmap.c, brin_tuple.c and brin_bloom.c, hash follows hashpage.c (_hash_init). GiST depends on how a
type's picksplit divides pages: a rough figure.
"""

import math
import re
from collections.abc import Sequence

from analyzer.advice.sizing.btree import tuple_bytes
from analyzer.advice.sizing.elements import trigrams
from analyzer.advice.sizing.keys import INET, KeyColumn
from analyzer.schema.page_layout import LINE_POINTER_BYTES, PAGE_BYTES, PAGE_HEADER_BYTES

CONTENT_BYTES = PAGE_BYTES - PAGE_HEADER_BYTES - 8  # special space of BRIN, rounded up
REVMAP_ENTRIES = CONTENT_BYTES // 6  # REVMAP_PAGE_MAXITEMS
DEFAULT_PAGES_PER_RANGE = 128
BRIN_HEADER_BYTES = 8  # with the null bitmap of up to 12 columns
MAX_HEAP_ROWS_PER_PAGE = 291
# brin_bloom.c: BLOOM_DEFAULT_NDISTINCT_PER_RANGE (a share of the rows a range can have), its least, and the error rate
BLOOM_DISTINCT_SHARE, BLOOM_LEAST_DISTINCT, BLOOM_FALSE_POSITIVES = 0.1, 16, 0.01
BLOOM_HEADER_BYTES = 18
# brin_minmax_multi.c: SerializedRanges, and up to 32 values; a range that is one point takes one of two values
MULTI_HEADER_BYTES, MULTI_VALUES = 20, 32
MULTI_VALUES_RATIO = 0.7  # measured: 22 of 32 for random timestamps, PostgreSQL 18

HASH_TUPLE_BYTES = 16 + LINE_POINTER_BYTES
HASH_PER_PAGE = (PAGE_BYTES - PAGE_HEADER_BYTES - 16) // HASH_TUPLE_BYTES
HASH_FILL_ROWS = PAGE_BYTES * 75 // 100 // HASH_TUPLE_BYTES  # HASH_DEFAULT_FILLFACTOR
HASH_PHASES_FROM = 10  # HASH_SPLITPOINT_GROUPS_WITH_ONE_PHASE: from 512 buckets on they grow in quarters of a doubling
GRID = 16  # steps per bucket page in which loads are counted
HEAVY_PAGES = 8

# measured on PostgreSQL 18: sorted builds of btree_gist's scalars fill pages, those of ranges and points only where
# none is like another, which statistics do not tell; others split them as rows come
GIST_SORTED_FILL, GIST_SPLIT_FILL = 0.98, 0.65
# btree_gist keeps the least and the greatest value of a key, of a leaf too
GIST_BOUNDS = 2
PLANE = frozenset({600})  # pg_type.dat: point


def brin_pages(columns: Sequence[KeyColumn], storage: str | None, blocks: float) -> int:
    """``storage`` as in WITH (...)."""
    given = re.search(r"pages_per_range\s*=\s*'?(\d+)", storage or "")
    per_range = int(given.group(1)) if given else DEFAULT_PAGES_PER_RANGE
    ranges = max(1, math.ceil(blocks / per_range))
    data = 0.0
    plain: list[KeyColumn] = []
    varies = False
    for column in columns:
        opclass = column.opclass or ""
        if "bloom" in opclass:
            capacity = BLOOM_DISTINCT_SHARE * MAX_HEAP_ROWS_PER_PAGE * min(per_range, max(1.0, blocks))
            capacity = max(BLOOM_LEAST_DISTINCT, capacity)
            data += BLOOM_HEADER_BYTES - capacity * math.log(BLOOM_FALSE_POSITIVES) / math.log(2) ** 2 / 8
            varies = True
        elif "minmax_multi" in opclass:
            width = sum(w * share for w, share in column.widths())
            data += MULTI_HEADER_BYTES + MULTI_VALUES * MULTI_VALUES_RATIO * width
            varies = True
        elif column.is_container or column.type_oid == INET:
            data += sum(w * share for w, share in column.widths()) + 2  # the union and two flags
        else:
            plain += [column, column]
    size = tuple_bytes(plain, has_nulls=False) - BRIN_HEADER_BYTES + data
    size = BRIN_HEADER_BYTES + (size + 3.5 if varies else math.ceil(size / 8) * 8) + LINE_POINTER_BYTES
    per_page = max(1, int(CONTENT_BYTES / size))
    return 1 + math.ceil(ranges / REVMAP_ENTRIES) + math.ceil(ranges / per_page)


def hash_pages(column: KeyColumn, rows: float, table_rows: float) -> int:
    """Buckets are made for all rows of the table, also those that a partial index leaves out."""
    buckets = _buckets(table_rows / HASH_FILL_ROWS)
    present = rows * (1 - column.null_frac)
    even, heavy = 0.0, 0.0
    steps: dict[int, float] = {}
    for values in column.value_classes(table_rows):
        per_value = present * values.share
        observed = values.count * -math.expm1(-per_value)
        per_value = present * values.count * values.share / observed if observed else 0.0
        if per_value > HEAVY_PAGES * HASH_PER_PAGE:
            heavy += observed * (math.ceil(per_value / HASH_PER_PAGE) - 1)
            continue
        at = per_value * GRID / HASH_PER_PAGE
        if at < 0.5:  # many small values: every bucket gets nearly as many
            even += observed * at / buckets
            continue
        low = int(at)
        for step, share in ((low, 1 - at + low), (low + 1, at - low)):
            steps[step] = steps.get(step, 0.0) + observed * share
    overflow = buckets * _overflow_per_bucket(steps, buckets, even)
    return 2 + math.ceil(buckets + heavy + overflow)  # the meta page and a bitmap


def _buckets(wanted: float) -> int:
    """_hash_spareindex(): the next size that buckets are ever extended to."""
    if wanted <= 2:
        return 2
    group = math.ceil(math.log2(math.ceil(wanted)))
    if group < HASH_PHASES_FROM:
        return 1 << group
    quarter = 1 << (group - 3)
    return math.ceil(wanted / quarter) * quarter


def _overflow_per_bucket(steps: dict[int, float], buckets: int, even: float) -> float:
    """Expected pages beyond the first, ``even`` steps being filled in all of them.

    Loads are compound Poisson, computed by Panjer's recursion in steps of 1/16 page.
    """
    rates = {step: n / buckets for step, n in steps.items() if step > 0 and n > 0}
    mean = sum(step * rate for step, rate in rates.items())
    spread = math.sqrt(sum(step * step * rate for step, rate in rates.items()))
    loads = [math.exp(-sum(rates.values()))]
    for load in range(1, int(mean + 6 * spread) + 2 * GRID):
        loads.append(sum(step * rate * loads[load - step] for step, rate in rates.items() if step <= load) / load)
    return sum(share * max(0, math.ceil((load + even) / GRID) - 1) for load, share in enumerate(loads))


def gist_pages(columns: Sequence[KeyColumn], rows: float) -> int:
    data, is_sorted = 0.0, len(columns) == 1
    for column in columns:
        width = sum(w * share for w, share in column.widths())
        if "trgm" in (column.opclass or ""):
            texts = column.statistics.weighted_values()
            total = sum(share for _, share in texts)
            mean = sum(len(trigrams(t)) * share for t, share in texts) / total if total else width
            data, is_sorted = data + 5 + 3 * mean, False
        elif column.is_container:
            data, is_sorted = data + width, False
        elif column.type_oid == INET:
            data, is_sorted = data + width + 1, False  # the key also keeps common bits
        else:
            data, is_sorted = data + GIST_BOUNDS * width, is_sorted and column.type_oid not in PLANE
    tuple_size = 8 + math.ceil(data / 8) * 8 + LINE_POINTER_BYTES
    leaves = level = max(
        1, math.ceil(rows * tuple_size / CONTENT_BYTES / (GIST_SORTED_FILL if is_sorted else GIST_SPLIT_FILL))
    )
    pages = leaves
    while level > 1:
        level = math.ceil(level * tuple_size / CONTENT_BYTES / GIST_SPLIT_FILL)
        pages += level
    return pages
