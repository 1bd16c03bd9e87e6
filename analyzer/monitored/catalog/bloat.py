"""Measures tables and B-trees that look bloated, where the database has pgstattuple: a few a visit, each once a day.

Only functions of the extension itself are called, in C and a superuser's (``bloat_access.sql``), by a login that can
only read, as HypoPG is asked. Each in a read-only transaction with its own statement_timeout.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from analyzer.errors import ConnectionLost, MonitoredServerError, ServerUnreachable
from analyzer.monitored.catalog.parts import is_still_good, named
from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.explain.gate_login import login_objection
from analyzer.schema.bloat import large_and_suspicious
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.fill import BtreeFill, HeapFill

AGAIN_AFTER = timedelta(days=1)
MOST_A_VISIT = 3
MOST_A_DAY = 24
LEAST_BYTES = 100 * 2**20
LEAST_RATIO = 0.3  # judgement: a tenth below what is worth a finding
MOST_READ_BYTES = 4 * 2**30
TIMEOUT_MS = 5_000


def measure_bloat(
    conn: MonitoredConnection, facts: SchemaFacts, earlier: SchemaFacts | None, *, least_bytes: int = LEAST_BYTES
) -> SchemaFacts:
    """The facts with what was measured of them, now and before."""
    now = facts.taken_at
    facts = _carried(facts, earlier)
    if "pgstattuple" not in facts.extensions or now is None:
        return facts
    tried = facts.fill_tried_at
    suspects = [
        (table, index)
        for _, table, index in large_and_suspicious(facts, least_bytes, LEAST_RATIO)
        if (index or table).oid not in tried
    ][: min(MOST_A_VISIT, MOST_A_DAY - len(tried))]
    if not suspects or login_objection(conn) is not None:
        return facts
    measured: dict[int, HeapFill | BtreeFill] = {}
    for table, index in suspects:
        tried = {**tried, (index or table).oid: now}
        fill = _measure(conn, table, index)
        if fill is not None:
            measured[(index or table).oid] = fill
    return replace(_with_fills(facts, measured), fill_tried_at=tried)


def _measure(conn: MonitoredConnection, table: TableFacts, index: IndexFacts | None) -> HeapFill | BtreeFill | None:
    """None where the login may not, it takes too long, is locked, or is too much to read: tried again in a day."""
    name, oid = ("bloat_heap", table.oid) if index is None else ("bloat_btree", index.oid)
    parameters = {"oid": oid, "most_bytes": MOST_READ_BYTES}
    try:
        with conn.transaction_read_only(statement_timeout_ms=TIMEOUT_MS):
            access = conn.run("bloat_access", action="looking for pgstattuple")  # anew: it may have changed hands
            if not access or not (access[0].may_measure_heaps if index is None else access[0].may_measure_btrees):
                return None
            called = {"schema": access[0].schema}
            rows = conn.run(name, parameters, identifiers=called, action="measuring bloat")
    except (ServerUnreachable, ConnectionLost):
        raise
    except MonitoredServerError:
        return None
    if not rows:
        return None
    return HeapFill(**named(rows[0])) if index is None else BtreeFill(**named(rows[0]))


def _carried(facts: SchemaFacts, earlier: SchemaFacts | None) -> SchemaFacts:
    if earlier is None:
        return facts
    fills: dict[int, HeapFill | BtreeFill] = {}
    for table in earlier:
        if table.fill is not None:
            fills[table.oid] = table.fill
        fills |= {index.oid: index.fill for index in table.indexes if index.fill is not None}
    return replace(_with_fills(facts, fills), fill_tried_at=_still(earlier.fill_tried_at, facts.taken_at))


def _still(tried: Mapping[int, datetime], now: datetime | None) -> dict[int, datetime]:
    return {oid: at for oid, at in tried.items() if now is not None and is_still_good(at, now, AGAIN_AFTER)}


def _with_fills(facts: SchemaFacts, fills: Mapping[int, Any]) -> SchemaFacts:
    if not fills:
        return facts

    def filled(table: TableFacts) -> TableFacts:
        if table.oid not in fills and not any(index.oid in fills for index in table.indexes):
            return table
        indexes = tuple(replace(i, fill=fills[i.oid]) if i.oid in fills else i for i in table.indexes)
        return replace(table, fill=fills.get(table.oid, table.fill), indexes=indexes)

    return replace(facts, tables=tuple(filled(table) for table in facts))
