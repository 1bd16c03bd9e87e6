"""What was found of single lookups, put together by page: what hangs on whose rows, and the steps from row to row."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.behaviour.fit import Burst
from analyzer.behaviour.fixes import FetchStep
from analyzer.behaviour.pairs import ChildLookup, path_to
from analyzer.behaviour.parents import Parent
from analyzer.behaviour.sessions import SessionVerdict
from analyzer.behaviour.workload import StatementSeries
from analyzer.schema.facts import SchemaFacts, TableFacts


@dataclass(frozen=True, slots=True)
class Lookup:
    series: StatementSeries
    children: tuple[ChildLookup, ...]  # the ways to look at it, one for each table it is looked up in

    @property
    def is_by_single_keys(self) -> bool:
        return bool(self.children[0].shape.key_columns) and not self.children[0].is_list

    @property
    def name(self) -> str:
        if not self.columns:
            return f"the whole of {self.rows.qualified_name}"
        by = "conditions on " if self.children[0].is_by_conditions else ""
        return f"{self.rows.qualified_name} by {by}{', '.join(self.columns)}"

    @property
    def rows(self) -> TableFacts:
        """The table whose rows it returns or counts."""
        return self.children[0].rows_of or self.children[0].table

    @property
    def columns(self) -> tuple[str, ...]:
        """Those compared with keys, or else with other values; with the table's name where that is not ``rows``."""
        return tuple(
            dict.fromkeys(
                column if child.rows_of is None else f"{child.table.name}.{column}"
                for child in self.children
                for column in child.shape.key_columns or child.shape.other_columns
            )
        )


@dataclass(frozen=True, slots=True)
class PageLookup:
    """A lookup in bursts for each call of ``page``; ``parent`` None: nothing there returns its keys.

    ``route``: that both were seen on; "" where that is not known.
    """

    lookup: Lookup
    burst: Burst
    page: StatementSeries
    parent: Parent | None
    verdict: SessionVerdict
    route: str = ""


def of_different_rows(lookups: Sequence[PageLookup]) -> list[PageLookup]:
    """Without those whose parent returns a row at a time and follows no rows itself: it may be the same each time."""
    followed = {one.lookup.series.fingerprint for one in lookups if one.parent is not None}
    return [
        one
        for one in lookups
        if one.parent is None
        or not one.parent.is_repeated
        or one.parent.rows_per_call >= 2
        or one.parent.series.fingerprint in followed
    ]


def by_page(lookups: Sequence[PageLookup]) -> Iterator[list[PageLookup]]:
    """What one call can fetch: of each page's parent all lookups, with those that follow another lookup; of lookups
    without a parent those of one page. Each lookup once, in the order of their names."""
    groups: dict[tuple[str, bool], list[PageLookup]] = defaultdict(list)
    for one in (one for one in lookups if one.parent is not None):
        groups[_root(one, lookups), True].append(one)
    pages: list[StatementSeries] = []
    for one in lookups:
        if one.parent is None:
            page = next((p for p in pages if _is_same_page(p, one.page)), one.page)
            pages.append(page)
            groups[page.fingerprint, False].append(one)
    for root in sorted(groups):
        yield _once(groups[root])


def _root(lookup: PageLookup, lookups: Sequence[PageLookup], depth: int = 0) -> str:
    """The fingerprint of the statement whose rows all of it follows."""
    assert lookup.parent is not None
    above = [
        f for f in lookups if f.parent and f.lookup.series is lookup.parent.series and _goes_with(f.page, lookup.page)
    ]  # fmt: skip
    if lookup.parent.is_repeated and above and depth < 4:
        return _root(above[0], lookups, depth + 1)
    return lookup.parent.series.fingerprint


def _is_same_page(a: StatementSeries, b: StatementSeries) -> bool:
    """As often in every interval, but for what was under way at its end."""
    return a is b or bool(np.abs(a.calls - b.calls).sum() <= 0.02 * a.calls.sum())


def _goes_with(a: StatementSeries, b: StatementSeries) -> bool:
    return a is b or bool(np.corrcoef(a.calls, b.calls)[0, 1] > 0.95)


def _once(group: Sequence[PageLookup]) -> list[PageLookup]:
    """Of a lookup that two columns explain, the better: the one statement, once."""
    best: dict[str, PageLookup] = {}
    for one in sorted(group, key=lambda f: -f.burst.share):
        best.setdefault(one.lookup.series.fingerprint, one)
    return sorted(best.values(), key=lambda f: (f.lookup.name, f.lookup.series.fingerprint))


def steps(
    parent: StatementSeries,
    base: TableFacts,
    group: Sequence[PageLookup],
    facts: SchemaFacts,
    above: TableFacts | None = None,
) -> tuple[FetchStep, ...]:
    """What is looked up for each row of a statement, and for each row of that in turn; ``above``: where those hang."""
    path: list[FetchStep] = []
    for one in group:
        if one.parent is None or one.parent.series.fingerprint != parent.fingerprint or one.lookup.series is parent:
            continue
        link = one.parent.link
        if above is not None and link.child.oid == above.oid:
            continue  # the way back: where the rows came from is known there
        rows = link.onward[-1].child if link.onward else link.child
        then = steps(one.lookup.series, rows, group, facts, link.parent)
        for hop in reversed(link.onward):
            then = (FetchStep(hop, then),)
        for column in (link.foreign_key_column, *link.also_by):
            step = FetchStep(replace(link, foreign_key_column=column), then)
            # the rows of the link may come joined to others: order lines with their products
            for hop in reversed(path_to(parent.normalized_sql, base, link.parent, facts)):
                step = FetchStep(hop, (step,))
            path.append(step)
    return tuple(path)
