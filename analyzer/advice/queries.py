"""A workload as queries a planner can plan: with seen, typical and rare values, weighted by calls and measured time."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from analyzer.advice.planner import Query, Refused, StatisticsPlanner, has_open_limit
from analyzer.advice.resolved_workload import (
    as_read,
    missing_table,
    why_left_out,
    why_unread,
)
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.errors import PgLoupeError, fault_reason
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.foreign_keys import foreign_key_owner, unindexed_foreign_keys
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.statements.parse import parse_statement, reads_catalog_only
from analyzer.statements.predicates import parameter_columns, query_blocks
from analyzer.statements.preparable import preparable_sql
from analyzer.statements.resolution import size_class, structure
from analyzer.values.choose import NoValues, choose_values, fixed_values
from analyzer.values.column_values import ColumnValues, largest_partitions, of_partitions
from analyzer.values.like_patterns import like_patterns
from analyzer.values.partial_indexes import HeldValue, PartialValue, partial_values
from analyzer.values.rows_kept import limits_for_rows

logger = logging.getLogger(__name__)

CATALOG_ONLY = "It reads the server's own catalog and statistics alone, on which nobody builds an index."

# judgement: an application mostly sends typical values; the rare ones show skew, the generic plan what is in between
SHARES = {"typical": 0.5, "rare": 0.25, "generic": 0.25}

SKEW_MATTERS = 0.0005  # of the planned load: judgement; below it one plan tells enough of a statement

# Measured time against planned cost, as a multiple of the workload's own: beyond it time tells of locks or of a
# cold cache more than of the plan. Judgement.
MOST_TIME_FACTOR = 10.0


def foreign_key_checks(facts: SchemaFacts) -> list[WorkloadStatement]:
    """What the server runs for each row that goes from a referenced table: the look-up of its children.

    Source: ri_triggers.c, RI_FKey_noaction_del(). Named like the key; without the row lock, which changes no plan.
    """
    checks: dict[tuple[object, ...], tuple[list[TableFacts], WorkloadStatement]] = {}
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
        same = (table.name, key.name, key.columns, structure(table, facts))
        statement = WorkloadStatement(foreign_key_owner(table, key), sql, deleted, 0.0, 0.0)
        if same not in checks:
            checks[same] = [table], statement
            continue
        tables, known = checks[same]  # of another schema: planned on one for all
        is_larger = size_class(table.rows or 0) > size_class(tables[0].rows or 0)
        tables.insert(0 if is_larger else len(tables), table)
        checks[same] = tables, replace(statement if is_larger else known, calls_per_day=known.calls_per_day + deleted)
    return [
        replace(statement, alike={tables[0].oid: tuple(tables[1:])}) if len(tables) > 1 else statement
        for tables, statement in checks.values()
    ]


def plannable_queries(
    twin: StatisticsPlanner,
    workload: Sequence[WorkloadStatement],
    facts: SchemaFacts,
    now: datetime,
    stop_on: tuple[type[Exception], ...] = (),
) -> tuple[list[Query], dict[str, str]]:
    """Each statement as one or more queries; those that cannot be planned, with the reason.

    ``stop_on``: errors that end it for all, such as a time limit's; another one costs its statement alone.

    A statement whose real values were seen is planned with those: its literals decide, as they do in the application.
    """
    generic: dict[str, Query] = {}
    sampled: dict[str, list[Query]] = {}
    load: dict[str, float] = {}  # planned cost x calls
    whole: dict[str, float] = {}  # calls of all that was planned of a statement
    refused: dict[str, str] = {}
    for statement in sorted(as_read(workload, facts), key=lambda s: s.key):
        key = statement.key
        with _costing_only(statement.fingerprint, refused, stop_on):
            query = generic_query(statement, facts)
            if isinstance(query, Refused):
                refused[statement.fingerprint] = _why_refused(statement, facts, query)
                continue
            samples = _sampled(twin, query, statement.samples)
            planned = twin.plan(samples[0] if samples else query)
            if isinstance(planned, Refused):
                refused[statement.fingerprint] = _why_refused(statement, facts, planned)
                continue
            query_blocks(query.sql, facts)  # read for its candidates later: what fails there fails here, for it alone
            generic[key] = query
            whole[query.statement] = whole.get(query.statement, 0.0) + query.weight
            if samples:
                sampled[key] = samples
            load[key] = planned.total_cost * query.weight
    total = sum(load.values())
    queries: list[Query] = []
    for key, query in generic.items():
        if key in sampled:
            queries += sampled[key]
        elif load[key] > SKEW_MATTERS * total:
            with _costing_only(query.statement, refused, stop_on):
                queries += _with_values(twin, query, facts, now)
        else:
            queries.append(query)
    costs: dict[str, float] = {}
    for query in queries:
        share = query.weight / (whole[query.statement] or 1.0)
        costs[query.statement] = costs.get(query.statement, 0.0) + share * _cost(twin, query)
    return _weighted(queries, workload, costs), {k: why for k, why in refused.items() if k not in whole}


def _why_refused(statement: WorkloadStatement, facts: SchemaFacts, refused: Refused) -> str:
    if reads_catalog_only(statement.sql):  # the twin's is another version's, without extensions' views
        return CATALOG_ONLY
    if left_out := why_left_out(statement.sql, facts):
        return left_out
    missing = missing_table(statement.sql, facts) if statement.mean_time_ms else None  # it ran
    gone = f" No schema has a table {missing}: it is a temporary one of its session, or gone." if missing else ""
    return why_unread(statement.sql, facts) or f"{refused.reason}{gone}"


@contextmanager
def _costing_only(key: str, refused: dict[str, str], stop_on: tuple[type[Exception], ...]) -> Iterator[None]:
    """A fault of ours over one statement leaves it out, with its reason; the others are planned all the same."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (PgLoupeError, *stop_on)):
            raise  # the twin is gone, or the time is up
        logger.exception("Statement %s cannot be planned", key)
        refused[key] = fault_reason(error)


def generic_query(statement: WorkloadStatement, facts: SchemaFacts) -> Query | Refused:
    preparable = preparable_sql(statement.sql, facts=facts, samples=statement.samples)
    if preparable.sql is None:
        return Refused(preparable.reason or "The text cannot be made plannable.")
    kind = parse_statement(preparable.sql).kind
    return Query(
        statement.key, statement.fingerprint, preparable.sql, statement.calls_per_day, None, kind,
        rows_per_call=statement.rows_per_call, rows_before_limit=statement.rows_before_limit, calls=statement.calls,
    )  # fmt: skip


def _cost(twin: StatisticsPlanner, query: Query) -> float:
    planned = twin.plan(query)
    return 0.0 if isinstance(planned, Refused) else planned.total_cost


def _sampled(twin: StatisticsPlanner, generic: Query, samples: Sequence[str]) -> list[Query]:
    """One query per text with real values, each with its share of the calls."""
    queries = []
    for number, sample in enumerate(dict.fromkeys(samples)):
        sql = preparable_sql(sample).sql
        if sql is None or ("$" in sql and twin.parameter_types(sql)):
            continue  # cut short, or bound apart: the values are not in it
        query = replace(generic, key=f"{generic.key}:sampled{number}", sql=sql)
        if not isinstance(twin.plan(query), Refused):
            queries.append(query)
    return [replace(query, weight=generic.weight / len(queries)) for query in queries]


def _with_values(twin: StatisticsPlanner, generic: Query, facts: SchemaFacts, now: datetime) -> list[Query]:
    """Beside the generic plan one with typical and one with rare values, where the statistics have some.

    The generic plan cannot use a partial index; where one tells the value, it is not the application's plan. Nor is it
    with a LIMIT, for which it takes a tenth of all rows.
    """
    limits = limits_for_rows(generic.sql, generic.rows_per_call)
    sets = chosen_values(twin, generic.sql, facts, now, limits)
    named = {name: replace(generic, key=f"{generic.key}:{name}", values=values) for name, values in sets.items()}
    planned = {name: query for name, query in named.items() if not isinstance(twin.plan(query), Refused)}
    if not planned:
        return [generic]
    is_told = has_open_limit(generic) or partial_values(generic.sql, parameter_columns(generic.sql, facts), facts)
    every = planned if is_told else {"generic": generic, **planned}
    whole = sum(SHARES[name] for name in every)
    return [replace(query, weight=query.weight * SHARES[name] / whole) for name, query in every.items()]


def chosen_values(
    twin: StatisticsPlanner,
    sql: str,
    facts: SchemaFacts,
    now: datetime,
    told: Mapping[int, PartialValue] | None = None,
) -> dict[str, tuple[str | None, ...]]:
    """Texts of the parameters' values by "typical" and "rare"; empty without parameters or statistics. ``told``: what
    is known of some."""
    types = twin.parameter_types(sql)
    if isinstance(types, Refused) or not types:
        return {}
    uses = parameter_columns(sql, facts)
    statistics: dict[tuple[str, str, str], ColumnValues] = {}
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
    partial: dict[int, PartialValue | HeldValue] = {**(told or {}), **partial_values(sql, uses, facts)}
    sets = choose_values(uses, types, statistics, now, fixed_values(sql, facts), like_patterns(sql), partial=partial)
    return {} if isinstance(sets, NoValues) else {s.source: tuple(s.literals) for s in sets}


def _column_values(twin: StatisticsPlanner, table: TableFacts, column: str) -> ColumnValues | None:
    known = twin.column_statistics(table.schema, table.name).get(column)
    return None if known is None else ColumnValues.of(known)


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
