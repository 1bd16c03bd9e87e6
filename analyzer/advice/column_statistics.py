"""What the planner knows of a column's or an expression's values: one row of pg_stats, values as text.

Sample values are personal data: they are read when an index is sized or an expression is costed, and never stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.facts import ColumnFacts


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """Shares run from 0 to 1 and are shares of all rows, the null ones too. Empty tuples: pg_stats has none.

    ``n_distinct`` as pg_stats gives it: negative is a share of the rows. The last entries of
    ``most_common_elem_freqs`` (least, greatest and perhaps the null frequency) and of ``elem_count_histogram`` (the
    average) are kept as pg_stats has them.
    """

    n_distinct: float | None = None
    null_frac: float = 0.0
    avg_width_bytes: int | None = None
    correlation: float | None = None
    most_common_vals: tuple[str, ...] = field(default=(), repr=False)
    most_common_freqs: tuple[float, ...] = ()
    histogram_bounds: tuple[str, ...] = field(default=(), repr=False)
    most_common_elems: tuple[str, ...] = field(default=(), repr=False)
    most_common_elem_freqs: tuple[float, ...] = ()
    elem_count_histogram: tuple[float, ...] = ()
    type_oid: int | None = None  # of an expression; a column's is in its ColumnFacts
    type_name: str | None = None

    def distinct_values(self, table_rows: float) -> float | None:
        """Estimated number of distinct non-null values, at least 1; None where never analysed."""
        if self.n_distinct is None:
            return None
        return max(1.0, self.n_distinct if self.n_distinct >= 0 else -self.n_distinct * table_rows)

    def weighted_values(self) -> list[tuple[str, float]]:
        """Sample values with the share of the rows each stands for: the common ones, then the histogram's bounds."""
        common = list(zip(self.most_common_vals, self.most_common_freqs, strict=False))
        rest = max(0.0, 1 - self.null_frac - sum(self.most_common_freqs))
        bounds = self.histogram_bounds
        return common + [(value, rest / len(bounds)) for value in bounds]


# by column name; an expression's by its SQL as the index definition writes it
ColumnStatisticsMap = Mapping[str, ColumnStatistics]


def from_facts(column: ColumnFacts) -> ColumnStatistics:
    """What the schema's facts know: no values, so widths and elements stay coarse."""
    return ColumnStatistics(
        n_distinct=column.n_distinct,
        null_frac=column.null_frac or 0.0,
        avg_width_bytes=column.avg_width_bytes,
        correlation=column.correlation,
        most_common_freqs=column.most_common_freqs or (),
    )
