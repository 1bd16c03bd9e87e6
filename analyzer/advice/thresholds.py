"""The advisor's limits, each with its source."""

from analyzer.checks import Threshold
from analyzer.schema.page_layout import PAGE_BYTES

LIMITS = {
    "small_table_rows": Threshold(10_000, "rows", "measured: a cached scan takes under 1 ms on PostgreSQL 15"),
    "small_table": Threshold(
        100 * PAGE_BYTES, "bytes", "judgement: 100 pages, which a scan reads in under 1 ms when cached"
    ),
    "tiny_table": Threshold(2 * PAGE_BYTES, "bytes", "judgement: a look-up by an index reads as many pages"),
    "kept_ratio": Threshold(
        0.2, "kept / read", "judgement: at random_page_cost 4 the planner prefers a whole scan well below that"
    ),
    "few_rows": Threshold(100, "rows", "judgement: so few rows are filtered or sorted in microseconds"),
    "equality_columns": Threshold(3, "columns", "judgement: a fourth rarely narrows down and makes each write dearer"),
    "limit_rows": Threshold(100, "rows", "judgement: a page of a list, where LIMIT's number is a parameter"),
    "rows_in_order": Threshold(1_000, "rows", "judgement: read through an index to fill one page, about 1 ms"),
    "writes_per_day": Threshold(100_000, "rows", "judgement: more than one row a second, all day"),
}
SMALL_TABLE_ROWS = LIMITS["small_table_rows"].value
SMALL_TABLE_BYTES = LIMITS["small_table"].value
TINY_TABLE_BYTES = LIMITS["tiny_table"].value
MAX_KEPT_RATIO = LIMITS["kept_ratio"].value
FEW_ROWS = LIMITS["few_rows"].value
MAX_EQUALITY_COLUMNS = int(LIMITS["equality_columns"].value)
MAX_ROWS_READ_IN_ORDER = LIMITS["rows_in_order"].value
ASSUMED_LIMIT_ROWS = LIMITS["limit_rows"].value
WRITE_HEAVY_ROWS_PER_DAY = LIMITS["writes_per_day"].value
