"""One index for several needs: a need that is a prefix of a longer one costs nothing extra.

Equality columns may stand in any order, so an index to be is a list of sets; serving one more need may split a set.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from analyzer.advice.definition import IndexColumn
from analyzer.advice.rules.coverage import Need, serving_index
from analyzer.schema.facts import IndexFacts, TableFacts


@dataclass(slots=True)
class MergedNeed:
    """``groups``: columns in index order, those of one group in any order; ``owners``: what each need came from."""

    table: TableFacts
    method: str
    groups: list[frozenset[str]]
    columns: dict[str, IndexColumn]
    needs: list[tuple[Need, str]] = field(default_factory=list)  # with a statement's fingerprint or a key's name

    def as_facts(self) -> IndexFacts:
        """As if it were there."""
        columns = self.index_columns(Counter())
        return IndexFacts(
            oid=0,
            schema=self.table.schema,
            name="",
            method=self.method,
            columns=tuple(None if c.is_expression else c.name for c in columns),
            expressions=tuple(c.name for c in columns if c.is_expression),
            opclasses=tuple(c.opclass or "" for c in columns),
            is_default_opclass=tuple(c.opclass is None for c in columns),
            options=tuple((1 if c.descending else 0) | (2 if _nulls(c) else 0) for c in columns),
        )

    def index_columns(self, popularity: Counter[str]) -> tuple[IndexColumn, ...]:
        """Within a group: the column most statements ask for first, then as the table has them."""
        numbers = {c.name: c.number for c in self.table.columns}
        ordered: list[IndexColumn] = []
        for group in self.groups:
            names = sorted(group, key=lambda name: (-popularity[name], numbers.get(name, 0), name))
            ordered += [self.columns[name] for name in names]
        return tuple(ordered)


def merge(needs: Iterable[tuple[Need, str]]) -> list[MergedNeed]:
    """The needs of a workload as few indexes; the same result whatever the order they come in."""
    merged: list[MergedNeed] = []
    widest_first = sorted(needs, key=lambda pair: (*_order(pair[0]), pair[1]))
    for need, owner in widest_first:
        for index in merged:
            if _absorb(index, need):
                index.needs.append((need, owner))
                break
        else:
            merged.append(_new(need, owner))
    return _without_superfluous(merged)


def _without_superfluous(merged: list[MergedNeed]) -> list[MergedNeed]:
    """Leaves out what the others serve well enough: ``(status, at)`` beside ``(at)`` where no status is rare."""
    kept = list(merged)
    for index in merged:
        others = [m for m in kept if m is not index and m.table.oid == index.table.oid]
        as_facts = {id(m): m.as_facts() for m in others}
        servers = [serving_index(need, list(as_facts.values())) for need, _ in index.needs]
        if index.method != "btree" or not others or any(s is None for s in servers):
            continue
        kept.remove(index)
        for (need, owner), server in zip(index.needs, servers, strict=True):
            next(m for m in others if as_facts[id(m)] is server).needs.append((need, owner))
    return kept


def _order(need: Need) -> tuple[object, ...]:
    names = sorted(need.equality)
    tail = [c.sql() for c in need.tail]
    return (need.table.qualified_name, need.method, -len(names) - len(tail), -len(tail), names, tail, need.purpose)


def _new(need: Need, owner: str) -> MergedNeed:
    groups = [need.equality] if need.equality else []
    columns = {name: IndexColumn(name) for name in need.equality} | {c.name: c for c in need.tail}
    return MergedNeed(
        need.table, need.method, [*groups, *(frozenset({c.name}) for c in need.tail)], columns, [(need, owner)]
    )


def _absorb(index: MergedNeed, need: Need) -> bool:
    """Whether the index serves the need too, after splitting its groups where that is needed."""
    if (index.table.oid, index.method) != (need.table.oid, need.method):
        return False
    if index.method != "btree":
        return index.columns == {c.name: c for c in need.tail}
    refined: list[frozenset[str]] = []
    groups = list(index.groups)
    for wanted in [need.equality, *(frozenset({c.name}) for c in need.tail)]:
        rest = wanted
        while rest:
            if not groups:
                return False
            group = groups.pop(0)
            if group <= rest:
                refined.append(group)
                rest -= group
            elif rest < group:
                refined.append(rest)
                groups.insert(0, group - rest)
                rest = frozenset()
            else:
                return False
    if not _same_directions(index, need):
        return False
    index.groups = refined + groups
    return True


def _same_directions(index: MergedNeed, need: Need) -> bool:
    """An order must come out as asked for, or wholly backwards; other uses take any direction, not any class."""
    for column in need.tail:
        if index.columns[column.name].opclass != column.opclass:
            return False
    if any(index.columns[name].opclass for name in need.equality):
        return False
    if need.purpose != "order":
        return True
    flips = set()
    for column in need.tail:
        mine = index.columns[column.name]
        flips.add((mine.descending != column.descending, _nulls(mine) != _nulls(column)))
    return flips <= {(False, False)} or flips <= {(True, True)}


def _nulls(column: IndexColumn) -> bool:
    return column.descending if column.nulls_first is None else column.nulls_first
