"""The keys of an index to be: types, widths, and how rows fall on values.

Long: the widths of a key column, its values and the rows on each follow from one another.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pglast import ast

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.sizing.rare_values import rare_values
from analyzer.checks.column_widths import FIXED_WIDTHS
from analyzer.schema.facts import TableFacts
from analyzer.statements.index_expressions import are_same
from analyzer.statements.index_predicates import ImpliedValues, held_by
from analyzer.statements.tree import Unparsable, fresh_parse, without_casts
from analyzer.values.column_statistics import (
    SAMPLED_ROWS,
    ColumnStatistics,
    ColumnStatisticsMap,
    from_facts,
    without_cluster_bias,
)

BYTEA, TEXT, INET, CIDR, BPCHAR, VARCHAR, NUMERIC, JSONB = 17, 25, 869, 650, 1042, 1043, 1700, 3802
TEXTS = frozenset({TEXT, BPCHAR, VARCHAR})
VARIABLE_WIDTH = TEXTS | {BYTEA, NUMERIC, INET, CIDR, 1560, 1562, JSONB, 114, 3614, 3615}
# default B-tree operator classes without an "equalimage" support function (pg_amproc of 18): equal keys may differ
# in their bytes. char(n) has one (built on 13 to 18), which some releases do not heed.
NEVER_DEDUPLICATED = frozenset({700, 701, 1186, NUMERIC, JSONB, 3614, 3615, 2249})
NEVER_DEDUPLICATED_NAMES = frozenset({"citext", "ltree", "hstore", "cube", "seg"})
TEXT_NAMES = frozenset({"citext", "ltree", "character varying", "character", "text"})
SHORT_HEADER_BYTES, LONG_HEADER_BYTES = 1, 4
SHORT_LIMIT_BYTES = 127  # VARATT_SHORT_MAX
# ValueClass.count of a unique column: more values than any table has rows
MANY = 1e13
CLASSES_PER_COLUMN = 16
LEAST_BOUNDS = 20  # judgement: of a histogram that shows how values are spread


@dataclass(frozen=True, slots=True)
class ValueClass:
    """``count`` values that each take ``share`` of the rows; with a share of far below 1/rows, most take none."""

    count: float
    share: float


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column or an expression of an index with all that is known of it."""

    name: str
    type_oid: int | None
    type_name: str
    statistics: ColumnStatistics
    is_expression: bool = False
    opclass: str | None = None
    held: ImpliedValues | None = None  # by a partial index's predicate
    is_never_deduplicated: bool = False  # on that server, whatever its type

    @property
    def null_frac(self) -> float:
        if self.held is not None:
            return 1.0 if self.held is ImpliedValues.NULL else 0.0
        return self.statistics.null_frac

    @property
    def base_type(self) -> str:
        """Without schema and length."""
        return self.type_name.split("(")[0].rpartition(".")[2].strip('"')

    @property
    def is_text(self) -> bool:
        return self.type_oid in TEXTS or self.base_type in TEXT_NAMES

    @property
    def is_container(self) -> bool:
        return self.type_name.endswith(("[]", "range"))

    @property
    def is_variable(self) -> bool:
        """Unknown types of four bytes are enums."""
        if self.type_oid in FIXED_WIDTHS:
            return False
        return self.type_oid in VARIABLE_WIDTH or self.is_text or self.statistics.avg_width_bytes != 4

    @property
    def deduplicates(self) -> bool:
        return not (
            self.is_never_deduplicated
            or self.type_oid in NEVER_DEDUPLICATED
            or self.base_type in NEVER_DEDUPLICATED_NAMES
            or self.is_container
        )

    def widths(self) -> list[tuple[float, float]]:
        """Bytes of a value in an index tuple, each with its share of the non-null rows."""
        return _widths(self)

    def _widths(self) -> list[tuple[float, float]]:
        fixed = FIXED_WIDTHS.get(self.type_oid or 0)
        if fixed:
            return [(float(fixed[0]), 1.0)]
        average = float(self.statistics.avg_width_bytes or 0)
        if not self.is_variable:
            return [(average, 1.0)]
        widths: dict[float, float] = {}
        for value, share in self.statistics.weighted_values():
            width = self._value_bytes(value)
            if width is None:
                widths = {}
                break
            widths[width] = widths.get(width, 0.0) + share
        total = sum(widths.values())
        if total > 0:
            return [(width, share / total) for width, share in widths.items()]
        if self.is_expression and SHORT_LIMIT_BYTES >= average > LONG_HEADER_BYTES:
            average -= LONG_HEADER_BYTES - SHORT_HEADER_BYTES  # ANALYZE measured it before it was packed
        # which widths make up the average is not known: all remainders of the alignment are equally likely
        return [(max(1.0, average + step), 1 / 8) for step in range(-4, 4)]

    @property
    def alignment(self) -> int:
        fixed = FIXED_WIDTHS.get(self.type_oid or 0)
        if fixed:
            return fixed[1]
        return 1 if self.is_variable else 4

    def _value_bytes(self, text: str) -> float | None:
        if self.is_text:
            return _varlena(len(text.encode()))
        if self.type_oid == NUMERIC:
            return _varlena(2 + 2 * _base_10000_digits(text))
        if self.type_oid in (INET, CIDR):
            return _varlena(18 if ":" in text else 6)
        if self.type_oid == BYTEA and text.startswith("\\x"):
            return _varlena(len(text) // 2 - 1)
        return None

    def value_classes(self, table_rows: float) -> list[ValueClass]:
        """How the non-null rows fall on values: the most common ones, and the rest at random."""
        statistics = self.statistics
        present = 1 - statistics.null_frac
        distinct = statistics.distinct_values(table_rows)
        if present <= 0 or table_rows < 1 or self.held in (ImpliedValues.NULL, ImpliedValues.ONE_VALUE):
            return [ValueClass(1.0, 1.0)]
        if distinct is None:
            return [ValueClass(MANY, 1 / MANY)]
        common = [f / present for f in statistics.most_common_freqs if f > 0]
        rest, others = 1 - sum(common), distinct - len(common)
        classes = [ValueClass(1.0, share) for share in common]
        if rest > 1e-6 and others >= 0.5:
            rows = rest * present * table_rows
            widths = _interval_widths(statistics.histogram_bounds)
            frequencies = statistics.most_common_freqs
            ranked = [] if widths else rare_values(frequencies, statistics.null_frac, distinct, table_rows)
            if ranked:
                classes += [ValueClass(count, share) for count, share in ranked]
            elif widths and others < rows * 0.9:
                sampled = min(rows, rest * present * min(SAMPLED_ROWS, table_rows))
                classes += skewed_values(widths, others, rows, sampled, rest)
            else:
                count = potential_values(others, rows)
                classes.append(ValueClass(count, rest / count))
        return merged(classes) or [ValueClass(1.0, 1.0)]


@lru_cache(maxsize=512)
def _widths(column: KeyColumn) -> list[tuple[float, float]]:
    """Once for a column that many candidates share; never to be changed."""
    return column._widths()


def skewed_values(
    widths: Sequence[float], observed: float, rows: float, sampled: float, share: float
) -> list[ValueClass]:
    """Values by interval of a histogram: each interval has as many rows, so a narrow one has few values with many each.

    ANALYZE sees too few values where they are skewed, as keys of busy and of idle customers are: rare ones are not in
    its sample. So it is asked how many values a unit of width must hold for it to have estimated ``observed`` of them
    (Haas and Stokes' Duj1, analyze.c) from ``sampled`` of ``rows``. ``share`` of all rows is spread over the intervals.
    """
    each = sampled / len(widths)

    def estimated(density: float) -> float:
        seen = once = 0.0
        for width in widths:
            values = max(1.0, density * width)
            seen += values * -math.expm1(-each / values)
            once += each * math.exp(-each / values)
        return sampled * seen / max(1.0, sampled - once + once * sampled / rows)

    low, high = 1e-9, MANY / max(1.0, sum(widths))
    for _ in range(60):
        middle = math.sqrt(low * high)
        if estimated(middle) < observed:
            low = middle
        else:
            high = middle
    counts = [max(1.0, high * width) for width in widths]
    return [ValueClass(count, share / len(widths) / count) for count in counts]


def _interval_widths(bounds: Sequence[str]) -> list[float]:
    """Of a histogram of numbers; empty where it has few bounds, or others than numbers."""
    if len(bounds) < LEAST_BOUNDS:
        return []
    try:
        numbers = [float(bound) for bound in bounds]
    except ValueError:
        return []
    if not all(map(math.isfinite, numbers)) or numbers[-1] <= numbers[0] or numbers != sorted(numbers):
        return []  # numbers kept as texts are in a text's order
    least = (numbers[-1] - numbers[0]) * 1e-6
    return [max(least, b - a) for a, b in itertools.pairwise(numbers)]


def potential_values(observed: float, rows: float) -> float:
    """From how many equally likely values ``rows`` random rows would show ``observed`` different ones."""
    if observed >= rows * 0.9999:
        return MANY
    low, high = observed, MANY
    for _ in range(60):  # observed = values * (1 - exp(-rows / values)), which grows with values
        middle = math.sqrt(low * high)
        if middle * -math.expm1(-rows / middle) < observed:
            low = middle
        else:
            high = middle
    return high


def merged(classes: list[ValueClass], most: int = CLASSES_PER_COLUMN) -> list[ValueClass]:
    """Classes of like share together, so that products of several columns stay small."""
    if len(classes) <= most:
        return classes
    ordered = sorted(classes, key=lambda c: c.share)
    low, high = (math.log(c.share) for c in (ordered[0], ordered[-1]))
    step = (high - low) / most or 1.0
    groups: dict[int, list[ValueClass]] = {}
    for value_class in ordered:
        groups.setdefault(min(most - 1, int((math.log(value_class.share) - low) / step)), []).append(value_class)
    sums = ((sum(c.count for c in g), sum(c.count * c.share for c in g)) for g in groups.values())
    return [ValueClass(count, mass / count) for count, mass in sums]


def keeps_equal_chars(server_version_num: int) -> bool:
    """Whether that release's B-trees hold each of several equal char(n), de-duplicating the other texts.

    bt_metap() says so of indexes that Debian's 15.20 built; 13.23, 14.23, 15.18, 16.14, 17.10 and 18.6 share them.
    """
    return 150_019 <= server_version_num < 160_000


def key_columns(
    definition: IndexDefinition, statistics: ColumnStatisticsMap | None, server_version_num: int = 0
) -> tuple[list[KeyColumn], list[KeyColumn]] | None:
    """Key columns and INCLUDE columns; None when the statistics of one are not known."""
    held = held_by(definition.predicate) if definition.predicate else {}
    columns: list[KeyColumn] = []
    for column in (*definition.columns, *(IndexColumn(name) for name in definition.include)):
        key = key_column(definition.table, column, statistics or {})
        if key is None:
            return None
        columns.append(
            replace(
                key, held=held.get(column.name),
                is_never_deduplicated=key.type_oid == BPCHAR and keeps_equal_chars(server_version_num),
            )
        )  # fmt: skip
    keys = len(definition.columns)
    return columns[:keys], columns[keys:]


def key_column(table: TableFacts, column: IndexColumn, statistics: ColumnStatisticsMap) -> KeyColumn | None:
    if not column.is_expression:
        return _plain(table, column.name, statistics, column.opclass)
    known = statistics.get(column.name) or _of_the_same(column.name, statistics)
    if known is not None and (known.avg_width_bytes is not None or known.type_oid in FIXED_WIDTHS):
        return KeyColumn(column.name, known.type_oid, known.type_name or "", known, True, column.opclass)
    inner = same_values_as(column.name)
    return None if inner is None else _plain(table, inner, statistics, column.opclass)


def _plain(table: TableFacts, name: str, statistics: ColumnStatisticsMap, opclass: str | None) -> KeyColumn | None:
    facts = table.column(name)
    if facts is None:
        return None
    known = statistics.get(name) or from_facts(facts)
    if known.avg_width_bytes is None and facts.type_oid not in FIXED_WIDTHS:
        return None
    if known.n_distinct is None:
        return None
    return KeyColumn(name, facts.type_oid, facts.type_name, without_cluster_bias(known, table), False, opclass)


def _of_the_same(expression: str, statistics: Mapping[str, ColumnStatistics]) -> ColumnStatistics | None:
    return next((s for key, s in statistics.items() if not key.isidentifier() and are_same(key, expression)), None)


@lru_cache(maxsize=1024)
def same_values_as(expression: str) -> str | None:
    """The column whose width and distinct values ``lower(column)`` and its like nearly have."""
    statements = fresh_parse(f"SELECT {expression}")
    if isinstance(statements, Unparsable):
        return None
    node = without_casts(statements[0].stmt.targetList[0].val)
    if not (isinstance(node, ast.FuncCall) and node.args and len(node.args) == 1):
        return None
    column = without_casts(node.args[0])
    if node.funcname[-1].sval not in ("lower", "upper", "btrim", "initcap") or not isinstance(column, ast.ColumnRef):
        return None
    name = column.fields[-1]
    return name.sval if isinstance(name, ast.String) else None


def _varlena(content_bytes: int) -> float:
    short = content_bytes + SHORT_HEADER_BYTES
    return float(short if short <= SHORT_LIMIT_BYTES else content_bytes + LONG_HEADER_BYTES)


def _base_10000_digits(text: str) -> int:
    """numeric.c keeps four decimal digits in two bytes, without leading and trailing zeros."""
    whole, _, fraction = text.lstrip("-+").partition(".")
    if not (whole + fraction).isdigit():
        return 0
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    fraction = fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    digits = [(whole + fraction)[at : at + 4] for at in range(0, len(whole) + len(fraction), 4)]
    while digits and digits[-1] == "0000":
        digits.pop()
    while digits and digits[0] == "0000":
        digits.pop(0)
    return len(digits)
