"""By how much an index may come out larger than estimated, by what its estimate rests on; a budget keeps that free.

Errors of several indexes are no more likely to have one sign than the other, so a set's is less than their sum.
"""

import math
from collections.abc import Iterable

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.sizing.rare_values import falls_by_rank, rare_values
from analyzer.checks import Threshold
from analyzer.checks.column_widths import FIXED_WIDTHS
from analyzer.schema.facts import ColumnFacts, TableFacts

# of built indexes beside their estimates: docs/performance.md, "Index sizes"
LIMITS = {
    "known": Threshold(0.02, "of the size", "measured: TPC-H's sets took 0.99 to 1.02 of what was estimated"),
    "skewed": Threshold(0.25, "of the size", "measured: 0.21 above, log-normal shares; 0.01 with Zipf's"),
    "undecided": Threshold(0.4, "of the size", "measured: 0.36 above, log-normal shares, 1 sample of 100"),
    "shared": Threshold(0.12, "of the size", "measured: 0.11 above, texts and addresses that several rows share"),
    "expression": Threshold(0.15, "of the size", "judgement: as a skewed column's; its statistics are derived"),
    "other_kinds": Threshold(0.3, "of the size", "measured: 0.29 of GIN, 0.23 of GiST, either way"),
    "hash": Threshold(0.1, "of the size", "measured: 0.08"),
}
NEARLY_UNIQUE = 0.9  # distinct values of rows: above it hardly an entry is shared


def reserve_ratio(definition: IndexDefinition) -> float:
    """The share of the estimate by which the built index may be larger."""
    if definition.method == "hash":
        return LIMITS["hash"].value
    if definition.method != "btree":
        return LIMITS["other_kinds"].value
    if definition.include or definition.is_unique:
        return LIMITS["known"].value  # no entry is shared: how many values there are plays no part
    return max(_of_key(c.name, c.is_expression, definition.table) for c in definition.columns)


def reserve_bytes(sized: Iterable[tuple[IndexDefinition, int]]) -> float:
    """Of a set: its indexes' errors as independent ones, and at least what every set is kept."""
    sizes = list(sized)
    together = math.sqrt(sum((size * reserve_ratio(definition)) ** 2 for definition, size in sizes))
    return max(together, LIMITS["known"].value * sum(size for _, size in sizes))


def _of_key(name: str, is_expression: bool, table: TableFacts) -> float:
    column = table.column(name)
    if is_expression or column is None:
        return LIMITS["expression"].value
    if falls_by_rank(column.most_common_freqs or ()):
        return LIMITS["skewed" if _goes_on_by_rank(column) else "undecided"].value
    return LIMITS["shared" if _is_shared(column) else "known"].value


def _goes_on_by_rank(column: ColumnFacts) -> bool:
    """Whether the number of rare values could be told from how the common ones fall; numbers have their histogram."""
    if column.type_oid in FIXED_WIDTHS or not column.distinct_values or column.table_rows < 1:
        return True
    freqs, null_frac = column.most_common_freqs or (), column.null_frac or 0.0
    return bool(rare_values(freqs, null_frac, column.distinct_values, column.table_rows))


def _is_shared(column: ColumnFacts) -> bool:
    """Values of any length whose number ANALYZE estimated: neither unique ones nor a list that it knows all of."""
    if column.type_oid in FIXED_WIDTHS or column.length_bytes > 0:
        return False
    if column.distinct_values is None or not column.table_rows:
        return False
    is_listed = sum(column.most_common_freqs or ()) + (column.null_frac or 0.0) > NEARLY_UNIQUE
    return not is_listed and column.distinct_values < NEARLY_UNIQUE * column.table_rows
