"""What the planner knows of a column's or an expression's values: one row of pg_stats, values as text.

Sample values are personal data: they are read when an index is sized or an expression is costed, and never stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from analyzer.schema.facts import ColumnFacts, TableFacts, distinct_values
from analyzer.schema.page_layout import PAGE_BYTES

SAMPLED_ROWS = 30_000  # analyze.c: 300 rows for each point of default_statistics_target, 100
CLUSTERED = 0.99  # judgement: of the correlation, above which equal values stand side by side


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
        return None if self.n_distinct is None else distinct_values(self.n_distinct, table_rows)

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


def without_cluster_bias(statistics: ColumnStatistics, table: TableFacts) -> ColumnStatistics:
    """With more distinct values where equal ones stand side by side, as order lines do that were inserted together.

    ANALYZE estimates n_distinct from how many of its sample's values came twice, as if its rows were random. Of a table
    with more blocks than that they come from few of them, so neighbours that are equal come twice far too often: of
    TPC-H's 1,500,000 order numbers in lineitem it sees 370,000. With k rows a value, r a block and n sampled of N rows
    from n of B blocks, the sample holds n^2/2 (k-1)/N pairs of equal values by chance and n/2 (1-n/B) (k-1)/(r-1) more
    from one block.
    Source: analyze.c, compute_scalar_stats() (the estimator of Haas and Stokes) and acquire_sample_rows().
    """
    distinct, rows = statistics.distinct_values(table.rows or 0.0), table.rows or 0.0
    blocks = (table.size_bytes or 0) / PAGE_BYTES
    if distinct is None or abs(statistics.correlation or 0.0) < CLUSTERED or blocks <= SAMPLED_ROWS:
        return statistics
    sampled, per_block = float(SAMPLED_ROWS), rows / blocks
    if per_block < 2:
        return statistics
    pairs = (sampled**2 / distinct - sampled**2 / rows) / (2 * (1 - sampled / rows) + sampled / distinct)
    together = sampled * (1 - sampled / blocks) / (2 * (per_block - 1)) + sampled**2 / (2 * rows)
    others = max(0.0, pairs / together)  # rows with the same value as a row has, beside it
    if others > per_block / 4:  # such runs fill blocks: what is said above does not hold
        return statistics
    per_value = (3 * (others + 1) + 1) / 4  # the mean, where values have evenly 1 to twice as many rows
    return replace(statistics, n_distinct=max(distinct, rows * (1 - statistics.null_frac) / per_value))
