"""Reads what a review of a migration asks of the server beyond the schema, for the tables that it names."""

from collections.abc import Collection

from analyzer.errors import MonitoredServerError, StatementCancelled
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import MonitoredConnection, Row
from analyzer.monitored.sample.names import read_names
from analyzer.monitored.sample.statements import read_statement_counters
from analyzer.monitored.sample.workload import recorded_workload
from analyzer.review.live_facts import CheckConstraint, DomainFacts, LiveFacts, UsingStatement
from analyzer.review.using import using_statement
from analyzer.schema.facts import SchemaFacts

HIDDEN = "This login does not see other roles' statements there (pg_read_all_stats, in pg_monitor)."
MOST_STATEMENTS = 2_000  # the dearest of the server; judgement: a statement below them holds nobody up


def read_live_facts(
    conn: MonitoredConnection, functions: Collection[str], changed: Collection[str] = (), dropped: Collection[str] = ()
) -> LiveFacts:
    """``functions``: names of those that it calls; ``changed``: of tables whose columns change their type;
    ``dropped``: of what it drops.
    """
    schema = read_schema(conn)
    oids = [table.oid for table in schema]
    with conn.transaction_read_only():
        constraints = conn.run("review_checks", {"oids": oids}, action="reading the constraints")
        tables = conn.run("review_tables", {"oids": oids}, action="reading the tables' TOAST sizes")
        names = conn.run("review_functions", {"names": sorted(functions)}, action="reading functions' volatility")
        domains = conn.run("review_domains", action="reading the domains")
        casts = conn.run("review_casts", action="reading the casts that somebody made")
        views = conn.run("review_views", {"oids": oids}, action="reading which views read the tables")
        timeouts = conn.run("review_timeouts", action="reading where lock_timeout is set")
        there = conn.run("review_objects", {"names": sorted(dropped)}, action="looking for what is dropped")
        oldest = conn.run("review_oldest_transaction", action="looking for open transactions")
    plain = _plain_columns(conn, [table.oid for table in schema if table.name in changed])
    by_column: dict[tuple[int, str], list[str]] = {}
    for row in views:
        by_column.setdefault((row.table_oid, row.column_name), []).append(f"{row.schema}.{row.view_name}")
    heap = {table.oid: table.size_bytes for table in schema}
    statements, why = _statements(conn, schema)
    return LiveFacts(
        schema=schema,
        checks=tuple(
            CheckConstraint(r.table_oid, r.name, r.definition, r.is_validated) for r in constraints if r.kind == "c"
        ),
        foreign_keys={(r.table_oid, r.name): r.definition for r in constraints if r.kind == "f"},
        size_bytes={r.oid: size + r.toast_bytes for r in tables if (size := heap[r.oid]) is not None},
        volatility={r.name: r.volatility for r in names if r.volatility is not None},
        domains={r.name: DomainFacts(r.base_type, r.has_constraints, r.over) for r in domains},
        casts=frozenset((r.source, r.target) for r in casts),
        views={key: tuple(columns) for key, columns in by_column.items()},
        default_partitions={r.oid: r.default_partition_oid for r in tables if r.default_partition_oid},
        unlogged=frozenset(r.oid for r in tables if r.is_unlogged),
        lock_timeouts=tuple(f"{f'role {r.role}' if r.role else 'all roles'}: {r.setting}" for r in timeouts),
        there=frozenset((r.what, r.schema, r.name) for r in there),
        oldest_transaction_s=oldest[0].oldest_transaction_s,
        plain_columns={(r.table_oid, r.name): r.default_expression or "" for r in plain},
        statements=statements,
        why_no_statements=why,
    )


def _plain_columns(conn: MonitoredConnection, oids: list[int]) -> list[Row]:
    """None of tables that are locked just now: asking for a default would wait."""
    if not oids:
        return []
    try:
        with conn.transaction_read_only():
            locked = [row.oid for row in conn.run("schema_locked", action="looking for locks")]
            params = {"oids": oids, "locked": locked}
            return conn.run("review_plain_columns", params, action="reading the columns' defaults")
    except StatementCancelled:
        return []


def _statements(conn: MonitoredConnection, schema: SchemaFacts) -> tuple[tuple[UsingStatement, ...] | None, str]:
    try:
        with conn.sharing_transactions():
            counters, names = read_statement_counters(conn), read_names(conn)
        recorded = recorded_workload(conn, counters, names, most=MOST_STATEMENTS, with_calls=True)
    except MonitoredServerError as problem:
        return None, str(problem)
    if counters.hidden_roles:
        return None, HIDDEN
    reading = (
        using_statement(r.fingerprint, r.normalized_sql, r.calls, r.calls_per_day, r.watched_s, schema)
        for r in recorded
    )
    return tuple(statement for statement in reading if statement.tables or statement.functions), ""
