"""Index advice that a planner has proved: a workload in, one set of indexes with its evidence out.

Where candidates, twin and selection meet; ``manage.py advise`` and the worker call it alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from analyzer.advice.ddl import IndexDdl, create_index
from analyzer.advice.enumerate import workload_candidates
from analyzer.advice.planner import Query, Refused
from analyzer.advice.select import Options, Selection, select
from analyzer.advice.selection.result import ChosenIndex, Progress
from analyzer.advice.suggest import WorkloadStatement
from analyzer.facts import SchemaFacts
from analyzer.monitored.parameters import ColumnStatistics, NoValues, choose_values, fixed_values
from analyzer.monitored.parameters_like import like_patterns
from analyzer.plans import PlanError, parse_plan
from analyzer.plans.compare import PlanChange, plan_change
from analyzer.statements.parse import parse_statement
from analyzer.statements.predicates import parameter_columns
from analyzer.statements.preparable import preparable_sql
from analyzer.twin import Twin

# judgement: an application mostly sends typical values; the rare ones show skew, the generic plan what is in between
SHARES = {"typical": 0.5, "rare": 0.25, "generic": 0.25}
# Measured time against planned cost, as a multiple of the workload's own: beyond it time tells of locks or of a
# cold cache more than of the plan. Judgement.
MOST_TIME_FACTOR = 10.0


@dataclass(frozen=True, slots=True)
class StatementEffect:
    """What the set does to one statement, per call, over the values it was planned with.

    ``change`` compares the plans for its dearest values; None where the set leaves them as they are.
    """

    statement: str
    weight: float
    cost_before: float
    cost_after: float
    indexes: tuple[int, ...] = ()  # planner's ids of the new ones it uses
    why_not: str | None = None
    change: PlanChange | None = None


@dataclass(frozen=True, slots=True)
class ProposedIndex:
    chosen: ChosenIndex
    ddl: IndexDdl
    effects: tuple[StatementEffect, ...]  # statements whose plans use it, the greatest saving first


@dataclass(frozen=True, slots=True)
class ProvedAdvice:
    """``not_planned``: statement and why neither twin nor server planned it."""

    selection: Selection
    proposals: tuple[ProposedIndex, ...]
    effects: tuple[StatementEffect, ...]
    not_planned: Mapping[str, str] = field(default_factory=dict)
    candidates: int = 0


def advise(
    twin: Twin,
    workload: Sequence[WorkloadStatement],
    facts: SchemaFacts,
    options: Options,
    *,
    now: datetime,
    progress: Progress | None = None,
) -> ProvedAdvice:
    """Raises BadInput for a budget that is not above 0, and where no statement can be planned."""
    queries, not_planned = plannable_queries(twin, workload, facts, now)
    texts = {s.fingerprint: s.sql for s in workload if s.fingerprint not in not_planned}
    candidates = workload_candidates(list(texts.items()), facts)
    selection = select(queries, [c.definition for c in candidates], twin, facts, options, progress)
    effects = _effects(twin, queries, selection)
    return ProvedAdvice(selection, _proposals(selection, effects, facts), effects, not_planned, len(candidates))


def plannable_queries(
    twin: Twin, workload: Sequence[WorkloadStatement], facts: SchemaFacts, now: datetime
) -> tuple[list[Query], dict[str, str]]:
    """Each statement as one or more queries; those that cannot be planned, with the reason."""
    queries: list[Query] = []
    costs: dict[str, float] = {}
    refused: dict[str, str] = {}
    for statement in sorted(workload, key=lambda s: s.fingerprint):
        preparable = preparable_sql(statement.sql)
        if preparable.sql is None:
            refused[statement.fingerprint] = preparable.reason or "The text cannot be made plannable."
            continue
        kind = parse_statement(preparable.sql).kind
        key = statement.fingerprint
        generic = Query(key, key, preparable.sql, statement.calls_per_day, None, kind)
        planned = twin.plan(generic)
        if isinstance(planned, Refused):
            refused[key] = planned.reason
            continue
        costs[key] = planned.total_cost
        queries += _with_values(twin, generic, facts, now)
    return _weighted(queries, workload, costs), refused


def _with_values(twin: Twin, generic: Query, facts: SchemaFacts, now: datetime) -> list[Query]:
    """Beside the generic plan one with typical and one with rare values, where the statistics have some."""
    types = twin.parameter_types(generic.sql)
    if isinstance(types, Refused) or not types:
        return [generic]
    uses = parameter_columns(generic.sql, facts)
    statistics: dict[tuple[str, str, str], ColumnStatistics] = {}
    for use in uses.values():
        table = facts.find_table(use.table, use.schema or None) if use.table else None
        if table is None or use.column is None or use.table is None:
            continue
        known = twin.column_statistics(table.schema, table.name).get(use.column)
        if known is not None:
            statistics[use.schema or "", use.table, use.column] = ColumnStatistics(
                known.most_common_vals, known.most_common_freqs, known.histogram_bounds
            )
    sets = choose_values(uses, types, statistics, now, fixed_values(generic.sql), like_patterns(generic.sql))
    if isinstance(sets, NoValues):
        return [generic]
    named = [replace(generic, key=f"{generic.key}:{values.source}", values=values.literals) for values in sets]
    planned = [query for query in named if not isinstance(twin.plan(query), Refused)]
    whole = sum(SHARES[q.key.rpartition(":")[2]] for q in planned) + SHARES["generic"]
    return [
        replace(q, weight=q.weight * SHARES[q.key.rpartition(":")[2] if q is not generic else "generic"] / whole)
        for q in (generic, *planned)
    ]


def _weighted(
    queries: Sequence[Query], workload: Sequence[WorkloadStatement], costs: Mapping[str, float]
) -> list[Query]:
    """Calls a day, corrected by how much slower or faster than planned a statement really is."""
    timed = [s for s in workload if s.mean_time_ms > 0 and costs.get(s.fingerprint, 0) > 0]
    planned = sum(s.calls_per_day * costs[s.fingerprint] for s in timed)
    if not planned:
        return list(queries)
    usual = sum(s.calls_per_day * s.mean_time_ms for s in timed) / planned
    factors = {s.fingerprint: s.mean_time_ms / costs[s.fingerprint] / usual for s in timed} if usual else {}
    return [
        replace(q, weight=q.weight * min(MOST_TIME_FACTOR, max(1 / MOST_TIME_FACTOR, factors.get(q.statement, 1.0))))
        for q in queries
    ]


def _effects(twin: Twin, queries: Sequence[Query], selection: Selection) -> tuple[StatementEffect, ...]:
    """By statement, the greatest saving first."""
    by_key = {q.key: q for q in queries}
    all_new = [c.index.id for c in selection.chosen]
    without = [d.index.oid for d in selection.dropped]
    grouped: dict[str, list[int]] = {}
    for at, outcome in enumerate(selection.queries):
        grouped.setdefault(outcome.statement, []).append(at)
    found = []
    for statement, places in grouped.items():
        outcomes = [selection.queries[at] for at in places]
        weight = sum(o.weight for o in outcomes) or 1.0
        used = tuple(sorted({id for o in outcomes for id in o.used}))
        dearest = max(outcomes, key=lambda o: (abs(o.before - o.after), o.key))
        change = None
        if used or abs(dearest.before - dearest.after) > 0.01 * max(1.0, dearest.before):
            change = _change(twin, by_key[dearest.key], all_new, without)
        found.append(
            StatementEffect(
                statement=statement,
                weight=sum(o.weight for o in outcomes),
                cost_before=sum(o.weight * o.before for o in outcomes) / weight,
                cost_after=sum(o.weight * o.after for o in outcomes) / weight,
                indexes=used,
                why_not=None if used else next((o.why_not for o in outcomes if o.why_not), None),
                change=change,
            )
        )
    return tuple(sorted(found, key=lambda e: (-e.weight * (e.cost_before - e.cost_after), e.statement)))


def _change(twin: Twin, query: Query, indexes: Sequence[int], without: Sequence[int]) -> PlanChange | None:
    before, after = twin.explain(query), twin.explain(query, indexes, without)
    if isinstance(before, Refused) or isinstance(after, Refused):
        return None
    try:
        return plan_change(parse_plan([before]), parse_plan([after]))
    except PlanError:
        return None


def _proposals(
    selection: Selection, effects: Sequence[StatementEffect], facts: SchemaFacts
) -> tuple[ProposedIndex, ...]:
    names: set[str] = set()
    found = []
    for chosen in selection.chosen:
        ddl = create_index(chosen.index.definition, facts, names)
        names.add(ddl.name)
        helped = tuple(e for e in effects if chosen.index.id in e.indexes)
        found.append(ProposedIndex(chosen, ddl, helped))
    return tuple(found)
