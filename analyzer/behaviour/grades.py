"""How sure an N+1 is, and what that rests on."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.behaviour.pages import PageLookup
from analyzer.words.lists import and_list


class Grade(enum.StrEnum):
    POSSIBLE = "possible"
    LIKELY = "likely"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class GradeEvidence:
    """``rests_on``: in words, the counters first."""

    grade: Grade
    rests_on: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"{self.grade}, by {and_list(self.rests_on)}"


def grounds_of(lookup: PageLookup, likelihood: float, least_followed: float) -> GradeEvidence:
    """The counters alone: possible; with a foreign key: likely; with sessions or a route in common: confirmed."""
    rests_on = ["the counters"]
    has_key = lookup.parent is not None and lookup.parent.link.by_constraint
    if has_key:
        rests_on.append("the key that the rows bring")
    shown = lookup.verdict.is_shown(likelihood, least_followed)
    if shown:
        rests_on.append("the order of statements in sessions")
    if lookup.route:
        rests_on.append("their route")
    if shown or lookup.route:
        return GradeEvidence(Grade.CONFIRMED, tuple(rests_on))
    return GradeEvidence(Grade.LIKELY if has_key else Grade.POSSIBLE, tuple(rests_on))


def weakest(grounds: Sequence[GradeEvidence]) -> GradeEvidence:
    """What all of a group have: its least sure member, the one that rests on least."""
    order = list(Grade)
    return min(grounds, key=lambda g: (order.index(g.grade), len(g.rests_on)))
