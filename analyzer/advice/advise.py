"""Index advice that a planner has proved: a workload in, one set of indexes with its evidence out.

Where candidates, twin and selection meet; ``manage.py advise`` and the worker call it alike. What the twin cannot plan
is asked of HypoPG on the server, where that is installed; what neither plans is left to the rules, and named.
"""

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from celery.exceptions import SoftTimeLimitExceeded

from analyzer.advice.as_read import (
    are_alike,
    as_read,
    for_all_schemas,
    missing_table,
    sized_for_all_schemas,
    together,
    why_unread,
)
from analyzer.advice.candidates.enumerate_indexes import workload_candidates
from analyzer.advice.cautions import early_stop, searches_texts
from analyzer.advice.ddl import IndexDdl, create_indexes, qualified, quote_identifier
from analyzer.advice.planned import suggestion_key
from analyzer.advice.planner import Names, Planner, Query, Refused, Resized
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.advice.select import Options, Selection
from analyzer.advice.selection.result import AtRisk, ChosenIndex, Hurt, Progress
from analyzer.advice.selection.risk import doubt
from analyzer.advice.selection.task import Task
from analyzer.errors import BadInput, MonitoredServerError, PgLoupeError, fault_reason
from analyzer.monitored.catalog.column_values import (
    ColumnStatistics,
    elements_by_frequency,
    largest_partitions,
    of_partitions,
)
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.explain.hypopg import hypothetical_planner
from analyzer.plans import Plan, PlanError, parse_plan
from analyzer.plans.compare import PlanChange, plan_change
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.foreign_keys import foreign_key_owner, unindexed_foreign_keys
from analyzer.statements.parse import parse_statement
from analyzer.statements.predicates import parameter_columns, query_blocks
from analyzer.statements.preparable import preparable_sql
from analyzer.statements.resolution import size_class, structure
from analyzer.statements.sampled_literals import told_texts
from analyzer.twin import Twin
from analyzer.values.choose import NoValues, choose_values, fixed_values
from analyzer.values.like_patterns import like_patterns
from analyzer.values.partial_indexes import partial_values

logger = logging.getLogger(__name__)

# judgement: an application mostly sends typical values; the rare ones show skew, the generic plan what is in between
SHARES = {"typical": 0.5, "rare": 0.25, "generic": 0.25}
SKEW_MATTERS = 0.0005  # of the planned load: judgement; below it one plan tells enough of a statement
# Measured time against planned cost, as a multiple of the workload's own: beyond it time tells of locks or of a
# cold cache more than of the plan. Judgement.
MOST_TIME_FACTOR = 10.0
CURVE = (0.08, 0.2, 0.4, 0.65)  # of the bytes that pay: the budgets of the curve's other points
# judgement: HypoPG's plans cost the monitored server time, some 5 ms each
MOST_BY_HYPOPG, MOST_CANDIDATES_BY_HYPOPG, MOST_PLANS_BY_HYPOPG = 20, 60, 400


@dataclass(frozen=True, slots=True)
class StatementEffect:
    """What the set does to one statement, per call, over the values it was planned with.

    ``change`` compares the plans for the values that gain most, whose costs are others; None where the set leaves
    them as they are.
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
    at_risk: tuple[AtRisk, ...] = ()  # those of them that may run slower with it

    def also_for(self, other: "ProposedIndex") -> "ProposedIndex":
        """The same index with another planner's statements, too."""
        statements = tuple(dict.fromkeys((*self.chosen.statements, *other.chosen.statements)))
        chosen = replace(self.chosen, statements=statements)
        return ProposedIndex(chosen, self.ddl, (*self.effects, *other.effects), (*self.at_risk, *other.at_risk))


@dataclass(frozen=True, slots=True)
class ProvedAdvice:
    """``not_planned``: statement and why neither twin nor server planned it; ``assumed``: and what of its plan is."""

    selection: Selection
    proposals: tuple[ProposedIndex, ...]
    effects: tuple[StatementEffect, ...]
    not_planned: Mapping[str, str] = field(default_factory=dict)
    candidates: int = 0
    planner: str = "twin"
    curve: tuple["CurvePoint", ...] = ()
    assumed: Mapping[str, str] = field(default_factory=dict)
    second: "ProvedAdvice | None" = None  # by HypoPG, for what the twin could not plan

    @property
    def size_bytes(self) -> int:
        """Of all its new indexes; one that both planners want counts once."""
        return sum(source.selection.size_bytes for source in self.by_planner)

    @property
    def all_effects(self) -> tuple[StatementEffect, ...]:
        return tuple(effect for source in self.by_planner for effect in source.effects)

    @property
    def hurt(self) -> tuple[Hurt, ...]:
        return tuple(hurt for source in self.by_planner for hurt in source.selection.hurt)

    @property
    def at_risk(self) -> tuple[AtRisk, ...]:
        return tuple(risk for source in self.by_planner for risk in source.selection.at_risk)

    @property
    def by_planner(self) -> tuple["ProvedAdvice", ...]:
        """The twin's, and HypoPG's where it was asked."""
        return (self,) if self.second is None else (self, self.second)

    @property
    def all_proposals(self) -> list[tuple["ProvedAdvice", ProposedIndex]]:
        """Each with whose it is. What both planners want is the twin's, with what it does for either's statements."""
        found: dict[str, tuple[ProvedAdvice, ProposedIndex]] = {}
        for source in self.by_planner:
            for new in source.proposals:
                key = suggestion_key(new.chosen.index.definition)
                whose, known = found.get(key, (source, new))
                found[key] = whose, known if known is new else known.also_for(new)
        return list(found.values())


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The best set for one budget; that of the last point, without a limit, is the advice itself."""

    budget_bytes: int | None
    selection: Selection
    indexes: tuple[tuple[ChosenIndex, IndexDdl], ...]
    effects: tuple[StatementEffect, ...] = ()


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
    twin: Twin,
    workload: Sequence[WorkloadStatement],
    facts: SchemaFacts,
    options: Options,
    *,
    now: datetime,
    progress: Progress | None = None,
    with_curve: bool = False,
) -> ProvedAdvice:
    """``with_curve``: also the best sets for smaller budgets.

    Raises BadInput for a budget that is not above 0, and where no statement can be planned.
    """
    asked = [*workload, *foreign_key_checks(facts)]
    queries, not_planned = plannable_queries(twin, asked, facts, now)
    if not queries:
        raise BadInput(_nothing_planned(workload, not_planned))
    read = [s for s in as_read(asked, facts) if s.fingerprint not in not_planned]
    texts = [(s.fingerprint, text) for s in read for text in told_texts(s.sql, s.samples)]
    candidates = workload_candidates(texts, facts)
    definitions = for_all_schemas([c.definition for c in candidates], read)
    task = Task(queries, definitions, sized_for_all_schemas(twin), facts, options, progress)
    whole = _with_effects(twin, queries, task.select(options.budget_bytes), facts)
    selection = whole.selection
    curve: tuple[CurvePoint, ...] = ()
    if with_curve and selection.size_bytes:
        budgets = [max(1, int(share * selection.size_bytes)) for share in CURVE]
        smaller = task.pareto(budgets) if len(selection.chosen) > 1 else []
        curve = (*(_with_effects(twin, queries, s, facts) for s in smaller), whole)
    not_planned = {key: why for key, why in not_planned.items() if key in {s.fingerprint for s in workload}}
    assumed = {q.statement: said for q in queries if (said := twin.assumed(q.sql)) is not None}
    return ProvedAdvice(
        selection, _proposals(whole), whole.effects, not_planned, len(candidates), curve=curve, assumed=assumed
    )


def _nothing_planned(workload: Sequence[WorkloadStatement], not_planned: Mapping[str, str]) -> str:
    dearest = sorted(workload, key=lambda s: (-s.total_time_s_per_day, s.fingerprint))
    reasons = list(dict.fromkeys(not_planned[s.fingerprint] for s in dearest if s.fingerprint in not_planned))
    if not reasons:
        return "The workload holds no statement that can be planned."
    which = "The statement" if len(workload) == 1 else f"None of the {len(workload):,} statements of the workload"
    verb = "cannot" if len(workload) == 1 else "can"
    return f"{which} {verb} be planned. {' '.join(reasons[:3])}"


def with_second_opinion(
    advice: ProvedAdvice, server: ConnectionSettings, workload: Sequence[WorkloadStatement], facts: SchemaFacts
) -> ProvedAdvice:
    """With HypoPG's opinion on what the twin could not plan, where the server has it and answers.

    Of a budget it gets what the twin's set leaves; an index of that set serves its statements for nothing more.
    """
    if not advice.not_planned or "hypopg" not in facts.extensions:
        return advice
    try:
        with hypothetical_planner(server, facts, facts.search_path) as planner:
            return advice if isinstance(planner, Refused) else _second_opinion(advice, planner, workload, facts)
    except MonitoredServerError as problem:
        logger.warning("HypoPG was not asked: %s", problem)
        return advice


def _second_opinion(
    advice: ProvedAdvice, planner: Planner, workload: Sequence[WorkloadStatement], facts: SchemaFacts
) -> ProvedAdvice:
    """Generic plans, the dearest statements only."""
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
    candidates = workload_candidates([(q.statement, q.sql) for q in queries], facts)[:MOST_CANDIDATES_BY_HYPOPG]
    options = Options(propose_drops=False, most_plans=MOST_PLANS_BY_HYPOPG)
    chosen = advice.selection
    room_bytes = None if chosen.budget_bytes is None else max(1, chosen.budget_bytes - chosen.size_bytes)
    paid = {suggestion_key(c.index.definition) for c in chosen.chosen}  # already, with what they take
    definitions = for_all_schemas([c.definition for c in candidates], read)
    unpaid = Resized(planner, lambda definition, size: 0 if suggestion_key(definition) in paid else size)
    task = Task(queries, definitions, sized_for_all_schemas(unpaid), facts, options)
    whole = _with_effects(planner, queries, task.select(room_bytes), facts)
    second = ProvedAdvice(whole.selection, _proposals(whole), whole.effects, {}, len(candidates), planner="HypoPG")
    planned_now = {q.statement for q in queries}
    left_over = {k: refused.get(k, why) for k, why in advice.not_planned.items() if k not in planned_now}
    return replace(advice, not_planned=left_over, second=second)


def foreign_key_checks(facts: SchemaFacts) -> list[WorkloadStatement]:
    """What the server runs for each row that goes from a referenced table: the look-up of its children.

    Source: ri_triggers.c, RI_FKey_noaction_del(). Named like the key; without the row lock, which changes no plan.
    """
    found: dict[tuple[object, ...], tuple[list[TableFacts], WorkloadStatement]] = {}
    for table, key in unindexed_foreign_keys(facts):
        parent = facts.table(key.referenced_oid)
        if parent is None or table.kind not in ("r", "p") or table.parent_oid is not None:
            continue
        weight = parent.weight_per_day()
        deleted = weight[2] if weight is not None else None
        if deleted is None and facts.days_since_stats_reset:
            deleted = parent.activity.deleted_rows / max(1.0, facts.days_since_stats_reset)
        if not deleted:
            continue
        only = "ONLY " if table.kind == "r" else ""
        where = " AND ".join(f"{quote_identifier(c)} = ${n}" for n, c in enumerate(key.columns, start=1))
        sql = f"SELECT 1 FROM {only}{qualified(table.schema, table.name)} WHERE {where}"
        same = (table.name, key.name, key.columns, structure(table))
        statement = WorkloadStatement(foreign_key_owner(table, key), sql, deleted, 0.0, 0.0)
        if same not in found:
            found[same] = [table], statement
            continue
        tables, known = found[same]  # of another schema: planned on one for all
        is_larger = size_class(table.rows or 0) > size_class(tables[0].rows or 0)
        tables.insert(0 if is_larger else len(tables), table)
        found[same] = tables, replace(statement if is_larger else known, calls_per_day=known.calls_per_day + deleted)
    return [
        replace(statement, alike={tables[0].oid: tuple(tables[1:])}) if len(tables) > 1 else statement
        for tables, statement in found.values()
    ]


def plannable_queries(
    twin: Twin, workload: Sequence[WorkloadStatement], facts: SchemaFacts, now: datetime
) -> tuple[list[Query], dict[str, str]]:
    """Each statement as one or more queries; those that cannot be planned, with the reason.

    A statement whose real values were seen is planned with those: its literals decide, as they do in the application.
    """
    generic: dict[str, Query] = {}
    sampled: dict[str, list[Query]] = {}
    load: dict[str, float] = {}  # planned cost x calls
    whole: dict[str, float] = {}  # calls of all that was planned of a statement
    refused: dict[str, str] = {}
    for statement in sorted(as_read(workload, facts), key=lambda s: s.key):
        key = statement.key
        with _costing_only(statement.fingerprint, refused):
            query = generic_query(statement, facts)
            if isinstance(query, Refused):
                refused[statement.fingerprint] = _why_refused(statement, facts, query)
                continue
            found = _sampled(twin, query, statement.samples)
            planned = twin.plan(found[0] if found else query)
            if isinstance(planned, Refused):
                refused[statement.fingerprint] = _why_refused(statement, facts, planned)
                continue
            query_blocks(query.sql, facts)  # read for its candidates later: what fails there fails here, for it alone
            generic[key] = query
            whole[query.statement] = whole.get(query.statement, 0.0) + query.weight
            if found:
                sampled[key] = found
            load[key] = planned.total_cost * query.weight
    total = sum(load.values())
    queries: list[Query] = []
    for key, query in generic.items():
        if key in sampled:
            queries += sampled[key]
        elif load[key] > SKEW_MATTERS * total:
            with _costing_only(query.statement, refused):
                queries += _with_values(twin, query, facts, now)
        else:
            queries.append(query)
    costs: dict[str, float] = {}
    for query in queries:
        share = query.weight / (whole[query.statement] or 1.0)
        costs[query.statement] = costs.get(query.statement, 0.0) + share * _cost(twin, query)
    return _weighted(queries, workload, costs), {k: why for k, why in refused.items() if k not in whole}


def _why_refused(statement: WorkloadStatement, facts: SchemaFacts, refused: Refused) -> str:
    missing = missing_table(statement.sql, facts) if statement.mean_time_ms else None  # it ran
    gone = f" No schema has a table {missing}: it is a temporary one of its session, or gone." if missing else ""
    return why_unread(statement.sql, facts) or f"{refused.reason}{gone}"


@contextmanager
def _costing_only(key: str, refused: dict[str, str]) -> Iterator[None]:
    """A fault of ours over one statement leaves it out, with its reason; the others are planned all the same."""
    try:
        yield
    except (PgLoupeError, SoftTimeLimitExceeded):
        raise  # the twin is gone, or the time is up
    except Exception as error:
        logger.exception("Statement %s cannot be planned", key)
        refused[key] = fault_reason(error)


def generic_query(statement: WorkloadStatement, facts: SchemaFacts) -> Query | Refused:
    preparable = preparable_sql(statement.sql, facts=facts, samples=statement.samples)
    if preparable.sql is None:
        return Refused(preparable.reason or "The text cannot be made plannable.")
    kind = parse_statement(preparable.sql).kind
    return Query(
        statement.key, statement.fingerprint, preparable.sql, statement.calls_per_day, None, kind,
        rows_per_call=statement.rows_per_call, rows_before_limit=statement.rows_before_limit,
    )  # fmt: skip


def _cost(twin: Twin, query: Query) -> float:
    planned = twin.plan(query)
    return 0.0 if isinstance(planned, Refused) else planned.total_cost


def _sampled(twin: Twin, generic: Query, samples: Sequence[str]) -> list[Query]:
    """One query per text with real values, each with its share of the calls."""
    found = []
    for number, sample in enumerate(dict.fromkeys(samples)):
        sql = preparable_sql(sample).sql
        if sql is None or ("$" in sql and twin.parameter_types(sql)):
            continue  # cut short, or bound apart: the values are not in it
        query = replace(generic, key=f"{generic.key}:sampled{number}", sql=sql)
        if not isinstance(twin.plan(query), Refused):
            found.append(query)
    return [replace(query, weight=generic.weight / len(found)) for query in found]


def _with_values(twin: Twin, generic: Query, facts: SchemaFacts, now: datetime) -> list[Query]:
    """Beside the generic plan one with typical and one with rare values, where the statistics have some.

    The generic plan cannot use a partial index; where one tells the value, it is not the application's plan.
    """
    sets = chosen_values(twin, generic.sql, facts, now)
    named = {name: replace(generic, key=f"{generic.key}:{name}", values=values) for name, values in sets.items()}
    planned = {name: query for name, query in named.items() if not isinstance(twin.plan(query), Refused)}
    if not planned:
        return [generic]
    is_told = partial_values(generic.sql, parameter_columns(generic.sql, facts), facts)
    every = planned if is_told else {"generic": generic, **planned}
    whole = sum(SHARES[name] for name in every)
    return [replace(query, weight=query.weight * SHARES[name] / whole) for name, query in every.items()]


def chosen_values(twin: Twin, sql: str, facts: SchemaFacts, now: datetime) -> dict[str, tuple[str | None, ...]]:
    """Texts of the parameters' values by "typical" and "rare"; empty without parameters or statistics."""
    types = twin.parameter_types(sql)
    if isinstance(types, Refused) or not types:
        return {}
    uses = parameter_columns(sql, facts)
    statistics: dict[tuple[str, str, str], ColumnStatistics] = {}
    for use in uses.values():
        table = facts.find_table(use.table, use.schema or None) if use.table else None
        if table is None or use.column is None or use.table is None:
            continue
        known = _column_values(twin, table, use.column)
        if known is None:
            parts = [(_column_values(twin, p, use.column), p.rows) for p in largest_partitions(facts, table)]
            known = of_partitions((s, rows or 0.0) for s, rows in parts if s is not None)
        if known is not None:
            statistics[use.schema or "", use.table, use.column] = known
    partial = partial_values(sql, uses, facts)
    sets = choose_values(uses, types, statistics, now, fixed_values(sql, facts), like_patterns(sql), partial=partial)
    return {} if isinstance(sets, NoValues) else {s.source: tuple(s.literals) for s in sets}


def _column_values(twin: Twin, table: TableFacts, column: str) -> ColumnStatistics | None:
    known = twin.column_statistics(table.schema, table.name).get(column)
    if known is None:
        return None
    return ColumnStatistics(
        known.most_common_vals,
        known.most_common_freqs,
        known.histogram_bounds,
        elements_by_frequency(known.most_common_elems, known.most_common_elem_freqs),
        known.null_frac,
        known.n_distinct or 0.0,
    )


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


def _with_effects(planner: Planner, queries: Sequence[Query], selection: Selection, facts: SchemaFacts) -> CurvePoint:
    """The set with its DDL, whose names the plans bear; it knows then whose plans leave doubt, too. The effects by
    statement, the greatest saving first; an index in several schemas is the same one wherever it is named."""
    by_key = {q.key: q for q in queries}
    indexes = _with_ddl(selection, facts)
    made = {id_: (chosen.index.id, ddl) for chosen, ddl in indexes for id_ in (chosen.index.id, *chosen.merged)}
    names = {id_: ddl.names for id_, (_, ddl) in made.items()}
    at_risk = [replace(r, indexes=_as_one(r.indexes, made)) for r in selection.at_risk]
    without = [d.index.oid for d in selection.dropped]
    grouped: dict[str, list[int]] = {}
    for at, outcome in enumerate(selection.queries):
        grouped.setdefault(outcome.statement, []).append(at)
    found: list[StatementEffect] = []
    doubts: list[AtRisk] = []
    for statement, places in grouped.items():
        outcomes = [selection.queries[at] for at in places]
        weight = sum(o.weight for o in outcomes) or 1.0
        used = _as_one([id_ for o in outcomes for id_ in o.used], made)
        dearest = max(outcomes, key=lambda o: (abs(o.before - o.after), o.key))
        change = None
        if used or abs(dearest.before - dearest.after) > 0.01 * max(1.0, dearest.before):
            plans = _plans(planner, by_key[dearest.key], names, without)
            if plans:
                change = plan_change(*plans)
            if plans and used:
                sql = by_key[dearest.key].sql
                said = (early_stop(sql, facts, *plans), doubt(*plans, has_pattern=searches_texts(sql, facts)))
                doubts += [AtRisk(dearest.key, statement, used, why) for why in said if why]
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
    effects = tuple(sorted(found, key=lambda e: (-e.weight * (e.cost_before - e.cost_after), e.statement)))
    known = {risk.statement for risk in at_risk}  # by the pages they touch, which says more
    selection = replace(selection, at_risk=(*at_risk, *(d for d in doubts if d.statement not in known)))
    return CurvePoint(selection.budget_bytes, selection, indexes, effects)


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


def _proposals(point: CurvePoint) -> tuple[ProposedIndex, ...]:
    return tuple(
        ProposedIndex(
            chosen,
            ddl,
            tuple(e for e in point.effects if chosen.index.id in e.indexes),
            tuple(r for r in point.selection.at_risk if chosen.index.id in r.indexes),
        )
        for chosen, ddl in point.indexes
    )


def _with_ddl(selection: Selection, facts: SchemaFacts) -> tuple[tuple[ChosenIndex, IndexDdl], ...]:
    chosen = _in_schemas(selection.chosen)
    ddl = create_indexes([(c.index.definition, None) for c in chosen], facts)
    return tuple(zip(chosen, ddl, strict=True))


def _in_schemas(chosen: Sequence[ChosenIndex]) -> list[ChosenIndex]:
    """The same index on the same table of several schemas is one: it is decided once."""
    found: list[ChosenIndex] = []
    for new in chosen:
        for at, known in enumerate(found):
            if are_alike(known.index.definition, new.index.definition):
                index = replace(
                    known.index,
                    definition=together(known.index.definition, new.index.definition),
                    size_bytes=known.index.size_bytes + new.index.size_bytes,
                )
                found[at] = replace(
                    known,
                    index=index,
                    worth=known.worth + new.worth,
                    write_cost_per_day=known.write_cost_per_day + new.write_cost_per_day,
                    statements=tuple(dict.fromkeys((*known.statements, *new.statements))),
                    merged=(*known.merged, new.index.id),
                )
                break
        else:
            found.append(new)
    return found
