"""A workload as the server reads it: the query inside a utility, and tables where no search_path of ours finds them.

A statement of an application with a schema per tenant is planned in one schema for all that are alike; where tenants
differ (an index is missing in some), once for each kind, with its share of the calls. What the index is for goes to
``IndexDefinition.also``: one suggestion, with its DDL for each schema.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.planner import Planner, Resized
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.errors import costing_only
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.inner_query import planned_query, refreshed_view
from analyzer.statements.parse import TableName, is_system_table, parse_statement
from analyzer.statements.resolution import (
    AlikeResolutions,
    Resolution,
    alike,
    resolutions,
    session_schemas,
    structure,
    unqualified_names,
    with_schemas,
)
from analyzer.statements.variables import with_parameters

BY_NAME_FROM = 180_000  # queryjumblefuncs.c: a table is told by its name or alias, no longer by its oid
MOST_NAMED = 3
LEVELS_FROM = 140_000  # before, pg_stat_statements does not tell what ran inside functions


def as_read(workload: Sequence[WorkloadStatement], facts: SchemaFacts) -> list[WorkloadStatement]:
    """Each statement once, or once for every kind of schemas; what cannot be told is left as it is written."""
    queries = [_query_of(s, facts) for s in workload]
    sessions = session_schemas(queries, facts)
    readable: list[WorkloadStatement] = []
    for statement, query in zip(workload, queries, strict=True):
        ways: list[WorkloadStatement] = []
        with costing_only(statement.fingerprint, {}):
            ways = _ways(statement, query, sessions, facts)
        readable += ways or [replace(statement, sql=query)]
    return readable


def _query_of(statement: WorkloadStatement, facts: SchemaFacts) -> str:
    with costing_only(statement.fingerprint, {}):
        return planned_query(statement.sql, facts) or statement.sql
    return statement.sql


def _ways(
    statement: WorkloadStatement, query: str, sessions: Collection[str], facts: SchemaFacts
) -> list[WorkloadStatement]:
    ways = []
    groups = alike(resolutions(query, facts, sessions, statement.roles), facts)
    reads = sum(group.reads for group in groups)
    members = sum(len(group.members) for group in groups)
    for group in groups:
        share = group.reads / reads if reads else len(group.members) / members
        one = _in_one(statement, group, share, is_one=len(groups) == 1, facts=facts)
        if statement.is_nested or facts.server_version_num < LEVELS_FROM:
            one = replace(one, sql=with_parameters(one.sql, facts))
        ways.append(one)
    return ways


def _in_one(
    statement: WorkloadStatement, group: AlikeResolutions, share: float, *, is_one: bool, facts: SchemaFacts
) -> WorkloadStatement:
    largest = group.largest
    return replace(
        statement,
        sql=largest.sql,
        samples=tuple(_sample(sample, largest, facts) for sample in statement.samples),
        calls_per_day=statement.calls_per_day * share,
        total_time_s_per_day=statement.total_time_s_per_day * share,
        variant="" if is_one else ".".join(largest.path[:1]),
        alike={**statement.alike, **_others(group)},
    )


def _sample(sample: str, resolution: Resolution, facts: SchemaFacts) -> str:
    query = planned_query(sample, facts) or sample
    return with_schemas(query, resolution, facts) or query


def _others(group: AlikeResolutions) -> dict[int, tuple[TableFacts, ...]]:
    others_of: dict[int, tuple[TableFacts, ...]] = {}
    for name, table in group.largest.tables.items():
        others = {m.tables[name].oid: m.tables[name] for m in group.members[1:]}
        others_of[table.oid] = tuple(other for oid, other in others.items() if oid != table.oid)
    return {oid: others for oid, others in others_of.items() if others}


def for_all_schemas(definitions: Iterable[IndexDefinition], read: Iterable[WorkloadStatement]) -> list[IndexDefinition]:
    """With the tables of the same name in other schemas that the same statements read."""
    others: dict[int, dict[int, TableFacts]] = {}
    for statement in read:
        for oid, tables in statement.alike.items():
            others.setdefault(oid, {}).update({t.oid: t for t in tables})
    return [replace(d, also=tuple(others[d.table.oid].values())) if d.table.oid in others else d for d in definitions]


def sized_for_all_schemas(planner: Planner) -> Planner:
    """Its indexes are as large as they come to be in all schemas together."""
    return Resized(planner, lambda definition, size_bytes: round(size_bytes * _times(definition)))


def _times(definition: IndexDefinition) -> float:
    """How much larger the index is in all schemas together: by rows, an empty one is still a few pages."""
    rows = definition.table.rows
    if not rows:
        return 1.0 + len(definition.also)
    return 1.0 + sum(max(1.0, other.rows or 0.0) / rows for other in definition.also)


def together(first: IndexDefinition, second: IndexDefinition) -> IndexDefinition:
    tables = {t.oid: t for t in (*first.also, second.table, *second.also) if t.oid != first.table.oid}
    return replace(first, also=tuple(tables.values()))


def are_alike(first: IndexDefinition, second: IndexDefinition, facts: SchemaFacts) -> bool:
    """One index on tables of one name in two schemas."""
    return (
        first.table.oid != second.table.oid
        and first.table.name == second.table.name
        and first.body() == second.on(first.table, facts).body()
        and structure(first.table, facts) == structure(second.table, facts)
    )


def why_unread(sql: str, facts: SchemaFacts) -> str | None:
    """Why no planner is told which tables a statement reads; None where that can be said."""
    view = refreshed_view(sql)
    if view is not None and planned_query(sql, facts) is None:
        return f"The query of the materialized view {'.'.join(filter(None, view))} could not be read."
    query = planned_query(sql, facts) or sql
    if resolutions(query, facts) == []:
        places = []
        for name in unqualified_names(query, facts):
            schemas = [t.schema for t in facts.tables_named(name)]
            more = f" and {len(schemas) - 3} more" if len(schemas) > 3 else ""
            places.append(f"{name} is in {', '.join(schemas[:3])}{more}")
        return (
            "It names tables without their schema, and no schema with the application's search_path"
            f" ({', '.join(facts.search_path) or 'empty'}) has them all: {'; '.join(places)}."
        )
    return None


def why_left_out(sql: str, facts: SchemaFacts) -> str | None:
    """A sentence on the first table of a statement that ``facts`` leave out; None where there is none."""
    tables = parse_statement(planned_query(sql, facts) or sql).tables if facts.left_out else ()
    name = next(filter(None, (facts.left_out_as(t.name, t.schema) for t in tables)), None)
    if name is None:
        return None
    return f"{name} is left out: a name (its own, a column's or an index's) is no UTF-8, and no DDL could hold it."


def missing_table(sql: str, facts: SchemaFacts) -> str | None:
    """The first table of a statement that no schema has: of one that ran, a temporary one or one that is gone."""
    for table in parse_statement(planned_query(sql, facts) or sql).tables:
        if not table.schema and not facts.tables_named(table.name) and not is_system_table(str(table)):
            return table.name
    return None


def counted_together(workload: Iterable[WorkloadStatement], facts: SchemaFacts) -> list[str]:
    """Of a recorded workload: which other tables its statements may have run on, in a sentence."""
    if facts.server_version_num < BY_NAME_FROM:
        return []
    others_of: dict[str, list[str]] = {}
    texts: dict[TableName, set[str]] = {}  # fingerprints, which are the same whatever the schema
    for statement in workload:
        text = fingerprint(statement.sql) or statement.sql
        for written in parse_statement(statement.sql).tables:
            texts.setdefault(written, set()).add(text)
    for written in (each for each in texts if each.schema):
        table = facts.find_table(written.name, written.schema)
        if table is None:
            continue
        columns = [c.name for c in table.columns]
        others = [
            other.qualified_name
            for other in facts.tables_named(table.name)
            if other is not table and [c.name for c in other.columns] == columns
            and other.activity.seq_scans + other.activity.index_scans > 0
            and not texts[written] <= texts.get(TableName(other.schema, other.name), set())
        ]  # fmt: skip
        if others:
            others_of[table.qualified_name] = others
    return [
        "PostgreSQL 18 counts a statement on tables of one name and columns in several schemas as one, so what stands"
        f" here under {name} may have run on {', '.join(others[:MOST_NAMED])}"
        f"{' and others' if len(others) > MOST_NAMED else ''} too: see whether it wants the same."
        for name, others in list(others_of.items())[:MOST_NAMED]
    ]
