"""Reads what a review of a migration asks of the server beyond the schema, for the tables that it names."""

from collections.abc import Collection, Iterable, Iterator

from pglast import ast

from analyzer.errors import MonitoredServerError
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.sample.workload import RecordedStatement, read_recorded_workload
from analyzer.review.live import CheckConstraint, DomainFacts, LiveFacts, UsingStatement
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.display import one_line
from analyzer.statements.predicates import query_blocks
from analyzer.statements.tree import Unparsable, single_statement, walk

MOST_STATEMENTS = 2_000  # the dearest of the server; judgement: a statement below them holds nobody up
WRITING = frozenset({"insert", "update", "delete", "merge"})


def read_live_facts(conn: MonitoredConnection, functions: Collection[str]) -> LiveFacts:
    """``functions``: names of those that the migration calls."""
    schema = read_schema(conn)
    oids = [table.oid for table in schema]
    with conn.transaction_read_only():
        checks = conn.run("review_checks", {"oids": oids}, action="reading the CHECK constraints")
        tables = conn.run("review_tables", {"oids": oids}, action="reading the tables' TOAST sizes")
        names = conn.run("review_functions", {"names": sorted(functions)}, action="reading functions' volatility")
        domains = conn.run("review_domains", action="reading the domains")
        views = conn.run("review_views", {"oids": oids}, action="reading which views read the tables")
        timeouts = conn.run("review_timeouts", action="reading where lock_timeout is set")
        oldest = conn.run("review_oldest_transaction", action="looking for open transactions")
    by_column: dict[tuple[int, str], list[str]] = {}
    for row in views:
        by_column.setdefault((row.table_oid, row.column_name), []).append(f"{row.schema}.{row.view_name}")
    heap = {table.oid: table.size_bytes for table in schema}
    statements, why = _statements(conn, schema)
    return LiveFacts(
        schema=schema,
        checks=tuple(CheckConstraint(r.table_oid, r.name, r.definition, r.is_validated) for r in checks),
        size_bytes={r.oid: size + r.toast_bytes for r in tables if (size := heap[r.oid]) is not None},
        volatility={r.name: r.volatility for r in names},
        domains={r.name: DomainFacts(r.base_type, r.has_constraints) for r in domains},
        views={key: tuple(found) for key, found in by_column.items()},
        default_partitions={r.oid: r.default_partition_oid for r in tables if r.default_partition_oid},
        unlogged=frozenset(r.oid for r in tables if r.is_unlogged),
        lock_timeouts=tuple(f"{f'role {r.role}' if r.role else 'all roles'}: {r.setting}" for r in timeouts),
        oldest_transaction_s=oldest[0].oldest_transaction_s,
        statements=statements,
        why_no_statements=why,
    )


def _statements(conn: MonitoredConnection, schema: SchemaFacts) -> tuple[tuple[UsingStatement, ...] | None, str]:
    try:
        recorded = read_recorded_workload(conn, most=MOST_STATEMENTS)
    except MonitoredServerError as problem:
        return None, str(problem)
    return tuple(_using(recorded, schema)), ""


def _using(recorded: Iterable[RecordedStatement], schema: SchemaFacts) -> Iterable[UsingStatement]:
    for statement in recorded:
        tables, written, columns, reads_all = set(), set(), set(), set()
        for block in query_blocks(statement.normalized_sql, schema):
            for use in block.tables:
                # a name that only a session's search_path tells may stand for any: nothing is said of such
                table = schema.find_table(use.name, use.schema or None)
                if table is None:
                    continue
                tables.add(table.oid)
                if use.is_target and block.kind in WRITING:
                    written.add(table.oid)
                named = use.used | (use.selected or frozenset()) | {p.column for p in use.predicates}
                columns |= {(table.oid, name) for name in named}
                if use.selected is None:
                    reads_all.add(table.oid)
        for table_name, column in _columns_written(statement.normalized_sql):
            table = schema.find_table(*table_name)
            if table is not None:
                columns.add((table.oid, column))
        if tables:
            yield UsingStatement(
                statement.fingerprint, one_line(statement.normalized_sql), statement.calls, statement.calls_per_day,
                statement.watched_s, frozenset(tables), frozenset(written), frozenset(columns), frozenset(reads_all),
            )  # fmt: skip


def _columns_written(sql: str) -> Iterator[tuple[tuple[str, str | None], str]]:
    """Of INSERT's column list and UPDATE's SET: (table, schema) and column."""
    statement = single_statement(sql)
    for node in walk(None if isinstance(statement, Unparsable) else statement):
        if isinstance(node, ast.InsertStmt):
            targets = node.cols or ()
        elif isinstance(node, ast.UpdateStmt):
            targets = node.targetList or ()
        else:
            continue
        for target in targets:
            yield (node.relation.relname, node.relation.schemaname or None), target.name
