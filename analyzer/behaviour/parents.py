"""Which statement's rows a burst of lookups follows."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.behaviour.fit import Burst, Series, explained, needed_of_few
from analyzer.behaviour.pairs import Link
from analyzer.behaviour.workload import StatementSeries

# Judgement: what brings the keys runs once a call of the page, which a fit may put lower; rarer, it is another page's.
LEAST_PER_PAGE = 0.5
ABOUT_ONCE = 1.5
MOST_TRIED = 12  # linked statements, those that return most; judgement


@dataclass(frozen=True, slots=True)
class Parent:
    """``per_row``: lookups for each of its rows; ``rows_per_call`` of itself, ``calls_per_page`` on the page."""

    series: StatementSeries
    link: Link
    per_row: float
    rows_per_call: float
    calls_per_page: float

    @property
    def is_repeated(self) -> bool:
        """Itself one of several on the page: the lookup before this one."""
        return self.calls_per_page > ABOUT_ONCE

    @property
    def is_followed_once(self) -> bool:
        """Several rows at once, and one lookup for all of them: the page repeats both, none of it row by row."""
        return self.is_repeated and self.rows_per_call >= 2 and self.per_row * self.rows_per_call < ABOUT_ONCE


def parent_of(
    burst: Burst,
    marker: StatementSeries,
    linked: Sequence[tuple[StatementSeries, Link]],
    load: Series,
    per_row: tuple[float, float],
) -> Parent | None:
    """The linked statement whose rows on the marker's page fit the burst best; ``per_row``: the least and the most.

    Of the changes of its rows, the page's own statement has to explain more than it would of the best by chance: it may
    serve other pages too.
    """
    ranked: list[tuple[tuple[bool, bool, bool, float], Parent]] = []
    tried = sorted(linked, key=lambda pair: (pair[0] is not marker, -float(pair[0].rows.sum())))[:MOST_TRIED]
    least_r2 = needed_of_few(len(marker.calls), len(tried))
    for series, link in tried:
        calls, rows = float(series.calls.sum()), float(series.rows.sum())
        if not calls or not rows:
            continue
        rows_per_page, r2 = rows / calls, 1.0
        if series is not marker:
            rows_per_page, r2 = explained(series.rows, marker.calls, load)
        if r2 < least_r2 or rows_per_page < max(2.0, LEAST_PER_PAGE * rows / calls):
            continue
        ratio = burst.per_call / rows_per_page
        if per_row[0] <= ratio <= per_row[1]:
            parent = Parent(series, link, ratio, rows / calls, rows_per_page * calls / rows)
            if parent.is_followed_once:
                continue
            rank = (link.by_constraint, not parent.is_repeated, series is marker, r2)
            ranked.append((rank, parent))
    return max(ranked, key=lambda pair: pair[0])[1] if ranked else None
