"""Statements on tables that are alike in several schemas, added up as one; and one text on tables that are not, apart.

``users`` and ``public.users``, or a table of each tenant, are one line of a list. A text that is run in two databases,
or by roles whose search_path differs, may read tables that have nothing but the name in common: each is a line of its
own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analyzer.store.series.spans import EntrySums

Ints = NDArray[np.int64]
Member = tuple[int, dict[str, int]]  # a line's id and sums
Ran = tuple[int, int, int]  # a statement's id, the database's and the role's oid
MOST_SHOWN = 5  # of a group, below it; judgement: fifty groups of so many are still a page


PARTS_FROM = 1 << 40  # a line's id is its statement's, and this for each part of it that was told apart before


def line_id(statement_id: int, part: int) -> int:
    return statement_id + part * PARTS_FROM


def statement_of(line: int) -> int:
    return line % PARTS_FROM


def by_line(sums: EntrySums, line_of: Mapping[Ran, int]) -> EntrySums:
    """The sums by line; ``line_of``: of the statements that are several."""
    lines = sums.statement_ids.copy()
    several = np.isin(lines, list({statement_id for statement_id, _, _ in line_of}))
    for at in np.flatnonzero(several).tolist():
        ran = (int(lines[at]), int(sums.database_oids[at]), int(sums.role_oids[at]))
        lines[at] = line_of.get(ran, lines[at])
    return replace(sums, statement_ids=lines)


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
