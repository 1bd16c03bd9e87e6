"""A statement that does not run yet: its plan on production statistics, the indexes it would like, and how else it can
be written.

``manage.py predict`` and the query box ask alike. What the twin cannot plan is asked of HypoPG on the monitored server
(EXPLAIN of it, by way of the gate), where the server has it; nothing else is sent there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from analyzer.advice.candidates.enumerate_indexes import statement_candidates
from analyzer.advice.ddl import create_indexes
from analyzer.advice.planned_rewrites import planned_rewrites
from analyzer.advice.planner import HypotheticalIndex, Planner, Query, Refused
from analyzer.advice.predicted import LikedIndex, NotPredicted, PlannedRewrite, Prediction, TableRead
from analyzer.advice.queries import generic_query, plannable_queries
from analyzer.advice.resolved_workload import as_read, for_all_schemas, sized_for_all_schemas
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.advice.select import Selection, SelectionOptions, select
from analyzer.advice.workload_folder import FileStatement, read_statement
from analyzer.checks import Context, run_checks
from analyzer.errors import costing_only
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.explain.second_opinion import second_opinion
from analyzer.plans import Plan, PlanError, parse_plan
from analyzer.plans.compare import explained_change
from analyzer.plans.scans import partitioned_table
from analyzer.questions.what_if import explained_caution
from analyzer.schema.facts import SchemaFacts, TableActivity, TableFacts
from analyzer.statements.preparable import preparable_sql
from analyzer.twin import Twin

SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan", "Tid Range Scan", "Sample Scan")
LEAST_GAIN = 0.05  # of the statement's cost; judgement: an index that saves less is not worth its writes
MOST_PLANS_BY_HYPOPG = 100  # judgement: some 5 ms each on the server, while somebody waits
ALONE = "statement"  # its name in a workload of one
OPTIONS = SelectionOptions(propose_drops=False, least_gain_ratio=LEAST_GAIN)


def predict(twin: Twin, facts: SchemaFacts, sql: str, *, now: datetime) -> Prediction | NotPredicted:
    """For any one statement; what it would cost in writes elsewhere is not weighed, since nobody knows its calls."""
    fault: dict[str, str] = {}
    with costing_only(ALONE, fault):
        return _prediction(twin, facts, sql, now)
    return NotPredicted(sql.strip(), fault[ALONE])


def _prediction(twin: Twin, facts: SchemaFacts, sql: str, now: datetime) -> Prediction | NotPredicted:
    read = read_statement(sql, ALONE)
    sql = sql.strip()
    if isinstance(read, str):
        return NotPredicted(sql, read)
    queries, refused = plannable_queries(twin, [_alone(read.sql)], facts, now)
    if refused:
        return NotPredicted(sql, refused[ALONE])
    prediction = _predicted(twin, queries, read, facts, OPTIONS)
    if isinstance(prediction, NotPredicted):
        return replace(prediction, sql=sql)
    rewrites: tuple[PlannedRewrite, ...] = ()
    with costing_only(ALONE, {}):
        rewrites = planned_rewrites(twin, queries[0], prediction.plan_json, facts)
    return replace(prediction, assumed=twin.assumed(queries[0].sql), rewrites=rewrites)


def with_second_opinion(
    refused: Sequence[NotPredicted], server: ConnectionSettings, facts: SchemaFacts
) -> list[Prediction | NotPredicted]:
    """HypoPG's predictions of what the twin could not plan, where the server has it and answers; the rest as it was."""
    predictions: list[Prediction | NotPredicted] = []

    def ask(planner: Planner) -> None:
        for each in refused:
            prediction: Prediction | NotPredicted = each
            with costing_only(ALONE, {}):
                prediction = _by_hypopg(planner, each, facts)
            predictions.append(prediction)

    if refused:
        second_opinion(server, facts, ask, None)
    return [*predictions, *refused[len(predictions) :]]


def _by_hypopg(planner: Planner, refused: NotPredicted, facts: SchemaFacts) -> Prediction | NotPredicted:
    read = read_statement(refused.sql, ALONE)
    if isinstance(read, str):
        return refused
    query = generic_query(as_read([_alone(read.sql)], facts)[0], facts)
    if isinstance(query, Refused):
        return refused
    prediction = _predicted(planner, [query], read, facts, replace(OPTIONS, most_plans=MOST_PLANS_BY_HYPOPG))
    if isinstance(prediction, Prediction):
        return replace(prediction, planner="HypoPG")
    return replace(refused, reason=f"{refused.reason.rstrip('.')}. Nor did HypoPG on the server: {prediction.reason}")


def _alone(sql: str) -> WorkloadStatement:
    return WorkloadStatement(ALONE, sql, calls_per_day=1.0, total_time_s_per_day=0.0, mean_time_ms=0.0)


def _predicted(
    planner: Planner, queries: Sequence[Query], read: FileStatement, facts: SchemaFacts, options: SelectionOptions
) -> Prediction | NotPredicted:
    generic = queries[0]
    explained = planner.explain(generic)
    if isinstance(explained, Refused):
        return NotPredicted(read.sql, explained.reason)
    try:
        plan = parse_plan([explained])
    except PlanError as error:
        return NotPredicted(read.sql, str(error))
    outcome = run_checks(plan, Context(facts=facts, normalized_sql=generic.sql))
    prediction = Prediction(
        sql=read.sql,
        kind=read.kind,
        values="generic" if preparable_sql(read.sql).parameters else "given",
        plan_json=explained,
        plan=plan,
        reads=tuple(_reads(plan, facts)),
        findings=tuple(outcome.findings),
    )
    read_as = as_read([_alone(read.sql)], facts)
    fault: dict[str, str] = {}
    with costing_only(ALONE, fault):
        candidates = [c for each in read_as for c in statement_candidates(each.sql, facts)]
        definitions = for_all_schemas(candidates, read_as)
        chosen = select(queries, definitions, sized_for_all_schemas(planner), _without_writes(facts), options)
        return _with_likes(prediction, chosen, queries, planner, facts)
    return replace(prediction, why_none=fault[ALONE])  # it has its plan all the same


def _with_likes(
    prediction: Prediction, chosen: Selection, queries: Sequence[Query], planner: Planner, facts: SchemaFacts
) -> Prediction:
    if not chosen.chosen:
        return replace(prediction, why_none=next((q.why_not for q in chosen.queries if q.why_not), None))
    ids = [c.index.id for c in chosen.chosen]
    likes = tuple(_liked([c.index for c in chosen.chosen], facts))
    names = {id: like.ddl.names for id, like in zip(ids, likes, strict=True)}
    # the generic plan may be one that stays as it is: what changes is told of the values that gain most
    most = max(chosen.queries, key=lambda q: (q.weight * (q.before - q.after), q.key))
    query = next(q for q in queries if q.key == most.key)
    before, after = planner.explain(query), planner.explain(query, ids, names=names)
    with_indexes = planner.explain(queries[0], ids, names=names)
    caution = None
    if not isinstance(before, Refused) and not isinstance(after, Refused):
        caution = explained_caution(query.sql, facts, before, after)
    return replace(
        prediction,
        likes=likes,
        plan_with_json=None if isinstance(with_indexes, Refused) else with_indexes,
        cost_without=sum(q.weight * q.before for q in chosen.queries),
        cost_with=sum(q.weight * q.after for q in chosen.queries),
        change=None if isinstance(before, Refused) or isinstance(after, Refused) else explained_change(before, after),
        at_risk=chosen.at_risk[0].reason if chosen.at_risk else caution,
    )


def _without_writes(facts: SchemaFacts) -> SchemaFacts:
    """Against one statement whose calls are not known, a day's writes would outweigh every gain."""

    def unwritten(table: TableFacts) -> TableFacts:
        return replace(
            table,
            activity=TableActivity(),
            inserted_rows_per_day=None,
            updated_rows_per_day=None,
            deleted_rows_per_day=None,
            seen_rows=None,
            watched_s=None,
        )

    return replace(facts, tables=tuple(map(unwritten, facts)))


def _liked(indexes: Sequence[HypotheticalIndex], facts: SchemaFacts) -> Iterator[LikedIndex]:
    for index, ddl in zip(indexes, create_indexes([(i.definition, None) for i in indexes], facts), strict=True):
        table = index.definition.table
        yield LikedIndex(ddl, table.schema, table.name, index.definition.body(), index.size_bytes)


def _reads(plan: Plan, facts: SchemaFacts) -> Iterator[TableRead]:
    reads: dict[tuple[str, str], TableRead] = {}
    for node in plan:
        if node.relation_name is None or node.node_type not in SCANS:
            continue
        top = partitioned_table(node, facts)
        table = top or facts.find_table(node.relation_name, node.schema)
        name = table.qualified_name if table else node.table or node.relation_name
        rows = table.rows if table else None
        indexes = {n.index_name for n in node.walk() if n.index_name} if node.node_type != "Seq Scan" else set()
        before = reads.get((name, node.node_type), TableRead(name, node.node_type, table_rows=rows))
        reads[name, node.node_type] = replace(
            before,
            indexes=tuple(sorted({*before.indexes, *indexes})),
            plan_rows=before.plan_rows + (node.plan_rows or 0.0),
            partitions=before.partitions + (top is not None),
        )
    yield from reads.values()
