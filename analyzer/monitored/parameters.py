"""Values for a statement's parameters from the column statistics: a typical and a rare set.

A parameter is given a value of the column it is compared with, as detection.md (c), method 4, orders: the frequency-
weighted median of the most common values is typical, a histogram bound that is no common value is rare; ranges take
percentiles. Values are personal data: they live in memory for one EXPLAIN and appear in no ``repr``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pglast import ast

from analyzer.monitored.gate import ValuesSource
from analyzer.monitored.parameters_like import LikePattern
from analyzer.monitored.parameters_partial import PartialValue
from analyzer.statements.blocks import ParameterUse
from analyzer.statements.tree import Unparsable, function_name, parse, walk, without_casts

LIMIT_VALUE, OFFSET_VALUE = "10", "20"  # detection.md (c), first table
# a list whose length is not known, and one that brings back many rows: detection.md (c), first table
LIST_ELEMENTS, LONG_LIST_ELEMENTS = 5, 100
PREFIX_CHARACTERS = 3  # judgement: short enough to match, long enough for an index
LISTS = frozenset({"in", "any", "not_in"})
NEAR_NOW = timedelta(days=2)  # judgement: a histogram that ends here belongs to a column that grows with time
DAY_TYPES = ("date", "timestamp without time zone", "timestamp with time zone")
# A parameter that meets no column. It may change how many rows a function makes, seldom which plan is chosen.
ASSUMED = {
    "interval": ("1 day", "30 days"), "smallint": ("1", "1"), "integer": ("1", "1"), "bigint": ("1", "1"),
    "numeric": ("1", "1"), "real": ("1", "1"), "double precision": ("1", "1"), "boolean": ("t", "f"),
    "text": ("a", "a"), "character varying": ("a", "a"), "character": ("a", "a"), "jsonb": ("{}", "{}"),
    "json": ("{}", "{}"), "jsonpath": ("$", "$"), "tsquery": ("a", "a"),
    "uuid": ("00000000-0000-0000-0000-000000000000",) * 2,
}  # fmt: skip
# First arguments of functions that take only certain words.
FIXED_WORDS = {
    "date_trunc": "day", "date_part": "day", "extract": "day", "timezone": "UTC", "date_bin": "1 day",
}  # fmt: skip
# Parameters that narrow rows down: without a value of their column a plan would be another statement's.
NARROWING = frozenset(
    {"eq", "in", "any", "lt", "gt", "between_low", "between_high", "like", "ilike", "regex", "contains"}
)


@dataclass(frozen=True, slots=True, repr=False)
class ColumnStatistics:
    """One row of pg_stats; values as text, for the server to read."""

    most_common_values: tuple[str, ...] = ()
    most_common_freqs: tuple[float, ...] = ()
    histogram_bounds: tuple[str, ...] = ()

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
        ordered = sorted(self.most_common_values, key=_number_or_text)
        return ordered[round((len(ordered) - 1) * percent / 100)] if ordered else None


@dataclass(frozen=True, slots=True)
class ValueSet:
    """``literals[i]`` is the text of ``$(i+1)``; ``assumed`` lists parameters that no statistics gave a value.

    ``assumptions``: what else was taken for granted, in words.
    """

    source: ValuesSource
    literals: tuple[str, ...] = field(repr=False)
    assumed: tuple[int, ...] = ()
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoValues:
    """Why no set could be made, in one sentence."""

    reason: str


Statistics = Mapping[tuple[str, str, str], ColumnStatistics]  # schema, table, column


def choose_values(
    uses: Mapping[int, ParameterUse],
    types: Sequence[str],
    statistics: Statistics,
    now: datetime,
    fixed: Mapping[int, str] | None = None,
    patterns: Sequence[LikePattern] = (),
    list_elements: int = LIST_ELEMENTS,
    partial: Mapping[int, PartialValue] | None = None,
) -> list[ValueSet] | NoValues:
    """One or two sets, typical first; one where the rare values are the same.

    ``types``: the server's, per parameter. ``statistics`` are keyed as ``uses`` name the columns.
    ``fixed``: values that the statement's form asks for (``fixed_values``). ``list_elements``: of an array whose
    length is not known. ``partial``: values that indexes in use tell (``partial_values``).
    """
    sets: list[ValueSet] = []
    for source in ("typical", "rare"):
        literals: list[str] = []
        assumed: list[int] = []
        taken: dict[tuple[str, str, str], int] = {}  # values used so far of a column: lists take different ones
        is_rare = source == "rare"
        known, assumptions = _of_patterns(patterns, uses, statistics, is_rare)
        known |= fixed or {}
        for number, told in (partial or {}).items():
            known[number] = told.value
            assumptions.append(told.assumption)
        for number, type_name in enumerate(types, start=1):
            use = uses.get(number) or ParameterUse(number)
            if number in known:
                literals.append(known[number])
                continue
            value = _of_column(use, type_name, statistics, is_rare, taken, now, list_elements)
            if value is not None and use.operator in LISTS and type_name.endswith("[]"):
                assumptions.append(list_assumption(list_elements))
            if value is None:
                if use.operator in NARROWING and use.column is not None:
                    return NoValues(
                        f"The statistics give no value for ${number}, compared with"
                        f" {use.table}.{use.column}; they may not be readable, or the column was never analysed."
                    )
                value = _assumed(use, type_name, is_rare, now)
                assumed.append(number)
            if value is None:
                return NoValues(f"No value is known for ${number} of type {type_name}.")
            literals.append(value)
        said = tuple(dict.fromkeys(assumptions))
        made = ValueSet("rare" if is_rare else "typical", tuple(literals), tuple(assumed), said)
        if not sets or sets[0].literals != made.literals:
            sets.append(made)
    return sets


def list_assumption(elements: int) -> str:
    return f"a list of unknown length was given {elements} elements"


def _of_patterns(
    patterns: Sequence[LikePattern], uses: Mapping[int, ParameterUse], statistics: Statistics, is_rare: bool
) -> tuple[dict[int, str], list[str]]:
    """Parameter -> text of the LIKE patterns whose column has statistics, and what was assumed of them."""
    literals: dict[int, str] = {}
    assumptions: list[str] = []
    for pattern in patterns:
        use = next((u for n in pattern.parameters if (u := uses.get(n)) and u.table and u.column), None)
        known = statistics.get((use.schema or "", use.table or "", use.column or "")) if use else None
        values = (known.rare if is_rare else known.typical) if known else []
        if values:
            literals |= pattern.literals(values[0], is_rare)
            assumptions += filter(None, [pattern.assumption(is_rare)])
    return literals, assumptions


def _of_column(
    use: ParameterUse,
    type_name: str,
    statistics: Statistics,
    is_rare: bool,
    taken: dict[tuple[str, str, str], int],
    now: datetime,
    list_elements: int,
) -> str | None:
    if use.operator == "limit":
        return LIMIT_VALUE
    if use.operator == "offset":
        return OFFSET_VALUE
    if use.table is None or use.column is None:
        return None
    key = (use.schema or "", use.table, use.column)
    known = statistics.get(key)
    if known is None:
        return None
    values = known.rare if is_rare else known.typical
    if use.operator in LISTS and list_elements > LIST_ELEMENTS:
        values = list(dict.fromkeys([*values, *known.typical, *known.middle_bounds]))
    match use.operator:
        case "lt" | "gt" | "between_low" | "between_high":
            return _range_value(use.operator, known, type_name, is_rare, now)
        case "regex":
            return "^" + re.escape(values[0][:PREFIX_CHARACTERS]) if values else None
        case "contains":
            return _contained(values, type_name)
        case "any" | "not_in" if type_name.endswith("[]"):
            return array_literal(values[:list_elements]) if values else None
        case "eq" | "in" | "any" | "not_in" | "ne" | "other":
            if not values:
                return None
            at = taken.get(key, 0)
            if use.operator in ("in", "not_in"):
                taken[key] = at + 1
            return values[at % len(values)]
    return None


def _range_value(operator: str, known: ColumnStatistics, type_name: str, is_rare: bool, now: datetime) -> str | None:
    """``>`` keeps half of the rows, or few; ``BETWEEN`` 5 % of the histogram's width."""
    last = known.percentile(100)
    if operator == "gt" and type_name in DAY_TYPES and last is not None and _is_near(last, now):
        # such a column is asked for its newest rows
        return _ago(now, timedelta(hours=1) if is_rare else timedelta(days=1))
    percents = {
        "gt": (50, 95), "lt": (50, 5), "between_low": (47.5, 94), "between_high": (52.5, 99),
    }  # fmt: skip
    return known.percentile(percents[operator][is_rare])


def _ago(now: datetime, ago: timedelta) -> str:
    """To the hour: every other text would be another entry of pg_stat_statements."""
    return (now - ago).replace(minute=0, second=0, microsecond=0).isoformat()


def _is_near(text: str, now: datetime) -> bool:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return abs(now - moment) < NEAR_NOW


def _contained(values: Sequence[str], type_name: str) -> str | None:
    """A part of a document that some documents hold: the first plain member of a common one; its key for ``?``."""
    for text in values:
        if type_name.endswith("[]"):
            return text if text.startswith("{") else None
        if type_name not in ("jsonb", "text"):
            return text  # ltree, ranges, networks: a value holds itself
        try:
            document = json.loads(text)
        except ValueError:
            return None
        if isinstance(document, dict):
            for key, member in document.items():
                if isinstance(member, str | int | float | bool):
                    return json.dumps({key: member}) if type_name == "jsonb" else key
        elif isinstance(document, list) and document:
            return json.dumps(document[:1]) if type_name == "jsonb" else str(document[0])
    return None


def _assumed(use: ParameterUse, type_name: str, is_rare: bool, now: datetime) -> str | None:
    if use.operator == "contains":
        return None  # {} would match every row
    if type_name in DAY_TYPES:
        return _ago(now, timedelta(days=1))
    if type_name == "time without time zone":
        return "12:00"
    if type_name.endswith("[]") and (element := ASSUMED.get(type_name.removesuffix("[]"))):
        return array_literal(element[:1])
    found = ASSUMED.get(type_name)
    return found[is_rare] if found else None


def fixed_values(sql: str) -> dict[int, str]:
    """Parameters that stand where only certain words do: the unit of date_trunc, the zone of AT TIME ZONE."""
    found: dict[int, str] = {}
    statements = parse(sql)
    for node in walk(None if isinstance(statements, Unparsable) else statements):
        if isinstance(node, ast.FuncCall) and node.args and (word := FIXED_WORDS.get(function_name(node))):
            first = without_casts(node.args[0])
            if isinstance(first, ast.ParamRef):
                found[first.number] = word
    return found


def array_literal(values: Sequence[str]) -> str:
    quoted = ('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values)
    return "{" + ",".join(quoted) + "}"


def _number_or_text(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), "")
    except ValueError:
        return (1, 0.0, value)
