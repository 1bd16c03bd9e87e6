"""What of a planner's knowledge differs between two moments, one thing at a time, in words without values. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from analyzer.behaviour.planner_past import (
    VERSION,
    PlannerPast,
    RelationFigures,
    Statistics,
    Structure,
    TablePast,
    extended_name,
    index_and_column,
)
from analyzer.behaviour.renames import as_called_now, differ_by_a_columns_name, renamed_indexes
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.words.sizes import size_words

DifferenceKind = Literal[
    "version", "setting", "statistics", "size", "index created", "index dropped", "index changed", "index renamed",
    "extended created", "extended dropped", "extended changed", "type", "table renamed", "values",
]  # fmt: skip
# of settings that count memory: the chapter "Query Planning" and "Resource Consumption"
UNITS_BYTES = {"work_mem": 1024} | dict.fromkeys(
    ("effective_cache_size", "min_parallel_table_scan_size", "min_parallel_index_scan_size", "temp_buffers"), PAGE_BYTES
)
SMALL = 0.02  # judgement: a size that moved by less is said last


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was otherwise. ``name``: of the setting, column or index.

    ``description``: "ix_a of app.t was dropped". ``weight``: how much of a change it is among those of its kind; larger
    ones are tried and said first.
    """

    kind: DifferenceKind
    table: str
    name: str
    description: str
    weight: float = 1.0
    is_replayed: bool = True  # a planner can be asked with the old and the new of it
    new_name: str = ""  # of an index that is called otherwise now


VALUES = Difference("values", "", "", "the values asked for are others")


def differences(then: PlannerPast, now: PlannerPast) -> list[Difference]:
    """All that differs, the most telling first; values aside."""
    differs = [*_settings(then.settings, now.settings), *_tables_renamed(then, now)]
    called_now = as_called_now(then, now).tables
    for name, old in then.tables.items():
        new = now.tables.get(name)
        if new is not None:
            differs += _of_table(old, called_now[name], new)
    return sorted(differs, key=lambda d: (d.weight < SMALL, -d.weight))


def _of_table(old: TablePast, called_now: TablePast, new: TablePast) -> list[Difference]:
    """``called_now``: the old one, its indexes by the names they have now."""
    name = old.name
    differs = [
        Difference("index renamed", name, was, f"index {was} of {name} is called {now} now", 4.0, new_name=now)
        for was, now in sorted(renamed_indexes(old.structure, new.structure).items())
    ]
    differs += [*_structure(called_now, new), *_statistics(called_now, new)]
    if None not in (old.oid, new.oid) and old.oid != new.oid:
        differs = [replace(each, description=_of_another_table(each)) for each in differs]
    return [*differs, *_size(name, called_now.figures, new.figures)]


def _tables_renamed(then: PlannerPast, now: PlannerPast) -> Iterator[Difference]:
    """Tables that are there under another name."""
    names = {table.oid: name for name, table in then.tables.items() if table.oid is not None}
    for name, table in now.tables.items():
        was = name if table.oid is None else names.get(table.oid, name)
        if was != name:
            yield Difference("table renamed", name, was, f"{was} was renamed to {name}", 5.0, False)


def _of_another_table(difference: Difference) -> str:
    """What is otherwise because the name belongs to a table of its own now: nothing was done to the one before."""
    table, name = difference.table, difference.name
    index, column, _ = index_and_column(name)
    of = extended_name(name) or (f"{column} in index {index}" if index else column)
    has = {
        "index dropped": f"has no index {name}",
        "index created": f"has index {name}, which the one before had not",
        "index changed": f"has an index {name} that is defined otherwise",
        "index renamed": f"has index {difference.new_name} where the one before had {name}",
        "extended dropped": f"has no extended statistics {name}",
        "extended created": f"has extended statistics {name}, which the one before had not",
        "extended changed": f"has extended statistics {name} that are defined otherwise",
        "type": f"has a column {name} of another type",
        "statistics": f"has other statistics of {of}",
    }[difference.kind]
    return f"{table} is another table now (renamed, or dropped and made again), which {has}"


def with_invalid_index(difference: Difference, facts: SchemaFacts) -> Difference:
    """Of an index that is still there and not valid: only the planner misses it."""
    table = facts.table_called(difference.table) if difference.kind == "index dropped" else None
    if table is None or all(index.is_valid or index.name != difference.name for index in table.indexes):
        return difference
    words = f"index {difference.name} of {difference.table} became invalid, so that the planner passes it by"
    return replace(difference, description=words)


def _settings(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(old.keys() & new.keys()):
        if name == VERSION and old[name] != new[name]:
            yield Difference(
                "version", "", name, f"the server's version changed from {old[name]} to {new[name]}", 5.0, False
            )
        elif old[name] != new[name]:
            was, now = _setting_words(name, old[name]), _setting_words(name, new[name])
            yield Difference("setting", "", name, f"{name} changed from {was} to {now}", 3.0)


def _setting_words(name: str, value: str) -> str:
    """With its unit, which pg_settings has in a column of its own."""
    unit_bytes = UNITS_BYTES.get(name)
    return size_words(int(value) * unit_bytes) if unit_bytes and value.isdigit() else value


def _structure(old: TablePast, new: TablePast) -> Iterator[Difference]:
    was, now = old.structure, new.structure
    for name in sorted(was.indexes.keys() | now.indexes.keys()):
        if name not in now.indexes:
            yield Difference("index dropped", old.name, name, f"index {name} of {old.name} was dropped", 4.0)
        elif name not in was.indexes:
            yield Difference("index created", old.name, name, f"index {name} of {old.name} was created", 4.0)
        elif was.indexes[name] != now.indexes[name] and not differ_by_a_columns_name(was, now, name):
            yield Difference("index changed", old.name, name, f"index {name} of {old.name} is defined otherwise", 4.0)
    yield from _extended(old.name, was.extended, now.extended)
    for name in sorted(was.columns.keys() & now.columns.keys()):
        if was.columns[name] != now.columns[name]:
            words = f"the type of {old.name}.{name} changed from {was.columns[name]} to {now.columns[name]}"
            yield Difference("type", old.name, name, words, 5.0)


def _extended(table: str, was: Mapping[str, str] | None, now: Mapping[str, str] | None) -> Iterator[Difference]:
    """CREATE STATISTICS objects; nothing is said where they were not read at one of the moments."""
    if was is None or now is None:
        return
    for name in sorted(was.keys() | now.keys()):
        thing = f"the extended statistics {name} of {table}"
        if name not in now:
            yield Difference("extended dropped", table, name, f"{thing} were dropped", 3.5)
        elif name not in was:
            yield Difference("extended created", table, name, f"{thing} were created", 3.5)
        elif was[name] != now[name]:
            yield Difference("extended changed", table, name, f"{thing} are defined otherwise", 3.5)


def _statistics(old: TablePast, new: TablePast) -> Iterator[Difference]:
    """Of a column whose type changed, or an index that is another, nothing is said: they had to be made anew."""
    for key in sorted(old.statistics.keys() | new.statistics.keys()):
        index, column, _ = index_and_column(key)
        was, now = old.statistics.get(key), new.statistics.get(key)
        if extended := extended_name(key):
            if was != now and _is_same_extended(old.structure, new.structure, extended):
                change, weight = _moved_together(was or {}, now or {})
                words = f"ANALYZE changed the extended statistics {extended} of {old.name}{change}"
                yield Difference("statistics", old.name, key, words, weight)
        elif was != now and _is_same_thing(old.structure, new.structure, index, column):
            what, change, weight = _moved_most(old, new, was, now)
            thing = f"{old.name}.{column}" if not index else f"the expression {column} in index {index} of {old.name}"
            yield Difference("statistics", old.name, key, f"ANALYZE changed {what} of {thing}{change}", weight)


def _is_same_thing(old: Structure, new: Structure, index: str, column: str) -> bool:
    if not index:
        return old.columns.get(column) == new.columns.get(column)
    definition = old.indexes.get(index)
    return definition is not None and definition == new.indexes.get(index)


def _is_same_extended(old: Structure, new: Structure, name: str) -> bool:
    definition = (old.extended or {}).get(name)
    return definition is not None and definition == (new.extended or {}).get(name)


def _moved_most(
    old: TablePast, new: TablePast, was: Statistics | None, now: Statistics | None
) -> tuple[str, str, float]:
    """Which figure moved most, never a value; from what to what; and how far."""
    if was is None or now is None:
        return "the statistics", f" (there {'were none before' if was is None else 'are none now'})", 3.0
    distinct = [_distinct(s, t.figures.rows) for s, t in ((was, old), (now, new))]
    moved = [
        (_ratio(*distinct) - 1, "the number of distinct values", f" from {distinct[0]:,.0f} to {distinct[1]:,.0f}"),
        *_share(was, now, _top, "the share of the most common value"),
        *_share(was, now, _listed, "the share of rows with a most common value"),
        *_share(was, now, lambda s: _number(s, "null_frac"), "the share of nulls"),
        *_share(was, now, lambda s: _number(s, "correlation"), "the correlation", 0.5),
        (0.001, "the histogram or the most common values", ""),
    ]
    weight, what, change = max(moved, key=lambda m: m[0])
    return what, change, weight


def _moved_together(was: Statistics, now: Statistics) -> tuple[str, float]:
    """Of a CREATE STATISTICS object: from what to what it moved most, and how far."""
    if not was or not now:
        return f" (there {'are none now' if was else 'were none before'})", 3.0
    distinct, implied = (
        [tuple(_items(told.get(name))[key] for told in (was, now)) for key in _shared(was, now, name)]
        for name in ("n_distinct", "dependencies")
    )
    moved = [(_ratio(old, new) - 1, f": distinct combinations from {old:,.0f} to {new:,.0f}") for old, new in distinct]
    moved += [
        (abs(old - new) * 2, f": how often one column implies another from {old:.3f} to {new:.3f}")
        for old, new in implied
    ]
    weight, change = max(moved, default=(0.001, ""))
    return change, weight


def _shared(was: Statistics, now: Statistics, name: str) -> list[str]:
    return sorted(_items(was.get(name)).keys() & _items(now.get(name)).keys())


def _items(text: str | None) -> dict[str, float]:
    """``{"1, 2": 120}``"""
    return {key: float(value) for key, value in json.loads(text or "{}").items()}


def _share(
    was: Statistics, now: Statistics, read: Callable[[Statistics], float], what: str, weight: float = 2.0
) -> Iterator[tuple[float, str, str]]:
    old, new = read(was), read(now)
    if abs(old - new) >= 0.0005:
        yield abs(old - new) * weight, what, f" from {old:.3f} to {new:.3f}"


def _distinct(statistics: Statistics, rows: float) -> float:
    n = _number(statistics, "n_distinct")
    return n if n >= 0 else -n * max(rows, 0.0)


def _number(statistics: Statistics, name: str) -> float:
    return float(statistics.get(name) or 0.0)


def _frequencies(statistics: Statistics) -> list[float]:
    text = (statistics.get("most_common_freqs") or "").strip("{}")
    return [float(part) for part in text.split(",")] if text else []


def _top(statistics: Statistics) -> float:
    return max(_frequencies(statistics), default=0.0)


def _listed(statistics: Statistics) -> float:
    return sum(_frequencies(statistics))


def _ratio(old: float, new: float) -> float:
    """1 or more."""
    low, high = sorted((max(old, 1.0), max(new, 1.0)))
    return high / low


def _size(name: str, old: RelationFigures, new: RelationFigures) -> Iterator[Difference]:
    """Of the table, and of the indexes that it had and has."""
    both = sorted(old.indexes.keys() & new.indexes.keys())
    indexes = [sum(figures.indexes[index] for index in both) for figures in (old, new)]
    if replace(old, indexes={}) == replace(new, indexes={}) and all(old.indexes[i] == new.indexes[i] for i in both):
        return
    sizes = f"{size_words(old.blocks * PAGE_BYTES)} to {size_words(new.blocks * PAGE_BYTES)}"
    if (old.blocks, old.rows) == (new.blocks, new.rows):
        words = f"{name} kept its size"
    elif old.rows == new.rows:
        words = f"{name} went from {sizes}, and its rows were not counted anew ({_rows(old.rows)})"
    else:
        words = f"{name} went from {_rows(old.rows)} to {_rows(new.rows)} rows, {sizes}"
    if old.visible_pages != new.visible_pages:
        words += f", {old.visible_pages:,} to {new.visible_pages:,} pages all visible"
    if indexes[0] != indexes[1]:
        words += f", its indexes from {size_words(indexes[0] * PAGE_BYTES)} to {size_words(indexes[1] * PAGE_BYTES)}"
    grown = max(_ratio(old.blocks, new.blocks), _ratio(old.rows, new.rows), _ratio(*indexes)) - 1
    yield Difference("size", name, "", words, max(grown, abs(_visible(old) - _visible(new))))


def _visible(figures: RelationFigures) -> float:
    return figures.visible_pages / figures.pages if figures.pages else 0.0


def _rows(rows: float) -> str:
    return "unknown" if rows < 0 else f"{rows:,.0f}"
