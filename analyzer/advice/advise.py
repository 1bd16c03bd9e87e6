"""Index advice that a planner has proved: a workload in, one set of indexes with its evidence out.

Where candidates, planner and selection meet; ``manage.py advise`` and the worker call it alike, with the twin. What the
twin cannot plan is asked of HypoPG on the server, where that is installed (``monitored/explain/second_opinion.py``);
what neither plans is left to the rules, and named.
"""

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from analyzer.advice.candidates.enumerate_indexes import workload_candidates
from analyzer.advice.cautions import early_stop
from analyzer.advice.ddl import IndexDdl, create_indexes
from analyzer.advice.planner import Names, Planner, Query, Refused, Resized, StatisticsPlanner
from analyzer.advice.proved import CurvePoint, ProposedIndex, ProvedAdvice, StatementEffect
from analyzer.advice.queries import foreign_key_checks, generic_query, plannable_queries
from analyzer.advice.references import implied_references
from analyzer.advice.resolved_workload import (
    are_alike,
    as_read,
    for_all_schemas,
    sized_for_all_schemas,
    together,
)
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.advice.select import Selection, SelectionOptions
from analyzer.advice.selection.budgets import best_set, best_sets
from analyzer.advice.selection.result import AtRisk, ChosenIndex, Progress
from analyzer.advice.selection.risk import doubt
from analyzer.advice.selection.task import Task
from analyzer.errors import BadInput, costing_only
from analyzer.plans import Plan, PlanError, parse_plan
from analyzer.plans.compare import PlanChange, plan_change
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.predicates import searches_texts
from analyzer.statements.sampled_literals import texts_with_deciding_constants

logger = logging.getLogger(__name__)

NONE_FAILED: Mapping[str, str] = MappingProxyType({})
CURVE = (0.08, 0.2, 0.4, 0.65)  # of the bytes that pay: the budgets of the curve's other points

# judgement: HypoPG's plans cost the monitored server time, some 5 ms each
MOST_BY_HYPOPG, MOST_CANDIDATES_BY_HYPOPG, MOST_PLANS_BY_HYPOPG = 20, 60, 400


@contextmanager
def _few_collections() -> Iterator[None]:
    """Plans by the thousand make the garbage collector go through everything again and again: a tenth of the time."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


@_few_collections()
def advise(
    twin: StatisticsPlanner,
    workload: Sequence[WorkloadStatement],
    facts: SchemaFacts,
    options: SelectionOptions,
    *,
    now: datetime,
    progress: Progress | None = None,
    with_curve: bool = False,
    stop_on: tuple[type[Exception], ...] = (),
) -> ProvedAdvice:
    """``with_curve``: also the best sets for smaller budgets. ``stop_on``: errors that end it, such as a time limit's.

    Raises BadInput for a budget that is not above 0, and where no statement can be planned.
    """
    key_checks = foreign_key_checks(facts)
    of_keys = {check.fingerprint for check in key_checks}
    asked = [*workload, *key_checks]
    queries, not_planned = plannable_queries(twin, asked, facts, now, stop_on)
    if not queries:
        raise BadInput(_nothing_planned(workload, not_planned))
    everything = as_read(asked, facts)
    read = [s for s in everything if s.fingerprint not in not_planned]
    unplanned: dict[str, list[str]] = {}
    for statement in everything:
        if statement.fingerprint in not_planned and statement.fingerprint not in of_keys:
            unplanned.setdefault(statement.fingerprint, []).append(statement.sql)
    failed: dict[str, str] = {}
    candidates = workload_candidates(_texts(read, failed), facts, failed)
    twin.expect_groups(implied_references([s.sql for s in read], facts))
    definitions = for_all_schemas([c.definition for c in candidates], read)
    task = Task(
        queries, definitions, sized_for_all_schemas(twin), facts, options, progress,
        unplanned=unplanned, key_checks=of_keys,
    )  # fmt: skip
    whole = _with_effects(twin, queries, best_set(task, options.budget_bytes), facts, failed=failed)
    selection = whole.selection
    curve: tuple[CurvePoint, ...] = ()
    if with_curve and selection.size_bytes:
        budgets = [max(1, int(share * selection.size_bytes)) for share in CURVE]
        smaller = best_sets(task, budgets) if len(selection.chosen) > 1 else []
        curve = (*(_with_effects(twin, queries, s, facts) for s in smaller), whole)
    not_planned = {key: why for key, why in not_planned.items() if key in {s.fingerprint for s in workload}}
    assumed = {q.statement: said for q in queries if (said := twin.assumed(q.sql)) is not None}
    return ProvedAdvice(
        selection, whole.proposals, whole.effects, not_planned, len(candidates), curve=curve, assumed=assumed,
        faults=tuple(f"{index}: {why}" for index, why in sorted(task.faults.items())),
    )  # fmt: skip


def _texts(read: Sequence[WorkloadStatement], failed: dict[str, str]) -> list[tuple[str, str]]:
    """Fingerprint and text of what candidates are made for."""
    texts: list[tuple[str, str]] = []
    for statement in read:
        with costing_only(statement.fingerprint, failed):
            texts += [
                (statement.fingerprint, text)
                for text in texts_with_deciding_constants(statement.sql, statement.samples)
            ]
    return texts


def _nothing_planned(workload: Sequence[WorkloadStatement], not_planned: Mapping[str, str]) -> str:
    dearest = sorted(workload, key=lambda s: (-s.total_time_s_per_day, s.fingerprint))
    reasons = list(dict.fromkeys(not_planned[s.fingerprint] for s in dearest if s.fingerprint in not_planned))
    if not reasons:
        return "The workload holds no statement that can be planned."
    which = "The statement" if len(workload) == 1 else f"None of the {len(workload):,} statements of the workload"
    verb = "cannot" if len(workload) == 1 else "can"
    return f"{which} {verb} be planned. {' '.join(reasons[:3])}"


def completed_by(
    planner: Planner, advice: ProvedAdvice, workload: Sequence[WorkloadStatement], facts: SchemaFacts
) -> ProvedAdvice:
    """With HypoPG's advice on what the twin could not plan: generic plans, the dearest statements only.

    Of a budget it gets what the twin's set leaves; an index of that set serves its statements for nothing more.
    """
    left = sorted(
        (s for s in workload if s.fingerprint in advice.not_planned),
        key=lambda s: (-s.total_time_s_per_day, s.fingerprint),
    )[:MOST_BY_HYPOPG]
    queries, refused = [], {}
    read = as_read(left, facts)
    for statement in read:
        query = generic_query(statement, facts)
        if isinstance(query, Refused):
            continue
        planned = planner.plan(query)
        if isinstance(planned, Refused):
            refused[statement.fingerprint] = planned.reason
        else:
            queries.append(query)
    if not queries:
        return advice
    failed: dict[str, str] = {}
    candidates = workload_candidates([(q.statement, q.sql) for q in queries], facts, failed)
    candidates = candidates[:MOST_CANDIDATES_BY_HYPOPG]
    options = SelectionOptions(propose_drops=False, most_plans=MOST_PLANS_BY_HYPOPG)
    chosen = advice.selection
    room_bytes = None if chosen.budget_bytes is None else max(1, chosen.budget_bytes - chosen.size_bytes)
    paid = {c.index.definition.key for c in chosen.chosen}  # already, with what they take
    definitions = for_all_schemas([c.definition for c in candidates], read)
    unpaid = Resized(planner, lambda definition, size: 0 if definition.key in paid else size)
    task = Task(queries, definitions, sized_for_all_schemas(unpaid), facts, options)
    whole = _with_effects(planner, queries, best_set(task, room_bytes), facts, advice.proposals, failed)
    second = ProvedAdvice(whole.selection, whole.proposals, whole.effects, {}, len(candidates), planner="HypoPG")
    planned_now = {q.statement for q in queries}
    left_over = {k: refused.get(k, why) for k, why in advice.not_planned.items() if k not in planned_now}
    return replace(advice, not_planned=left_over, second=second)


def _with_effects(
    planner: Planner,
    queries: Sequence[Query],
    selection: Selection,
    facts: SchemaFacts,
    beside: Sequence[ProposedIndex] = (),
    failed: Mapping[str, str] = NONE_FAILED,
) -> CurvePoint:
    """The set with its DDL, whose names the plans bear; it knows then whose plans leave doubt, too. The effects by
    statement, the greatest saving first; an index in several schemas is the same one wherever it is named. ``failed``:
    statements that no candidates could be made for, and why."""
    by_key = {q.key: q for q in queries}
    indexes = _with_ddl(selection, facts, beside)
    made = {id_: (chosen.index.id, ddl) for chosen, ddl in indexes for id_ in (chosen.index.id, *chosen.merged)}
    names = {id_: ddl.names for id_, (_, ddl) in made.items()}
    at_risk = [replace(r, indexes=_as_one(r.indexes, made)) for r in selection.at_risk]
    without = [d.index.oid for d in selection.dropped]
    grouped: dict[str, list[int]] = {}
    for at, outcome in enumerate(selection.queries):
        grouped.setdefault(outcome.statement, []).append(at)
    statement_effects: list[StatementEffect] = []
    doubts: list[AtRisk] = []
    for statement, places in grouped.items():
        outcomes = [selection.queries[at] for at in places]
        weight = sum(o.weight for o in outcomes) or 1.0
        used = _as_one([id_ for o in outcomes for id_ in o.used], made)
        dearest = max(outcomes, key=lambda o: (abs(o.before - o.after), o.key))
        change, changes = None, dict[int, PlanChange]()
        if used or abs(dearest.before - dearest.after) > 0.01 * max(1.0, dearest.before):
            plans = _plans(planner, by_key[dearest.key], names, without)
            if plans:
                change = plan_change(*plans)
            if plans and used:
                reasons = _doubts(statement, by_key[dearest.key].sql, facts, *plans)
                doubts += [AtRisk(dearest.key, statement, used, why) for why in reasons]
            for id_ in set(used) - set(_as_one(dearest.used, made)):
                users = (o for o in outcomes if id_ in _as_one(o.used, made))
                user = max(users, key=lambda o: (o.before - o.after, o.key))
                if plans := _plans(planner, by_key[user.key], names, without):
                    changes[id_] = plan_change(*plans)
        statement_effects.append(
            StatementEffect(
                statement=statement,
                weight=sum(o.weight for o in outcomes),
                cost_before=sum(o.weight * o.before for o in outcomes) / weight,
                cost_after=sum(o.weight * o.after for o in outcomes) / weight,
                indexes=used,
                why_not=None if used else failed.get(statement) or max(outcomes, key=lambda o: o.weight).why_not,
                change=change,
                changes=changes,
            )
        )
    effects = tuple(sorted(statement_effects, key=lambda e: (-e.weight * (e.cost_before - e.cost_after), e.statement)))
    known = {risk.statement for risk in at_risk}  # by the pages they touch, which says more
    selection = replace(selection, at_risk=(*at_risk, *(d for d in doubts if d.statement not in known)))
    return CurvePoint(selection.budget_bytes, selection, indexes, effects)


def _doubts(statement: str, sql: str, facts: SchemaFacts, before: Plan, after: Plan) -> list[str]:
    """Why it may run slower with the indexes; that this could not be found out, where it could not."""
    fault: dict[str, str] = {}
    reasons: list[str | None] = []
    with costing_only(statement, fault):
        reasons = [early_stop(sql, facts, before, after), doubt(before, after, has_pattern=searches_texts(sql, facts))]
    return [why for why in (*reasons, *fault.values()) if why]


def _as_one(ids: Sequence[int], made: Mapping[int, tuple[int, IndexDdl]]) -> tuple[int, ...]:
    return tuple(sorted({made[id_][0] for id_ in ids}))


def _plans(planner: Planner, query: Query, names: Names, without: Sequence[int]) -> tuple[Plan, Plan] | None:
    """Without and with the indexes that ``names`` names."""
    before, after = planner.explain(query), planner.explain(query, list(names), without, names=names)
    if isinstance(before, Refused) or isinstance(after, Refused):
        return None
    try:
        return parse_plan([before]), parse_plan([after])
    except PlanError:
        return None


def _with_ddl(
    selection: Selection, facts: SchemaFacts, beside: Sequence[ProposedIndex]
) -> tuple[tuple[ChosenIndex, IndexDdl], ...]:
    """``beside``: indexes of another planner, whose names are taken; what both want has one name."""
    chosen = _in_schemas(selection.chosen, facts)
    names = {p.chosen.index.definition.key: p.ddl.name for p in beside}
    wanted = [(c.index.definition, names.get(c.index.definition.key)) for c in chosen]
    same = {definition.key for definition, _ in wanted}
    others = [(d, p.ddl.name) for p in beside if (d := p.chosen.index.definition).key not in same]
    ddl = create_indexes([*others, *wanted], facts)[len(others) :]
    return tuple(zip(chosen, ddl, strict=True))


def _in_schemas(chosen: Sequence[ChosenIndex], facts: SchemaFacts) -> list[ChosenIndex]:
    """The same index on the same table of several schemas is one: it is decided once."""
    merged: list[ChosenIndex] = []
    for new in chosen:
        for at, known in enumerate(merged):
            if are_alike(known.index.definition, new.index.definition, facts):
                index = replace(
                    known.index,
                    definition=together(known.index.definition, new.index.definition),
                    size_bytes=known.index.size_bytes + new.index.size_bytes,
                )
                merged[at] = replace(
                    known,
                    index=index,
                    worth=known.worth + new.worth,
                    write_cost_per_day=known.write_cost_per_day + new.write_cost_per_day,
                    statements=tuple(dict.fromkeys((*known.statements, *new.statements))),
                    merged=(*known.merged, new.index.id),
                )
                break
        else:
            merged.append(new)
    return merged
