"""Sums per statement over a window: the lists of statements, the rates of findings. One or two queries each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from analyzer.models import Server
from analyzer.store.columns import rollup_expressions
from analyzer.store.windows import Window

ORDERS: dict[str, str] = {
    "total_exec_time": "total_exec_time_us",
    "mean_exec_time": "total_exec_time_us::float8 / nullif(calls, 0)",
    "calls": "calls",
    "rows": "rows",
    "shared_read": "shared_read_blocks",
    "shared_hit": "shared_hit_blocks",
    "temp_written": "temp_written_blocks",
    "wal": "wal_bytes",
    "io_time": "coalesce(shared_read_time_us, 0) + coalesce(shared_write_time_us, 0)",
    "plan_time": "total_plan_time_us",
}
# What a list shows; a statement's page asks for nothing else either.
SHOWN: tuple[str, ...] = (
    "calls", "total_exec_time_us", "rows", "stddev_exec_time_us", "min_exec_time_us", "max_exec_time_us",
    "total_plan_time_us", "shared_hit_blocks", "shared_read_blocks", "shared_dirtied_blocks",
    "temp_read_blocks", "temp_written_blocks", "shared_read_time_us", "shared_write_time_us", "wal_bytes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StatementTotals:
    """One statement over the window, whoever ran it. Blocks are of 8 kB (block_size)."""

    statement_id: int
    fingerprint: str
    normalized_sql: str
    kind: str
    tables: list[str]
    text_state: str
    first_seen: datetime
    last_seen: datetime
    calls: int
    total_exec_time_ms: float
    load_ratio: float | None  # share of the server's execution time in the window
    rows: int
    stddev_exec_time_ms: float
    min_exec_time_ms: float | None  # of the extremes reached in the window; None: none was
    max_exec_time_ms: float | None
    total_plan_time_ms: float
    shared_hit_blocks: int
    shared_read_blocks: int
    shared_dirtied_blocks: int
    temp_read_blocks: int
    temp_written_blocks: int
    shared_read_time_ms: float
    shared_write_time_ms: float
    wal_bytes: int

    @property
    def mean_exec_time_ms(self) -> float | None:
        return self.total_exec_time_ms / self.calls if self.calls else None

    @property
    def rows_per_call(self) -> float | None:
        return self.rows / self.calls if self.calls else None

    @property
    def hit_ratio(self) -> float | None:
        """Share of shared blocks found in the buffer cache; None when it touched none."""
        touched = self.shared_hit_blocks + self.shared_read_blocks
        return self.shared_hit_blocks / touched if touched else None


@dataclass(frozen=True, slots=True)
class StatementPage:
    """``count`` statements match; ``covered_s`` of the window were measured; totals are of all that match."""

    rows: list[StatementTotals]
    count: int
    total_exec_time_ms: float
    total_calls: int
    covered_s: float
    start: datetime  # where the figures really begin
    end: datetime


@dataclass(frozen=True, slots=True)
class StatementRate:
    calls_per_day: float
    total_time_s_per_day: float
    mean_exec_time_ms: float | None
    rows_per_call: float | None


def sums_sql(window: Window, columns: tuple[str, ...]) -> str:
    """CTE bodies of ``d``: rows of entry_id and ``columns`` to be summed, from the level of the window."""
    names = ", ".join(columns)
    fresh = (
        f"select entry_id, {names} from statement_delta where server_id = %(server)s and taken_at <= %(end)s"
        " and taken_at > %(start)s"
    )
    if window.level == "minute":
        return fresh
    return (
        f"select entry_id, {names} from statement_{window.level}"
        " where server_id = %(server)s and starts_at >= %(start)s and starts_at < %(end)s"
        f" union all {fresh} and taken_at > coalesce("
        "(select taken_at from rolled_up where server_id = %(server)s), '-infinity')"
    )


def statement_totals(
    server: Server,
    window: Window,
    *,
    order_by: str = "total_exec_time",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
    filters: Mapping[str, Any] | None = None,
) -> StatementPage:
    """Statements that ran in the window, sorted, a page of them. Two queries.

    ``order_by``: a key of ORDERS. ``filters``: ``search`` (part of the text), ``kind``, ``table``,
    ``database_oid``, ``role_oid``, ``statement_ids``; empty ones are left out.
    """
    wanted = {k: v for k, v in (filters or {}).items() if v not in (None, "", [])}
    aggregates = rollup_expressions("d")
    by_entry = ", ".join(f"{aggregates[c]} as {c}" for c in SHOWN)
    order = ORDERS.get(order_by, ORDERS["total_exec_time"])
    direction = "desc nulls last" if descending else "asc nulls first"
    entry_where = "".join(f" and e.{name} = %({name})s" for name in ("database_oid", "role_oid") if name in wanted)
    where = {
        "search": "s.normalized_sql ilike %(search)s",
        "kind": "s.kind = %(kind)s",
        "table": "%(table)s = any(s.tables)",
        "statement_ids": "s.id = any(%(statement_ids)s)",
    }
    statement_where = " and ".join(["true", *(where[k] for k in where if k in wanted)])
    if "search" in wanted:
        escaped = str(wanted["search"]).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        wanted["search"] = f"%{escaped}%"
    sql = (
        f"with d as ({sums_sql(window, SHOWN)}),"
        f" p as (select e.statement_id, {by_entry} from d join analyzer_statemententry e on e.id = d.entry_id"
        f"   where not e.is_own and e.statement_id is not null{entry_where} group by 1),"
        f" m as (select s.id, s.fingerprint, p.*, sum(p.total_exec_time_us) over () as matching_time_us,"
        f"   sum(p.calls) over () as matching_calls, count(*) over () as matching"
        f"   from p join analyzer_statement s on s.id = p.statement_id where {statement_where}"
        f"   order by {order} {direction}, s.id limit %(limit)s offset %(offset)s)"
        f" select m.id, m.fingerprint, s.normalized_sql, s.kind, s.tables, s.text_state, s.first_seen, s.last_seen,"
        f" {', '.join(f'm.{c}' for c in SHOWN)}, m.matching, m.matching_time_us, m.matching_calls"
        f" from m join analyzer_statement s on s.id = m.id order by {order} {direction}, s.id"
    )
    params = {
        **wanted, "server": server.pk, "start": window.aligned_start, "end": window.end,
        "limit": limit, "offset": offset,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    covered_s, server_time_ms, _ = coverage(server, window)
    return StatementPage(
        rows=[_totals(row[: 8 + len(SHOWN)], server_time_ms) for row in rows],
        count=int(rows[0][-3]) if rows else 0,
        total_exec_time_ms=float(rows[0][-2] or 0) / 1000 if rows else 0.0,
        total_calls=int(rows[0][-1] or 0) if rows else 0,
        covered_s=covered_s,
        start=window.aligned_start,
        end=window.end,
    )


def _totals(row: tuple[Any, ...], server_time_ms: float) -> StatementTotals:
    statement_id, found, sql, kind, tables, text_state, first_seen, last_seen = row[:8]
    c = dict(zip(SHOWN, row[8:], strict=True))
    count = {k: int(v or 0) for k, v in c.items()}
    return StatementTotals(
        statement_id=statement_id,
        fingerprint=found,
        normalized_sql=sql,
        kind=kind,
        tables=tables,
        text_state=text_state,
        first_seen=first_seen,
        last_seen=last_seen,
        calls=count["calls"],
        total_exec_time_ms=count["total_exec_time_us"] / 1000,
        load_ratio=min(1.0, count["total_exec_time_us"] / 1000 / server_time_ms) if server_time_ms else None,
        rows=count["rows"],
        stddev_exec_time_ms=count["stddev_exec_time_us"] / 1000,
        min_exec_time_ms=None if c["min_exec_time_us"] is None else count["min_exec_time_us"] / 1000,
        max_exec_time_ms=None if c["max_exec_time_us"] is None else count["max_exec_time_us"] / 1000,
        total_plan_time_ms=count["total_plan_time_us"] / 1000,
        shared_hit_blocks=count["shared_hit_blocks"],
        shared_read_blocks=count["shared_read_blocks"],
        shared_dirtied_blocks=count["shared_dirtied_blocks"],
        temp_read_blocks=count["temp_read_blocks"],
        temp_written_blocks=count["temp_written_blocks"],
        shared_read_time_ms=count["shared_read_time_us"] / 1000,
        shared_write_time_ms=count["shared_write_time_us"] / 1000,
        wal_bytes=count["wal_bytes"],
    )


def coverage(server: Server, window: Window) -> tuple[float, float, int]:
    """Seconds of the window that were measured, execution time (ms) and calls of all statements in them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select coalesce(sum(interval_s), 0), coalesce(sum(total_exec_time_us), 0) / 1000.0,"
            " coalesce(sum(calls), 0)"
            " from server_delta where server_id = %s and taken_at > %s and taken_at <= %s",
            [server.pk, window.aligned_start, window.end],
        )
        covered_s, time_ms, calls = cursor.fetchone()
    return float(covered_s), float(time_ms), int(calls)


def rates(server: Server, window: Window) -> dict[int, StatementRate]:
    """Per Statement id, per day of measured time: gaps do not thin the rates out. Two queries."""
    columns = ("calls", "total_exec_time_us", "rows")
    with connection.cursor() as cursor:
        cursor.execute(
            f"with d as ({sums_sql(window, columns)})"
            " select e.statement_id, coalesce(sum(d.calls), 0)::bigint, coalesce(sum(d.total_exec_time_us), 0)::bigint,"
            " coalesce(sum(d.rows), 0)::bigint from d join analyzer_statemententry e on e.id = d.entry_id"
            " where not e.is_own and e.statement_id is not null group by 1",
            {"server": server.pk, "start": window.aligned_start, "end": window.end},
        )
        found = cursor.fetchall()
    covered_s, _, _ = coverage(server, window)
    if not covered_s:
        return {}
    per_day = 86_400 / covered_s
    return {
        statement_id: StatementRate(
            calls_per_day=calls * per_day,
            total_time_s_per_day=time_us / 1e6 * per_day,
            mean_exec_time_ms=time_us / 1000 / calls if calls else None,
            rows_per_call=rows / calls if calls else None,
        )
        for statement_id, calls, time_us, rows in found
    }
