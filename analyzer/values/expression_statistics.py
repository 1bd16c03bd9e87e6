"""Statistics of an expression over one column, before any index on it makes ANALYZE take them.

    probes = probe_values(statistics, type_oid)               texts to evaluate the expression on
    results = ... execute(evaluation_sql(...), [probes.texts])   on the twin: no row of the server is read
    expression_statistics(statistics, probes, results, rows)

Samples are the column's common values and histogram bounds, and for numbers and times values between the bounds:
close pairs of those show how many values a rounding expression leaves.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from analyzer.schema.quoting import quote_identifier
from analyzer.statements.tree import Unparsable, column_names, fresh_parse
from analyzer.values.column_statistics import ColumnStatistics

INTEGERS, NUMERIC, FLOATS = frozenset({20, 21, 23}), 1700, frozenset({700, 701})
DATE, TIMESTAMPS = 1082, frozenset({1114, 1184})
STATISTICS_TARGET = 100  # default_statistics_target: most common values and histogram buckets at most
BETWEEN_BOUNDS = 9  # so a thousand samples: a frequency of 10 % then has a standard error of 1 %
PAIR_DISTANCES = tuple(4.0**-power for power in range(1, 9))  # shares of a histogram bucket
PAIRED = 100  # judgement: a mean width then has a standard error of a tenth, where widths vary by their own size
CLEARLY_SEEN = 5  # judgement: a value that fewer samples gave may be there by chance
DISTINCT_IS_SHARE_FROM = 0.1  # analyze.c: more distinct values than that share of the rows are kept as a share


@dataclass(frozen=True, slots=True)
class Probes:
    """``texts`` to evaluate: ``common`` values, then ``spread`` ones that stand for the rest, then close pairs
    (``pairs``: their distance, and the places of the two), and last NULL where the column has some."""

    texts: tuple[str | None, ...]
    common: int
    spread: int
    pairs: tuple[tuple[float, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The expression's value for one probe: its text, its rank in the type's order, its size in memory."""

    text: str | None
    rank: int
    width_bytes: int | None


def only_column(expression: str) -> str | None:
    """The one column that the expression is made of; None with none or several."""
    statements = fresh_parse(f"SELECT {expression}")
    if isinstance(statements, Unparsable):
        return None
    names = set(column_names(statements))
    return names.pop() if len(names) == 1 else None


def evaluation_sql(expression: str, column: str, type_name: str) -> str:
    """One parameter, text[]; rows (text, rank, width_bytes) in its order."""
    # measured before the sort, which packs short texts: ANALYZE counts them with their long header
    return (
        "SELECT e.v::text, dense_rank() OVER (ORDER BY e.v), e.width"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS probe (t, n)"
        f" CROSS JOIN LATERAL (SELECT probe.t::{type_name} AS {quote_identifier(column)} OFFSET 0) AS c"
        f" CROSS JOIN LATERAL (SELECT r.v, pg_column_size(r.v) AS width"
        f" FROM (SELECT ({expression}) AS v OFFSET 0) AS r OFFSET 0) AS e ORDER BY probe.n"
    )


def probe_values(statistics: ColumnStatistics, type_oid: int) -> Probes:
    """What to evaluate; deterministic."""
    common, bounds = list(statistics.most_common_vals), list(statistics.histogram_bounds)
    texts: list[str | None] = [*common, *bounds]
    pairs: list[tuple[float, int, int]] = []
    between = _between(type_oid, bounds)
    if between is not None:
        chance = random.Random(0)  # places in a bucket, the same on every run
        for low, high in pairwise(bounds):
            texts += [between(low, high, chance.random()) for _ in range(BETWEEN_BOUNDS)]
        spread = len(texts) - len(common)
        for low, high in pairwise(bounds):
            start = chance.random() * (1 - PAIR_DISTANCES[0])
            first = len(texts)
            texts.append(between(low, high, start))
            for distance in PAIR_DISTANCES:
                pairs.append((distance, first, len(texts)))
                texts.append(between(low, high, start + distance))
        # where two probes are the same value, they tell nothing about the expression
        pairs = [pair for pair in pairs if texts[pair[1]] != texts[pair[2]]]
    else:
        spread = len(bounds)
    if statistics.null_frac > 0:
        texts.append(None)
    return Probes(tuple(texts), len(common), spread, tuple(pairs))


def expression_statistics(
    statistics: ColumnStatistics,
    probes: Probes,
    results: Sequence[Evaluated],
    table_rows: float,
    *,
    type_oid: int | None = None,
    type_name: str | None = None,
) -> ColumnStatistics | None:
    """As ANALYZE would have them once there is an index; None without samples. Types are the expression's."""
    spread = results[probes.common : probes.common + probes.spread]
    common_mass = sum(statistics.most_common_freqs)
    null_mass = statistics.null_frac
    rest = max(0.0, 1 - null_mass - common_mass)
    if statistics.n_distinct is None or probes.common + probes.spread == 0:
        return None
    masses: dict[str | None, float] = {}
    for result, share in zip(results[: probes.common], statistics.most_common_freqs, strict=True):
        masses[result.text] = masses.get(result.text, 0.0) + share
    counts = Counter(result.text for result in spread)
    certain = {result.text for result in results[: probes.common]}
    if null_mass:
        certain.add(results[-1].text)
    distinct = _distinct(statistics, probes, results, counts, certain - {None}, table_rows, type_oid)
    for text, share in _even_out(counts, distinct).items():
        masses[text] = masses.get(text, 0.0) + rest * share
    if null_mass:
        masses[results[-1].text] = masses.get(results[-1].text, 0.0) + null_mass
    nulls = masses.pop(None, 0.0)
    ranks = {result.text: result.rank for result in results if result.text is not None}
    common = _most_common(masses, {t for t, n in counts.items() if n >= CLEARLY_SEEN} | certain, distinct)
    left = sorted((r for r in spread if r.text is not None and r.text not in common), key=lambda r: r.rank)
    return ColumnStatistics(
        n_distinct=-distinct / table_rows if distinct > DISTINCT_IS_SHARE_FROM * table_rows else float(round(distinct)),
        null_frac=min(1.0, nulls),
        avg_width_bytes=_average_width(results, masses),
        correlation=_correlation(statistics, results[probes.common :][: len(statistics.histogram_bounds)]),
        most_common_vals=tuple(sorted(common, key=lambda text: (-common[text], ranks[text]))),
        most_common_freqs=tuple(sorted(common.values(), reverse=True)),
        histogram_bounds=_bounds([r.text for r in left if r.text is not None]),
        type_oid=type_oid,
        type_name=type_name,
    )


def paired_samples(columns: Sequence[ColumnStatistics]) -> list[str]:
    """Array literals of one value of each column, each as often as its share of the rows says, NULL where there is
    none; deterministic."""
    chance = random.Random(0)
    size = max(PAIRED, *(len(statistics.weighted_values()) for statistics in columns))
    drawn: list[list[str | None]] = []
    for statistics in columns:
        shared: list[tuple[str | None, float]] = [*statistics.weighted_values(), (None, statistics.null_frac)]
        total, covered, texts = sum(share for _, share in shared), 0.0, list[str | None]()
        for text, share in shared if total else ():
            covered += share / total
            texts += [text] * (round(covered * size) - len(texts))
        texts += [None] * (size - len(texts))
        chance.shuffle(texts)
        drawn.append(texts)
    return [_array(row) for row in zip(*drawn, strict=True)]


def restore_arguments(statistics: ColumnStatistics) -> dict[str, object]:
    """The named arguments of pg_restore_attribute_stats() (18) that are known."""
    arguments: dict[str, object] = {
        "null_frac": statistics.null_frac,
        "avg_width": statistics.avg_width_bytes,
        "n_distinct": statistics.n_distinct,
        "correlation": statistics.correlation,
    }
    if statistics.most_common_vals:
        arguments["most_common_vals"] = _array(statistics.most_common_vals)
        arguments["most_common_freqs"] = list(statistics.most_common_freqs)
    if len(statistics.histogram_bounds) > 1:
        arguments["histogram_bounds"] = _array(statistics.histogram_bounds)
    return {name: value for name, value in arguments.items() if value is not None}


def _distinct(
    statistics: ColumnStatistics,
    probes: Probes,
    results: Sequence[Evaluated],
    counts: Counter[str | None],
    certain: Set[str | None],
    table_rows: float,
    type_oid: int | None,
) -> float:
    """Values of the expression: no more than the column's, than samples that repeat say, than close pairs say."""
    seen = {text: n for text, n in counts.items() if text is not None}
    known = len(certain | seen.keys())
    single, twice = (sum(n == times for n in seen.values()) for times in (1, 2))
    of_column = (statistics.distinct_values(table_rows) or table_rows) + (statistics.null_frac > 0)
    estimates = [min(of_column, table_rows)]
    if single == 0:
        estimates.append(known)
    elif twice >= CLEARLY_SEEN or (twice and type_oid not in INTEGERS):
        estimates.append(known + single * single / (2 * twice))  # Chao's estimate of the unseen
    if seen and type_oid in INTEGERS:  # at most as many as lie between the least and the greatest, as ids do
        numbers = [int(text) for text in seen]
        estimates.append(1 + (max(numbers) - min(numbers)) * (1 + 1 / len(numbers)))
    by_distance: dict[float, list[bool]] = {}
    for distance, first, second in probes.pairs:
        by_distance.setdefault(distance, []).append(results[first].text == results[second].text)
    shares = {d: sum(same) / len(same) for d, same in by_distance.items() if len(same) >= 20}
    if telling := [d for d, share in shares.items() if share >= 0.2]:
        distance = min(telling, key=lambda d: abs(shares[d] - 0.5))
        steps = (1 - shares[distance]) / distance  # in one bucket
        estimates.append(len(certain) + steps * (len(statistics.histogram_bounds) - 1))
    return max(1.0, known, min(estimates))


def _even_out(counts: Counter[str | None], distinct: float) -> dict[str | None, float]:
    """Shares of the samples; all alike where their differences are no greater than chance makes them."""
    total = sum(counts.values())
    if not total:
        return {}
    shares = {text: n / total for text, n in counts.items()}
    expected = total / len(counts)
    if len(counts) < 2 or len(counts) < 0.9 * distinct or expected < 2:
        return shares
    squares = sum((n - expected) ** 2 / expected for n in counts.values())
    freedom = len(counts) - 1
    is_even = squares <= freedom + 2 * math.sqrt(2 * freedom)  # chi-squared, two standard deviations
    return dict.fromkeys(counts, 1 / len(counts)) if is_even else shares


def _most_common(masses: dict[str | None, float], evident: set[str | None], distinct: float) -> dict[str, float]:
    """All values when they are few; else those clearly above the average, as analyze.c chooses them."""
    named = {text: share for text, share in masses.items() if text is not None}
    if distinct <= STATISTICS_TARGET and len(named) >= distinct * 0.9:
        return dict(sorted(named.items(), key=lambda item: -item[1])[:STATISTICS_TARGET])
    average = sum(named.values()) / distinct
    clear = {text: share for text, share in named.items() if text in evident and share > 1.25 * average}
    return dict(sorted(clear.items(), key=lambda item: -item[1])[:STATISTICS_TARGET])


def _average_width(results: Sequence[Evaluated], masses: dict[str | None, float]) -> int | None:
    widths = {r.text: r.width_bytes for r in results if r.text is not None and r.width_bytes is not None}
    total = sum(masses[text] for text in widths if text in masses)
    if not total:
        return None
    return round(sum(masses[text] * width for text, width in widths.items() if text in masses) / total)


def _correlation(statistics: ColumnStatistics, of_bounds: Sequence[Evaluated]) -> float | None:
    """An expression that keeps the order (or turns it round) keeps the correlation."""
    ranks = [result.rank for result in of_bounds]
    if len(ranks) < 2 or statistics.correlation is None:
        return None
    if ranks == sorted(ranks):
        return statistics.correlation
    return -statistics.correlation if ranks == sorted(ranks, reverse=True) else 0.0


def _bounds(ordered: list[str]) -> tuple[str, ...]:
    if len(set(ordered)) < 2:
        return ()
    buckets = min(STATISTICS_TARGET, len(ordered) - 1)
    return tuple(ordered[round(at * (len(ordered) - 1) / buckets)] for at in range(buckets + 1))


def _between(type_oid: int, bounds: Sequence[str]) -> Callable[[str, str, float], str] | None:
    """A function (low, high, 0 to 1) that gives the text of a value between; None for other types."""
    if len(bounds) < 2:
        return None
    parse: Callable[[str], Any]
    if type_oid in INTEGERS:
        return lambda low, high, at: str(int(low) + round((int(high) - int(low)) * at))
    if type_oid == NUMERIC:
        step = Decimal(1).scaleb(min(int(Decimal(b).as_tuple().exponent) for b in bounds if Decimal(b).is_finite()))
        return lambda low, high, at: str((Decimal(low) + (Decimal(high) - Decimal(low)) * Decimal(at)).quantize(step))
    if type_oid in FLOATS:
        return lambda low, high, at: repr(float(low) + (float(high) - float(low)) * at)
    if type_oid == DATE:
        parse = date.fromisoformat
    elif type_oid in TIMESTAMPS:
        parse = datetime.fromisoformat
    else:
        return None
    try:
        moments = {bound: parse(bound) for bound in bounds}
    except ValueError:  # infinity, or years that Python does not know
        return None
    whole_s = type_oid in TIMESTAMPS and all(getattr(m, "microsecond", 0) == 0 for m in moments.values())

    def moment_between(low: str, high: str, at: float) -> str:
        gap: timedelta = (moments[high] - moments[low]) * at
        if type_oid == DATE or whole_s:  # finer than any value seen would be made up
            gap = timedelta(days=gap.days) if type_oid == DATE else timedelta(seconds=round(gap.total_seconds()))
        return str(moments[low] + gap)

    return moment_between


def _array(values: Sequence[str | None]) -> str:
    """A PostgreSQL array literal."""
    quoted = ("NULL" if v is None else '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values)
    return "{" + ",".join(quoted) + "}"
