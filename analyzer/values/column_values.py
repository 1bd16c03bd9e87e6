"""What ANALYZE keeps of a column's values, for choosing parameters.

They are personal data: they stay in memory and appear in no ``repr``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.values.column_statistics import ColumnStatistics

MOST_PARTITIONS = 16  # judgement: the largest ones tell what the rest looks like; some tables have thousands
MOST_KEPT = 100  # default_statistics_target: as many values and bounds as ANALYZE keeps of one table


@dataclass(frozen=True, slots=True, repr=False)
class ColumnValues:
    """Of a row of pg_stats, or of those of a table's partitions; values as text, for the server to read.

    ``most_common_elements``: of arrays and tsvectors, the most frequent first.
    """

    most_common_values: tuple[str, ...] = ()
    most_common_freqs: tuple[float, ...] = ()
    histogram_bounds: tuple[str, ...] = ()
    most_common_elements: tuple[str, ...] = ()
    null_frac: float = 0.0
    n_distinct: float = 0.0  # as pg_stats gives it: negative is a share of the rows

    @classmethod
    def of(cls, row: ColumnStatistics) -> "ColumnValues":
        return cls(
            row.most_common_vals,
            row.most_common_freqs,
            row.histogram_bounds,
            _by_frequency(row.most_common_elems, row.most_common_elem_freqs),
            row.null_frac,
            row.n_distinct or 0.0,
        )

    @property
    def is_always_null(self) -> bool:
        return self.null_frac >= 1.0

    @property
    def is_without_values(self) -> bool:
        """ANALYZE looked at the column and kept none: all NULL, a range, a type without an order, very long values."""
        return not (self.most_common_values or self.histogram_bounds or self.most_common_elements)

    @property
    def typical(self) -> list[str]:
        """The most common values from the frequency-weighted median on, then histogram bounds from the middle."""
        seen, half = 0.0, sum(self.most_common_freqs) / 2
        start = 0
        for at, share in enumerate(self.most_common_freqs):
            seen += share
            if seen >= half:
                start = at
                break
        common = [*self.most_common_values[start:], *reversed(self.most_common_values[:start])]
        return common or self.middle_bounds

    @property
    def rare(self) -> list[str]:
        """Histogram bounds that are no common values; without a histogram the least common value first."""
        common = set(self.most_common_values)
        return [b for b in self.middle_bounds if b not in common] or list(reversed(self.most_common_values))

    @property
    def middle_bounds(self) -> list[str]:
        middle = len(self.histogram_bounds) // 2
        return [*self.histogram_bounds[middle:], *reversed(self.histogram_bounds[:middle])]

    def percentile(self, percent: float) -> str | None:
        """Of the histogram, else of the common values as the server listed them."""
        if self.histogram_bounds:
            return self.histogram_bounds[round((len(self.histogram_bounds) - 1) * percent / 100)]
        ordered = sorted(self.most_common_values, key=number_or_text)
        return ordered[round((len(ordered) - 1) * percent / 100)] if ordered else None


Statistics = Mapping[tuple[str, str, str], ColumnValues]  # schema, table, column


def _by_frequency(elements: Sequence[str | None], freqs: Sequence[float]) -> tuple[str, ...]:
    """pg_stats lists them in their own order, the frequencies likewise, with two or three more at the end."""
    pairs = sorted((-freq, at, e) for at, (e, freq) in enumerate(zip(elements, freqs, strict=False)))
    return tuple(e for _, _, e in pairs if e is not None)


def of_partitions(parts: Iterable[tuple[ColumnValues, float]]) -> ColumnValues | None:
    """A partitioned table's, of its partitions' and their rows: it has none itself until somebody analyses it."""
    known = [(statistics, max(rows, 1.0)) for statistics, rows in parts]
    if not known:
        return None
    total = sum(rows for _, rows in known)
    shares: dict[str, float] = {}
    elements: dict[str, float] = {}
    for statistics, rows in known:
        for value, freq in zip(statistics.most_common_values, statistics.most_common_freqs, strict=False):
            shares[value] = shares.get(value, 0.0) + freq * rows / total
        for at, element in enumerate(statistics.most_common_elements):
            elements[element] = elements.get(element, 0.0) + rows / (at + 1)
    common = sorted(shares, key=lambda value: -shares[value])[:MOST_KEPT]
    bounds = sorted({b for s, _ in known for b in s.histogram_bounds}, key=number_or_text)
    step = max(1, len(bounds) // MOST_KEPT)
    return ColumnValues(
        tuple(common),
        tuple(shares[value] for value in common),
        tuple(bounds[::step]),
        tuple(sorted(elements, key=lambda e: -elements[e])),
        sum(s.null_frac * rows for s, rows in known) / total,
        max((s.n_distinct for s, _ in known), key=abs),
    )


def largest_partitions(facts: SchemaFacts, table: TableFacts) -> list[TableFacts]:
    """Partitions with rows of their own, at any depth; none of a plain table."""
    if table.kind != "p":
        return []
    return sorted(_leaves(facts, table), key=lambda t: -(t.rows or 0.0))[:MOST_PARTITIONS]


def _leaves(facts: SchemaFacts, table: TableFacts) -> Iterator[TableFacts]:
    for oid in table.partitions:
        part = facts.table(oid)
        if part is not None and part.kind == "p":
            yield from _leaves(facts, part)
        elif part is not None:
            yield part


def number_or_text(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), "")
    except ValueError:
        return (1, 0.0, value)
