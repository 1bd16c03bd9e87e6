"""Statements that differ in their tables' schemas alone, added up as one: ``users`` and ``public.users``, tenants'."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Member = tuple[int, dict[str, int]]  # a statement's id and sums
MOST_SHOWN = 5  # of a group, below it; judgement: fifty groups of so many are still a page


@dataclass(frozen=True, slots=True)
class Groups:
    """``firsts``: the lowest statement id of each, ascending; ``at``: which of them each statement belongs to."""

    firsts: Ints
    at: Ints

    def ranked(self, sums: Mapping[str, Ints], orders: Sequence[str], *, by_call: bool, descending: bool) -> Ints:
        """The groups by the sum of the columns ``orders``."""
        by = self._total(sum((sums[c] for c in orders), np.zeros(len(self.at))))
        if by_call:
            by = by / np.maximum(self._total(sums["calls"]), 1)
        return np.lexsort((self.firsts, -by if descending else by))

    def _total(self, values: NDArray[np.float64] | Ints) -> NDArray[np.float64]:
        return np.bincount(self.at, weights=values, minlength=len(self.firsts)).astype(np.float64)


def grouped(statement_ids: Ints, alike: Mapping[int, str]) -> Groups:
    """``alike``: what statements have in common with others. The rest are groups of one."""
    first: dict[str, int] = {}
    of = [first.setdefault(alike[pk], pk) if pk in alike else pk for pk in statement_ids.tolist()]
    firsts, at = np.unique(np.array(of, dtype=np.int64), return_inverse=True)
    return Groups(firsts, at)


def by_group(
    order: Ints, at: Ints, statement_ids: Ints, sums: Mapping[str, Ints], orders: Sequence[str]
) -> Iterator[list[Member]]:
    """The statements of each group in turn, of each those first that the list is sorted by."""
    of: dict[int, list[Member]] = {}
    for i, (group, pk) in enumerate(zip(at.tolist(), statement_ids.tolist(), strict=True)):
        of.setdefault(group, []).append((pk, {c: int(v[i]) for c, v in sums.items()}))
    for group in order.tolist():
        yield sorted(of[group], key=lambda member: (-sum(member[1][c] for c in orders), member[0]))


def added_up(members: Sequence[Member]) -> dict[str, int]:
    """Of extremes the largest."""
    every = [sums for _, sums in members]
    return {c: max(s[c] for s in every) if c.startswith("max_") else sum(s[c] for s in every) for c in every[0]}
