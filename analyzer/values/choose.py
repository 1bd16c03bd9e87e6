"""Values for a statement's parameters from the column statistics: a typical and a rare set.

A parameter is given a value of the column it is compared with, in this order: the frequency-
weighted median of the most common values is typical, a histogram bound that is no common value is rare; ranges take
percentiles. Values are personal data: they live in memory for one EXPLAIN and appear in no ``repr``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from analyzer.schema.system_columns import SYSTEM_COLUMNS
from analyzer.statements.blocks import ParameterUse
from analyzer.values.assumed import (
    DAY_TYPES,
    LIMIT_VALUE,
    OFFSET_VALUE,
    ago,
    array_literal,
    assumed_value,
    fixed_values,
)
from analyzer.values.column_values import ColumnValues, Statistics
from analyzer.values.documents import contained, values_at_paths
from analyzer.values.like_patterns import PLAIN_TEXT, LikePattern
from analyzer.values.partial_indexes import HeldValue, PartialValue

__all__ = ["ColumnValues", "NoValues", "Statistics", "ValueSet", "array_literal", "choose_values", "fixed_values"]

# a list whose length is not known, and one that brings back many rows
LIST_ELEMENTS, LONG_LIST_ELEMENTS = 5, 100
PREFIX_CHARACTERS = 3  # judgement: short enough to match, long enough for an index
BETWEEN = {"gt": "between_low", "lt": "between_high"}
LISTS = frozenset({"in", "any", "not_in"})
NEAR_NOW = timedelta(days=2)  # judgement: a histogram that ends here belongs to a column that grows with time
# Parameters that narrow rows down: without a value of their column a plan would be another statement's.
NARROWING = frozenset(
    {"eq", "in", "any", "lt", "gt", "between_low", "between_high", "like", "ilike", "regex", "contains"}
)
Key = tuple[str, str, str]  # schema, table, column
ValuesSource = Literal["sampled", "typical", "rare", "generic", "none"]  # where a set of values comes from


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


def choose_values(
    uses: Mapping[int, ParameterUse],
    types: Sequence[str],
    statistics: Statistics,
    now: datetime,
    fixed: Mapping[int, str] | None = None,
    patterns: Sequence[LikePattern] = (),
    list_elements: int = LIST_ELEMENTS,
    partial: Mapping[int, PartialValue | HeldValue] | None = None,
    told: Mapping[int, PartialValue] | None = None,
) -> list[ValueSet] | NoValues:
    """One or two sets, typical first; one where the rare values are the same.

    ``types``: the server's, per parameter. ``statistics`` are keyed as ``uses`` name the columns.
    ``fixed``: values that the statement's form asks for (``fixed_values``). ``list_elements``: of an array whose
    length is not known. ``partial``: values that indexes in use tell (``partial_values``). ``told``: typical values
    that the rows a call suggest (``values_for_rows``).
    """
    uses = _with_ranges(uses)
    sets: list[ValueSet] = []
    for source in ("typical", "rare"):
        literals: list[str] = []
        assumed: list[int] = []
        taken: dict[Key, int] = {}  # values used so far of a column: lists take different ones
        is_rare = source == "rare"
        known, assumptions = _of_patterns(patterns, uses, statistics, is_rare)
        known |= values_at_paths(uses, statistics, is_rare)
        known |= fixed or {}
        for number, one in ({} if is_rare else told or {}).items():
            known[number] = one.value
            assumptions.append(one.assumption)
        for number, held in (partial or {}).items():
            of_column = statistics.get(_key(uses[number])) if number in uses else None
            values = (of_column.rare if is_rare else of_column.typical) if of_column else []
            if of_column and isinstance(held, HeldValue) and held.end:
                end = _range_value(uses[number].operator, of_column, types[number - 1], is_rare, now)
                values = [end] if end is not None else []
            if (value := held.pick(values)) is not None:
                known[number] = value
                assumptions.append(held.assumption)
        for number, type_name in enumerate(types, start=1):
            use = uses.get(number) or ParameterUse(number)
            if number in known:
                literals.append(known[number])
                continue
            value = _of_column(use, type_name, statistics, is_rare, taken, now, list_elements)
            if value is not None and use.operator in LISTS and type_name.endswith("[]"):
                assumptions.append(list_assumption(list_elements))
            if value is None:
                why = _why_without(use, statistics)
                if why is None:
                    return NoValues(
                        f"The statistics give no value for ${number}, compared with"
                        f" {use.table}.{use.column}; they may not be readable, or the column was never analysed."
                    )
                value = assumed_value(type_name, is_rare, now)
                assumptions += [f"{why}: a plain value was taken for ${number}"] if why else []
                assumed += [] if why else [number]
            if value is None:
                return NoValues(f"No value is known for ${number} of type {type_name}.")
            literals.append(value)
        said = tuple(dict.fromkeys(assumptions))
        made = ValueSet("rare" if is_rare else "typical", tuple(literals), tuple(assumed), said)
        if not sets or sets[0].literals != made.literals:
            sets.append(made)
    return sets


def _with_ranges(uses: Mapping[int, ParameterUse]) -> Mapping[int, ParameterUse]:
    """``at >= $1 AND at < $2`` is a range as BETWEEN is one: each bound taken for itself, nothing would be in it."""
    bounds: dict[Key, dict[str, int]] = {}
    for number, use in uses.items():
        if use.operator in BETWEEN and use.column is not None:
            bounds.setdefault(_key(use), {}).setdefault(use.operator, number)
    ranges = {n: BETWEEN[operator] for pair in bounds.values() if len(pair) == 2 for operator, n in pair.items()}
    return {n: replace(use, operator=ranges.get(n, use.operator)) for n, use in uses.items()}


def list_assumption(elements: int) -> str:
    return f"a list of unknown length was given {elements} elements"


def _why_without(use: ParameterUse, statistics: Statistics) -> str | None:
    """Why a plain value has to do, in words; "" where no column tells one, None where a column should."""
    if use.operator not in NARROWING or not use.narrows or use.table is None or use.column is None:
        return ""
    if use.column in SYSTEM_COLUMNS:
        return ""
    known = statistics.get(_key(use))
    if known is None:
        return None
    column = f"{use.table}.{use.column}"
    if known.is_always_null:
        return f"{column} is NULL in every row"
    return f"ANALYZE keeps no values of {column}" if known.is_without_values else f"no value of {column} fits"


def _key(use: ParameterUse) -> Key:
    return (use.schema or "", use.table or "", use.column or "")


def _of_patterns(
    patterns: Sequence[LikePattern], uses: Mapping[int, ParameterUse], statistics: Statistics, is_rare: bool
) -> tuple[dict[int, str], list[str]]:
    """Parameter -> text of the LIKE patterns, and what was assumed of them. None of a column whose statistics should be
    there; a plain text where ANALYZE keeps no values, since one without a wildcard is an equality."""
    literals: dict[int, str] = {}
    assumptions: list[str] = []
    for pattern in patterns:
        use = next((u for n in pattern.parameters if (u := uses.get(n)) and u.table and u.column), None)
        known = statistics.get(_key(use)) if use else None
        if use is not None and known is None:
            continue
        values = (known.rare if is_rare else known.typical) if known else []
        literals |= pattern.literals(values[0] if values else PLAIN_TEXT, is_rare)
        why = f"{_why_without(use, statistics)}: a plain text was taken for it" if use and not values else ""
        assumptions += filter(None, [pattern.assumption(is_rare), why])
    return literals, assumptions


def _of_column(
    use: ParameterUse,
    type_name: str,
    statistics: Statistics,
    is_rare: bool,
    taken: dict[Key, int],
    now: datetime,
    list_elements: int,
) -> str | None:
    if use.operator == "limit":
        return LIMIT_VALUE
    if use.operator == "offset":
        return OFFSET_VALUE
    if use.column == "tableoid" and type_name == "regclass":
        return ".".join('"' + part.replace('"', '""') + '"' for part in (use.schema, use.table) if part)
    known = statistics.get(_key(use)) if use.table is not None and use.column is not None else None
    if known is None:
        return None
    values = known.rare if is_rare else known.typical
    if use.operator in LISTS and list_elements > LIST_ELEMENTS:
        values = list(dict.fromkeys([*values, *known.typical, *known.middle_bounds]))
    is_element = use.operator in ("any", "contains", "eq", "in", "ne")
    if known.most_common_elements and not type_name.endswith("[]") and is_element:
        # one element of an array, one word of a tsvector
        common = known.most_common_elements
        elements = list(reversed(common)) if is_rare else list(common)
        at = taken.get(_key(use), 0)
        taken[_key(use)] = at + 1
        element = elements[at % len(elements)]
        return "'" + element.replace("'", "''") + "'" if type_name == "tsquery" else element
    match use.operator:
        case "lt" | "gt" | "between_low" | "between_high":
            return _range_value(use.operator, known, type_name, is_rare, now)
        case "ago":
            return _days_back(known, type_name, is_rare, now)
        case "regex":
            return "^" + re.escape(values[0][:PREFIX_CHARACTERS]) if values else None
        case "contains" if type_name.endswith("[]") and known.most_common_elements:
            return array_literal([known.most_common_elements[-1 if is_rare else 0]])
        case "contains":
            return contained(values, type_name)
        case "any" | "not_in" if type_name.endswith("[]"):
            return array_literal(values[:list_elements]) if values else None
        case "eq" | "in" | "any" | "not_in" | "ne" | "other":
            if not values:
                return None
            at = taken.get(_key(use), 0)
            if use.operator in ("in", "not_in"):
                taken[_key(use)] = at + 1
            return values[at % len(values)]
    return None


def _range_value(operator: str, known: ColumnValues, type_name: str, is_rare: bool, now: datetime) -> str | None:
    """``>`` keeps half of the rows, or few; ``BETWEEN`` 5 % of the histogram's width."""
    last = known.percentile(100)
    if operator == "gt" and type_name in DAY_TYPES and last is not None and _is_near(last, now):
        # such a column is asked for its newest rows
        return ago(now, timedelta(hours=1) if is_rare else timedelta(days=1))
    percents = {
        "gt": (50, 95), "lt": (50, 5), "between_low": (47.5, 94), "between_high": (52.5, 99),
    }  # fmt: skip
    return known.percentile(percents[operator][is_rare])


def _days_back(known: ColumnValues, type_name: str, is_rare: bool, now: datetime) -> str | None:
    """To where half of the rows are newer, or few; None for a column that grows with time, asked for its newest."""
    last, bound = known.percentile(100), known.percentile(95 if is_rare else 50)
    if last is None or bound is None or _is_near(last, now) or (moment := _moment(bound)) is None:
        return None
    days = (now - moment).days + 1
    if days < 1:
        return None
    return f"{days} days" if type_name == "interval" else str(days) if type_name in ("integer", "bigint") else None


def _is_near(text: str, now: datetime) -> bool:
    moment = _moment(text)
    return moment is not None and abs(now - moment) < NEAR_NOW


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
