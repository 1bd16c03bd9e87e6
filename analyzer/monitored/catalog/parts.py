"""What a schema has beside tables, columns, indexes and foreign keys: read in parts, each by its own statement.

A part has an interval, because most of these change seldom; until it is over the last reading's is carried over. Each
is read by itself: one that cannot be read (a right, a lock, a server that lacks a view) costs no other and is ``None``
in the facts, with the reason in ``SchemaFacts.parts_not_read``.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from analyzer.errors import ConnectionLost, MonitoredServerError, ServerUnreachable, UnsupportedVersion
from analyzer.monitored.connection import MonitoredConnection, Row
from analyzer.monitored.login import ODD_BYTE
from analyzer.schema.constraints import ConstraintFacts
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.objects import (
    CollationFacts,
    ExtendedStatisticsFacts,
    FunctionFacts,
    SchemaRights,
    SequenceFacts,
)
from analyzer.schema.row_security import OwnersView, PolicyFacts
from analyzer.schema.storage import SizeFacts, StorageFacts
from analyzer.schema.triggers import TriggerFacts

MOST_OBJECTS = 50_000  # of a kind
SEQUENCES, VALUES = "schema_sequences", "schema_sequence_values"
SEQUENCES_AT_ONCE = 1_000  # judgement: a lock each, of some 6,400 that a server's default leaves room for
WITHOUT_VERSION = frozenset({0, 100, 950, 951})  # pg_collation.dat: none, the database's own, "C" and "POSIX"
EVERY_READING = timedelta(0)
HOURLY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CatalogPart:
    """``with_rows(facts, rows)`` gives the facts with what was read, ``with_earlier(facts, earlier)`` with that of an
    earlier reading.

    ``may_have_rows``: False where the facts tell that there is nothing to read; the server is not asked then.
    """

    sql: str  # of monitored/sql/
    title: str  # "reading the ..."
    every: timedelta
    with_rows: Callable[[SchemaFacts, Sequence[Row]], SchemaFacts]
    with_earlier: Callable[[SchemaFacts, SchemaFacts], SchemaFacts]
    may_have_rows: Callable[[SchemaFacts], bool] = lambda facts: True


def read_parts(conn: MonitoredConnection, facts: SchemaFacts, earlier: SchemaFacts | None = None) -> SchemaFacts:
    """The facts with their parts: those that are due are read, the others taken from the earlier reading."""
    read_at: dict[str, datetime] = {}
    not_read: dict[str, str] = {}
    with conn.sharing_transactions():
        locked = [row.oid for row in _rows(conn, "schema_locked", {}, "looking for locks")]
        parameters = {"oids": [table.oid for table in facts], "locked": locked, "limit": MOST_OBJECTS}
        facts = _with_due_parts(conn, facts, earlier, parameters, read_at, not_read)
    if facts.sequences and SEQUENCES not in not_read:
        facts, problem = _with_last_values(conn, facts, locked)
        not_read |= {VALUES: problem} if problem else {}
    return replace(facts, parts_read_at=read_at, parts_not_read=not_read)


def _with_due_parts(
    conn: MonitoredConnection,
    facts: SchemaFacts,
    earlier: SchemaFacts | None,
    parameters: Mapping[str, Any],
    read_at: dict[str, datetime],
    not_read: dict[str, str],
) -> SchemaFacts:
    """Notes in ``read_at`` and ``not_read`` when each part was read, or why it was not."""
    now = facts.taken_at
    for part in PARTS:
        before = earlier.parts_read_at.get(part.sql) if earlier is not None else None
        if earlier is not None and before is not None and now is not None and is_still_good(before, now, part.every):
            facts, read_at[part.sql] = part.with_earlier(facts, earlier), before
            continue
        try:
            what = f"reading the {part.title}"
            rows = _rows(conn, part.sql, parameters, what) if part.may_have_rows(facts) else []
        except (ServerUnreachable, ConnectionLost):
            raise
        except UnsupportedVersion:
            continue
        except MonitoredServerError as error:
            not_read[part.sql] = str(error)
            continue
        facts = part.with_rows(facts, [row for row in rows if not _is_odd(row)])
        if now is not None:
            read_at[part.sql] = now
    return facts


def is_still_good(read_at: datetime, now: datetime, every: timedelta) -> bool:
    """Whether what was read is not due, by the server's clock; one that went back does not tell."""
    return timedelta(0) <= now - read_at < every


def _with_last_values(conn: MonitoredConnection, facts: SchemaFacts, locked: Sequence[int]) -> tuple[SchemaFacts, str]:
    """The facts with how far sequences are; and why not of all, or ""."""
    readable = [sequence.oid for sequence in facts.sequences or () if sequence.is_readable]
    values: dict[int, int | None] = {}
    problem = ""
    for start in range(0, len(readable), SEQUENCES_AT_ONCE):
        some = readable[start : start + SEQUENCES_AT_ONCE]
        try:
            rows = _rows(conn, VALUES, {"oids": some, "locked": locked}, "reading how far sequences are")
        except (ServerUnreachable, ConnectionLost):
            raise
        except MonitoredServerError as error:
            problem = str(error)
            break
        values.update((row.oid, row.last_value) for row in rows)
    sequences = (
        replace(sequence, is_readable=sequence.oid in values, last_value=values.get(sequence.oid))
        for sequence in facts.sequences or ()
    )
    return replace(facts, sequences=tuple(sequences)), problem


def _rows(conn: MonitoredConnection, sql: str, parameters: Mapping[str, Any], action: str) -> list[Row]:
    with conn.transaction_read_only():
        return conn.run(sql, parameters, action=action)


def _is_odd(row: Row) -> bool:
    """Something of it is no UTF-8, in a database without an encoding: no DDL could name it."""
    return any(isinstance(value, str) and ODD_BYTE in value for value in row)


def _per_table(field: str, make: Callable[[Row], Any], *, one: bool = False) -> dict[str, Any]:
    """``with_rows`` and ``with_earlier`` of a part that gives each table a tuple of facts, or one."""

    def with_field(facts: SchemaFacts, value: Callable[[TableFacts], Any]) -> SchemaFacts:
        return replace(facts, tables=tuple(replace(table, **{field: value(table)}) for table in facts))

    def with_rows(facts: SchemaFacts, rows: Sequence[Row]) -> SchemaFacts:
        by_table: defaultdict[int, list[Any]] = defaultdict(list)
        for row in rows:
            by_table[row.table_oid].append(make(row))
        if one:
            return with_field(facts, lambda t: by_table[t.oid][0] if t.oid in by_table else None)
        return with_field(facts, lambda t: tuple(by_table.get(t.oid, ())))

    def with_earlier(facts: SchemaFacts, earlier: SchemaFacts) -> SchemaFacts:
        def of(table: TableFacts) -> Any:
            before = earlier.table(table.oid)
            return getattr(before, field) if before is not None else None

        return with_field(facts, of)

    return {"with_rows": with_rows, "with_earlier": with_earlier}


def _of_database(field: str, make: Callable[[Row], Any]) -> dict[str, Any]:
    def with_rows(facts: SchemaFacts, rows: Sequence[Row]) -> SchemaFacts:
        made: dict[str, Any] = {field: tuple(make(row) for row in rows)}
        return replace(facts, **made)

    def with_earlier(facts: SchemaFacts, earlier: SchemaFacts) -> SchemaFacts:
        return replace(facts, **{field: getattr(earlier, field)})

    return {"with_rows": with_rows, "with_earlier": with_earlier}


def _storage(row: Row) -> StorageFacts:
    return StorageFacts(**named(row, "table_oid"))


def _sizes(row: Row) -> SizeFacts:
    return SizeFacts(**named(row, "table_oid"))


def _constraint(row: Row) -> ConstraintFacts:
    given = named(row, "table_oid")
    return ConstraintFacts(**{**given, "columns": tuple(row.columns), "definition": row.definition or ""})


def _trigger(row: Row) -> TriggerFacts:
    events = {"INSERT": row.on_insert, "UPDATE": row.on_update, "DELETE": row.on_delete, "TRUNCATE": row.on_truncate}
    return TriggerFacts(
        name=row.name,
        function=f"{row.function_schema}.{row.function_name}",
        is_for_each_row=row.is_for_each_row,
        when=row.when,
        events=tuple(event for event, fires in events.items() if fires),
        enabled=row.enabled,
    )


def _policy(row: Row) -> PolicyFacts:
    return PolicyFacts(**{**named(row, "table_oid"), "roles": tuple(row.roles)})


def _sequence(row: Row) -> SequenceFacts:
    return SequenceFacts(**named(row))


def _function(row: Row) -> FunctionFacts:
    settings = {name: value for name, value in options(row.settings).items() if name == "search_path"}
    return FunctionFacts(**{**named(row), "runners": tuple(row.runners), "settings": settings})


def _extended_statistics(row: Row) -> ExtendedStatisticsFacts:
    return ExtendedStatisticsFacts(**{**named(row), "columns": tuple(row.columns)})


def _collation(row: Row) -> CollationFacts:
    return CollationFacts(**named(row))


def _owners_view(row: Row) -> OwnersView:
    return OwnersView(**{**named(row), "readers": tuple(row.readers)})


def _schema(row: Row) -> SchemaRights:
    return SchemaRights(**named(row))


def options(reloptions: Iterable[str] | None) -> dict[str, str]:
    """``{fillfactor=70}`` of pg_class.reloptions or pg_proc.proconfig as a dictionary."""
    return dict(option.partition("=")[::2] for option in reloptions or ())


def named(row: Row, *but: str) -> dict[str, Any]:
    """The columns as keyword arguments, without these."""
    return {name: value for name, value in row._asdict().items() if name not in but}


def _with_last_scans(facts: SchemaFacts, rows: Sequence[Row]) -> SchemaFacts:
    by_index = {row.oid: row.last_scan for row in rows if row.last_scan is not None}
    return replace(
        facts,
        tables=tuple(
            replace(table, indexes=tuple(replace(i, last_scan=by_index.get(i.oid)) for i in table.indexes))
            for table in facts
        ),
    )


PARTS = (
    CatalogPart("schema_storage", "tables' sizes and ages", EVERY_READING, **_per_table("storage", _storage, one=True)),
    CatalogPart("schema_sizes", "sizes of the largest tables", HOURLY, **_per_table("sizes", _sizes, one=True)),
    CatalogPart("schema_last_scans", "last uses of indexes", EVERY_READING, _with_last_scans, lambda facts, _: facts),
    CatalogPart(SEQUENCES, "sequences", EVERY_READING, **_of_database("sequences", _sequence)),
    CatalogPart("schema_constraints", "constraints", EVERY_READING, **_per_table("constraints", _constraint)),
    CatalogPart("schema_triggers", "triggers", EVERY_READING, **_per_table("triggers", _trigger)),
    CatalogPart("schema_policies", "row security policies", EVERY_READING, **_per_table("policies", _policy)),
    CatalogPart(
        "schema_extended_statistics", "extended statistics", EVERY_READING,
        **_of_database("extended_statistics", _extended_statistics),
    ),
    CatalogPart(
        "schema_views_past_row_security", "views of tables with row security", HOURLY,
        **_of_database("owners_views", _owners_view),
        may_have_rows=lambda facts: any(table.has_row_security for table in facts),
    ),
    CatalogPart(
        "schema_collations", "collations", HOURLY, **_of_database("collations", _collation),
        may_have_rows=lambda facts: any(not WITHOUT_VERSION.issuperset(i.collations) for t in facts for i in t.indexes),
    ),
    CatalogPart("schema_functions", "functions", HOURLY, **_of_database("functions", _function)),
    CatalogPart("schema_rights", "schemas' rights", HOURLY, **_of_database("schemas", _schema)),
)  # fmt: skip
