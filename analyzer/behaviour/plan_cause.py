"""Why a plan changed: which of what differs between two moments turns the one plan into the other. Pure.

The planner is asked by whoever calls: with everything as it is now, as it was then, and in between.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from analyzer.behaviour.planner_differences import Difference

MOST_TRIED = 16  # judgement: 136 sets of one and two
Set = frozenset[Difference]
OLD_PLAN, NEW_PLAN, OTHER_PLAN = "old", "new", "other"


@dataclass(frozen=True, slots=True)
class Cause:
    """``causes``: what, changed alone, made the new plan of the old one; ``cures``: what, set back alone, brings the
    old one back now. Each the smallest such sets; empty where there is none. ``problem``: why nothing was found."""

    causes: tuple[Set, ...] = ()
    cures: tuple[Set, ...] = ()
    problem: str = ""
    plans_made: int = 0


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


def cause_words(cause: Cause, differs: Collection[Difference], old_path: str = "") -> str:
    """One or two sentences: what made the new plan, and what brings the old one back; ``old_path``: a step of that."""
    by = f" ({old_path})" if old_path else ""
    unknown = [d for d in differs if not d.is_replayed]
    if cause.problem:
        told = f"The cause is not proved: {cause.problem}."
        return f"{told} Not tried, because it cannot be undone on the twin: {_and(unknown)}." if unknown else told
    said = []
    if cause.causes:
        said.append(f"The cause, by the planner twin: {_or(cause.causes)}.")
    if cause.cures and set(cause.cures) == set(cause.causes):
        said.append(f"With that as it was, and all else as it is now, the planner still makes the old plan{by}.")
    elif cause.cures:
        said.append(f"The planner makes the old plan{by} again with this as it was: {_or(cause.cures)}.")
    return " ".join(said)


HINTS: dict[str, str] = {
    "index dropped": (
        "Create the index again, or REINDEX it where it is invalid, or see which other one can serve the statement."
    ),
    "index created": "See whether the new index is needed: the planner takes it where the old plan was faster.",
    "index changed": "See what the index lost: a column, an order, rows left out by its condition.",
    "index renamed": "The plan is the same but for the index's name: what calls cost since has another reason.",
    "extended dropped": "Create the statistics again (CREATE STATISTICS) and run ANALYZE.",
    "extended created": "See whether what the new statistics say of the columns together is true; else drop them.",
    "extended changed": "See what the statistics lost: a column, or a kind of them.",
    "setting": "Set it back, for this statement's role alone where others need it.",
    "statistics": (
        "Run ANALYZE again: a sample may be a bad one, or taken at a moment when the table held other rows. Where it"
        " comes out the same, look at a larger sample (ALTER TABLE ... ALTER COLUMN ... SET STATISTICS)."
    ),
    "size": (
        "Tables that grow or bloat get other plans: run ANALYZE, VACUUM where it bloated or fewer pages are all"
        " visible, and see the new plan."
    ),
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
    return ", together with ".join(d.description for d in some[:4]) + more
