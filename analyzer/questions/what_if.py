"""What if these indexes were there, or those were gone: every statement of the workload that would change.

``planner`` is the twin, so nothing is created and no server is asked.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from analyzer.advice.cautions import early_stop, of_definition
from analyzer.advice.ddl import IndexDdl
from analyzer.advice.definition import IndexDefinition
from analyzer.advice.planner import HypotheticalIndex, Names, Planned, Planner, Query, Refused
from analyzer.advice.rules.suggest import WorkloadStatement, foreign_keys_served
from analyzer.advice.selection.bits import bits
from analyzer.advice.selection.covered import exists_already
from analyzer.advice.selection.relevance import indexes_by_query, root_oid, tables_read
from analyzer.advice.selection.set_figures import HURT
from analyzer.errors import BadInput, costing_only
from analyzer.plans import PlanError, parse_plan
from analyzer.plans.compare import SAME_COST_RATIO, PlanChange, explained_change
from analyzer.plans.size import node_count
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts

# Of the plans that an answer holds. Measured: 10,000 nodes of plans with partitions take about 25 MB; those of 1,000
# statements of an ordinary workload have fewer.
MOST_NODES = 10_000


@dataclass(frozen=True, slots=True)
class TriedIndex:
    """``exists_as``: the server's index that does this already; ``used_by``: the changed statements that use it."""

    index: HypotheticalIndex
    exists_as: IndexFacts | None = None
    used_by: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    foreign_keys: tuple[str, ...] = ()  # whose check nothing serves so far and it would
    is_worth_it: bool = False  # some statement, or a foreign key's check, is better off with it


@dataclass(frozen=True, slots=True)
class ChangedStatement:
    """Cost of one call, over the values it was planned with; ``change`` is of those it matters most for.

    ``before`` and ``after`` are EXPLAIN's objects of those values, which hold them: redact before showing. None, as
    ``change`` is, where they could not be had, and of all but the statements that matter most (``MOST_NODES``).
    """

    statement: str
    weight: float  # calls a day, corrected by how slow it really is
    cost_before: float
    cost_after: float
    change: PlanChange | None
    uses: tuple[int, ...]  # ids of the new indexes in its plans
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    query: Query | None = None  # with those values
    caution: str | None = None  # why it may take longer although planned cheaper

    @property
    def saved_per_day(self) -> float:
        return self.weight * (self.cost_before - self.cost_after)

    @property
    def is_hurt(self) -> bool:
        return self.cost_after > self.cost_before * (1 + HURT)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """``cost_before`` and ``cost_after`` are per day, over the ``looked_at`` statements that read one of the tables."""

    tried: tuple[TriedIndex, ...]
    changes: tuple[ChangedStatement, ...]  # the greatest saving or loss a day first
    statements: int
    looked_at: int
    cost_before: float
    cost_after: float
    refused: Mapping[str, str]  # statement -> why it cannot be planned with the change

    @property
    def size_bytes(self) -> int:
        return sum(t.index.size_bytes for t in self.tried if t.exists_as is None)


def what_if(
    planner: Planner,
    queries: Sequence[Query],
    adds: Sequence[IndexDefinition],
    hidden_oids: Collection[int],
    facts: SchemaFacts,
    ddl: Sequence[IndexDdl] = (),
) -> WhatIf:
    """Raises BadInput for an index that cannot be created. ``ddl``: of each of ``adds``, whose names the plans bear.

    A query that reads none of the tables is not planned; the others are planned once with the change (what they cost
    without it the planner knows already where they come from ``plannable_queries``). Two more plans for each of the
    statements that change most tell what became of it.
    """
    made = _made(planner, adds)
    named = {_key(definition): each.names for definition, each in zip(adds, ddl, strict=False)}
    names = {index.id: named.get(_key(index.definition), {}) for index in made}
    ids, hidden = [index.id for index in made], frozenset(hidden_oids)
    masks, tables = indexes_by_query(queries, [index.definition for index in made], facts)
    losing = {root_oid(t, facts) for t in facts if any(index.oid in hidden for index in t.indexes)}
    grouped: dict[str, list[_Asked]] = {}
    refused: dict[str, str] = {}
    for query, mask, read in zip(queries, masks, tables, strict=True):
        shown = tuple(ids[number] for number in bits(mask))
        if not shown and not (losing if read is None else losing & read):
            continue
        before, after = planner.plan(query), planner.plan(query, shown, hidden)
        if isinstance(before, Refused) or isinstance(after, Refused):
            refused[query.statement] = next(a.reason for a in (before, after) if isinstance(a, Refused))
            continue
        grouped.setdefault(query.statement, []).append(_Asked(query, shown, before, after))
    found = [(change, most) for asked in grouped.values() if (change := _change(asked)) and (most := _most(asked))]
    found.sort(key=lambda pair: (-abs(pair[0].saved_per_day), pair[0].statement))
    changes = list(_explained(planner, found, hidden, facts, names))
    everything = [asked for some in grouped.values() for asked in some]
    return WhatIf(
        tried=tuple(_tried(index, changes, facts) for index in made),
        changes=tuple(changes),
        statements=len({q.statement for q in queries}),
        looked_at=len(grouped),
        cost_before=sum(a.query.weight * a.before.total_cost for a in everything),
        cost_after=sum(a.query.weight * a.after.total_cost for a in everything),
        refused=refused,
    )


def statements_reading(
    workload: Sequence[WorkloadStatement], tables: Sequence[TableFacts], facts: SchemaFacts
) -> list[WorkloadStatement]:
    """Those that read one of the tables, or something whose tables their text does not tell (a view)."""
    roots = {root_oid(table, facts) for table in tables}
    readers = []
    for statement in workload:
        read = None
        with costing_only(statement.fingerprint, {}):
            read = tables_read(Query("", "", statement.sql, 0.0), facts)
        if roots and (read is None or not roots.isdisjoint(read)):
            readers.append(statement)
    return readers


def _key(definition: IndexDefinition) -> tuple[str, str, bool]:
    return definition.table.qualified_name, definition.body(), definition.is_unique


def _made(planner: Planner, adds: Sequence[IndexDefinition]) -> list[HypotheticalIndex]:
    hypothetical: dict[int, HypotheticalIndex] = {}
    for definition, answer in zip(adds, planner.hypothesize(adds), strict=True):
        if isinstance(answer, Refused):
            raise BadInput(f"{definition.table.qualified_name} {definition.body()}: {answer.reason}")
        hypothetical[answer.id] = answer
    return list(hypothetical.values())


def _tried(index: HypotheticalIndex, changes: Sequence[ChangedStatement], facts: SchemaFacts) -> TriedIndex:
    users = [c for c in changes if index.id in c.uses]
    keys = tuple(key.rpartition(".")[2] for key in foreign_keys_served(index.definition))
    return TriedIndex(
        index,
        exists_already(index.definition, facts),
        tuple(c.statement for c in users),
        tuple(of_definition(index.definition)),
        keys,
        bool(keys) or any(c.saved_per_day > 0 for c in users),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """One query without and with the change."""

    query: Query
    shown: tuple[int, ...]
    before: Planned
    after: Planned

    @property
    def matters(self) -> float:
        return abs(self.query.weight * (self.before.total_cost - self.after.total_cost))

    @property
    def is_changed(self) -> bool:
        before, after = self.before.total_cost, self.after.total_cost
        return abs(after - before) > SAME_COST_RATIO * max(before, after)


def _change(asked: Sequence[_Asked]) -> ChangedStatement | None:
    """Without its plans; None where the cost stays the same with all the values it was planned with."""
    if not any(a.is_changed for a in asked):
        return None
    weight = sum(a.query.weight for a in asked)
    shares = [a.query.weight / weight if weight else 1 / len(asked) for a in asked]
    most = _most(asked)
    return ChangedStatement(
        statement=most.query.statement,
        weight=weight,
        cost_before=sum(share * a.before.total_cost for share, a in zip(shares, asked, strict=True)),
        cost_after=sum(share * a.after.total_cost for share, a in zip(shares, asked, strict=True)),
        change=None,
        uses=tuple(sorted({id for a in asked for id in a.shown if id in a.after.used})),
        query=most.query,
    )


def _most(asked: Sequence[_Asked]) -> _Asked:
    """With the values for which it matters most."""
    return max(asked, key=lambda a: (a.is_changed, a.matters, a.query.key))


def _explained(
    planner: Planner,
    changes: Sequence[tuple[ChangedStatement, _Asked]],
    hidden: frozenset[int],
    facts: SchemaFacts,
    names: Names,
) -> Iterator[ChangedStatement]:
    nodes = 0
    for change, most in changes:
        if nodes >= MOST_NODES:
            yield change
            continue
        before, after = planner.explain(most.query), planner.explain(most.query, most.shown, hidden, names=names)
        if isinstance(before, Refused) or isinstance(after, Refused):
            yield change
            continue
        nodes += node_count(before["Plan"]) + node_count(after["Plan"])
        caution = explained_caution(most.query.sql, facts, before, after)
        explained = explained_change(before, after)
        yield replace(change, change=explained, before=before, after=after, caution=caution)


def explained_caution(sql: str, facts: SchemaFacts, before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Of two objects of EXPLAIN; None where there is nothing to say, or one cannot be read."""
    fault: dict[str, str] = {}
    with costing_only("in question", fault), suppress(PlanError):
        return early_stop(sql, facts, parse_plan([before]), parse_plan([after]))
    return fault.get("in question")
