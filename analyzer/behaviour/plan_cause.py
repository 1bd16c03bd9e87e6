"""Why a plan changed: what differs between two moments, and which of it turns the one plan into the other. Pure.

The planner is asked by whoever calls: with everything as it is now, as it was then, and in between.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from analyzer.behaviour.planner_past import (
    VERSION,
    PlannerPast,
    RelationFigures,
    Statistics,
    Structure,
    TablePast,
    index_and_column,
)
from analyzer.words.sizes import size_words

Kind = Literal[
    "version", "setting", "statistics", "size", "index created", "index dropped", "index changed", "type", "values"
]
MOST_TRIED = 16  # judgement: 136 sets of one and two
BLOCK_BYTES = 8192
SMALL = 0.02  # judgement: a size that moved by less is said last


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was otherwise. ``name``: of the setting, column or index; ``words``: "ix_a of app.t was dropped".

    ``weight``: how much of a change it is among those of its kind; larger ones are tried and said first.
    """

    kind: Kind
    table: str
    name: str
    words: str
    weight: float = 1.0

    @property
    def is_replayed(self) -> bool:
        """Whether a planner can be asked with the old and the new of it."""
        return self.kind not in ("type", "version")


VALUES = Difference("values", "", "", "the values asked for are others")
Set = frozenset[Difference]
SAME_PLAN, OLD_PLAN, NEW_PLAN, OTHER_PLAN = "same", "old", "new", "other"


@dataclass(frozen=True, slots=True)
class Cause:
    """``causes``: what, changed alone, made the new plan of the old one; ``cures``: what, set back alone, brings the
    old one back now. Each the smallest such sets; empty where there is none. ``problem``: why nothing was found."""

    causes: tuple[Set, ...] = ()
    cures: tuple[Set, ...] = ()
    problem: str = ""
    plans_made: int = 0


def differences(then: PlannerPast, now: PlannerPast) -> list[Difference]:
    """All that differs, the most telling first; values aside."""
    differs = [*_settings(then.settings, now.settings)]
    for name, old in then.tables.items():
        new = now.tables.get(name)
        if new is not None:
            differs += [*_structure(old, new), *_statistics(old, new), *_size(name, old.figures, new.figures)]
    return sorted(differs, key=lambda d: (d.weight < SMALL, -d.weight))


def _settings(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(old.keys() & new.keys()):
        if name == VERSION and old[name] != new[name]:
            yield Difference("version", "", name, f"the server's version changed from {old[name]} to {new[name]}", 5.0)
        elif old[name] != new[name]:
            yield Difference("setting", "", name, f"{name} changed from {old[name]} to {new[name]}", 3.0)


def _structure(old: TablePast, new: TablePast) -> Iterator[Difference]:
    was, now = old.structure, new.structure
    for name in sorted(was.indexes.keys() | now.indexes.keys()):
        if name not in now.indexes:
            yield Difference("index dropped", old.name, name, f"index {name} of {old.name} was dropped", 4.0)
        elif name not in was.indexes:
            yield Difference("index created", old.name, name, f"index {name} of {old.name} was created", 4.0)
        elif was.indexes[name] != now.indexes[name]:
            yield Difference("index changed", old.name, name, f"index {name} of {old.name} is defined otherwise", 4.0)
    for name in sorted(was.columns.keys() & now.columns.keys()):
        if was.columns[name] != now.columns[name]:
            words = f"the type of {old.name}.{name} changed from {was.columns[name]} to {now.columns[name]}"
            yield Difference("type", old.name, name, words, 5.0)


def _statistics(old: TablePast, new: TablePast) -> Iterator[Difference]:
    """Of a column whose type changed, or an index that is another, nothing is said: they had to be made anew."""
    for key in sorted(old.statistics.keys() | new.statistics.keys()):
        index, column, _ = index_and_column(key)
        was, now = old.statistics.get(key), new.statistics.get(key)
        if was != now and _is_same_thing(old.structure, new.structure, index, column):
            what, change, weight = _moved_most(old, new, was, now)
            thing = f"{old.name}.{column}" if not index else f"the expression {column} in index {index} of {old.name}"
            yield Difference("statistics", old.name, key, f"ANALYZE changed {what} of {thing}{change}", weight)


def _is_same_thing(old: Structure, new: Structure, index: str, column: str) -> bool:
    if not index:
        return old.columns.get(column) == new.columns.get(column)
    definition = old.indexes.get(index)
    return definition is not None and definition == new.indexes.get(index)


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


def _share(
    was: Statistics, now: Statistics, read: Callable[[Statistics], float], what: str, weight: float = 2.0
) -> Iterator[tuple[float, str, str]]:
    old, new = read(was), read(now)
    if abs(old - new) >= 0.0005:
        yield abs(old - new) * weight, what, f" from {old:.3f} to {new:.3f}"


def _distinct(told: Statistics, rows: float) -> float:
    n = _number(told, "n_distinct")
    return n if n >= 0 else -n * max(rows, 0.0)


def _number(told: Statistics, name: str) -> float:
    return float(told.get(name) or 0.0)


def _frequencies(told: Statistics) -> list[float]:
    text = (told.get("most_common_freqs") or "").strip("{}")
    return [float(part) for part in text.split(",")] if text else []


def _top(told: Statistics) -> float:
    return max(_frequencies(told), default=0.0)


def _listed(told: Statistics) -> float:
    return sum(_frequencies(told))


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
    sizes = f"{size_words(old.blocks * BLOCK_BYTES)} to {size_words(new.blocks * BLOCK_BYTES)}"
    if (old.blocks, old.rows) == (new.blocks, new.rows):
        words = f"{name} kept its size"
    elif old.rows == new.rows:
        words = f"{name} went from {sizes}, and its rows were not counted anew ({_rows(old.rows)})"
    else:
        words = f"{name} went from {_rows(old.rows)} to {_rows(new.rows)} rows, {sizes}"
    if old.visible_pages != new.visible_pages:
        words += f", {old.visible_pages:,} to {new.visible_pages:,} pages all visible"
    if indexes[0] != indexes[1]:
        words += f", its indexes from {size_words(indexes[0] * BLOCK_BYTES)} to {size_words(indexes[1] * BLOCK_BYTES)}"
    grown = max(_ratio(old.blocks, new.blocks), _ratio(old.rows, new.rows), _ratio(*indexes)) - 1
    yield Difference("size", name, "", words, max(grown, abs(_visible(old) - _visible(new))))


def _visible(figures: RelationFigures) -> float:
    return figures.visible_pages / figures.pages if figures.pages else 0.0


def _rows(rows: float) -> str:
    return "unknown" if rows < 0 else f"{rows:,.0f}"


# -- the search -----------------------------------------------------------------------------------------------------


def find_cause(differs: Sequence[Difference], kind_of_plan: Callable[[Set], str]) -> Cause:
    """``kind_of_plan``: of the plan with the given differences as they were then and everything else as it is now;
    OLD_PLAN, NEW_PLAN, OTHER_PLAN."""
    replayed = [d for d in differs if d.is_replayed]
    everything = frozenset(replayed)
    known: dict[Set, str] = {}

    def plan(old: Set) -> str:
        if old not in known:
            known[old] = kind_of_plan(old)
        return known[old]

    if plan(frozenset()) != NEW_PLAN:
        return Cause(problem="pgLoupe's planner twin does not make the new plan now", plans_made=len(known))
    was_old = plan(everything) == OLD_PLAN
    sets = list(_sets(replayed[:MOST_TRIED]))
    cures = _smallest(sets, lambda some: plan(some) == OLD_PLAN)
    causes = _smallest(sets, lambda some: plan(everything - some) == NEW_PLAN) if was_old else ()
    if was_old and not causes:
        causes = (everything,)
    if was_old and not cures:
        cures = (everything,)
    if causes or cures:
        return Cause(causes, cures, plans_made=len(known))
    problem = "no combination of what pgLoupe kept from then brings the old plan back on its planner twin"
    return Cause(problem=problem, plans_made=len(known))


def _sets(differs: Sequence[Difference]) -> Iterator[Set]:
    for size in (1, 2):
        yield from (frozenset(some) for some in combinations(differs, size))


def _smallest(sets: Sequence[Set], does: Callable[[Set], bool]) -> tuple[Set, ...]:
    """All single ones that do; else the first pair."""
    single = tuple(some for some in sets if len(some) == 1 and does(some))
    if single:
        return single
    return next(((some,) for some in sets if len(some) == 2 and does(some)), ())


# -- in words -------------------------------------------------------------------------------------------------------


def cause_words(cause: Cause, differs: Collection[Difference]) -> str:
    """One or two sentences: what made the new plan, and what brings the old one back."""
    unknown = [d for d in differs if not d.is_replayed]
    if cause.problem:
        told = f"The cause is not proved: {cause.problem}."
        return f"{told} Not tried, because it cannot be undone on the twin: {_and(unknown)}." if unknown else told
    said = []
    if cause.causes:
        said.append(f"The cause, by the planner twin: {_or(cause.causes)}.")
    if cause.cures and set(cause.cures) == set(cause.causes):
        said.append("With that as it was, and all else as it is now, the planner still makes the old plan.")
    elif cause.cures:
        said.append(f"The planner makes the old plan again with this as it was: {_or(cause.cures)}.")
    return " ".join(said)


HINTS: dict[str, str] = {
    "index dropped": "Create the index again, or see which other one can serve the statement.",
    "index created": "See whether the new index is needed: the planner takes it where the old plan was faster.",
    "index changed": "See what the index lost: a column, an order, rows left out by its condition.",
    "setting": "Set it back, for this statement's role alone where others need it.",
    "statistics": (
        "Run ANALYZE again: a sample may be a bad one, or taken at a moment when the table held other rows. Where it"
        " comes out the same, look at a larger sample (ALTER TABLE ... ALTER COLUMN ... SET STATISTICS)."
    ),
    "size": "Tables that grow or bloat get other plans: run ANALYZE, VACUUM where it bloated, and see the new plan.",
    "values": "Other values get another plan: see whether callers ask for something else now.",
}


def cure_hint(cause: Cause) -> str:
    """What to do, by what brings the old plan back; "" where nothing is known to."""
    sets = cause.cures or cause.causes
    kinds = dict.fromkeys(d.kind for some in sets[:1] for d in sorted(some, key=lambda d: -d.weight))
    return " ".join(HINTS[kind] for kind in list(kinds)[:2] if kind in HINTS)


def _or(sets: Sequence[Set]) -> str:
    return "; or ".join(_and(sorted(some, key=lambda d: -d.weight)) for some in sets[:3])


def _and(some: Sequence[Difference]) -> str:
    more = f" and {len(some) - 4} more" if len(some) > 4 else ""
    return ", together with ".join(d.words for d in some[:4]) + more
