"""Sums per statement over a window: the lists of statements, the rates of findings. A few queries each.

Long: lists and rates are read from the same sums and have to count alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.models import Server, Statement
from analyzer.store.series.alike import (
    MOST_SHOWN,
    PARTS_FROM,
    Member,
    Ran,
    added_up,
    by_group,
    by_line,
    grouped,
    statement_of,
)
from analyzer.store.series.spans import MOST_NAMED, EntrySums, entry_sums
from analyzer.store.series.windows import Window
from analyzer.words.durations import DAY_S

# Sort keys, and the columns whose sum they stand for.
ORDERS: dict[str, tuple[str, ...]] = {
    "total_exec_time": ("total_exec_time_us",),
    "mean_exec_time": ("total_exec_time_us",),  # by call
    "calls": ("calls",),
    "rows": ("rows",),
    "shared_read": ("shared_read_blocks",),
    "shared_hit": ("shared_hit_blocks",),
    "temp_written": ("temp_written_blocks",),
    "wal": ("wal_bytes",),
    "io_time": ("shared_read_time_us", "shared_write_time_us"),
    "plan_time": ("total_plan_time_us",),
}
RATE_COLUMNS = ("calls", "total_exec_time_us", "rows")
RAN = ("calls", "total_exec_time_us", "total_plan_time_us")  # one of them moved: it ran, or was planned
# All that pages show of a statement.
SHOWN: tuple[str, ...] = (
    "calls", "total_exec_time_us", "rows", "max_exec_time_us",
    "total_plan_time_us", "shared_hit_blocks", "shared_read_blocks", "shared_dirtied_blocks",
    "temp_read_blocks", "temp_written_blocks", "shared_read_time_us", "shared_write_time_us", "wal_bytes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StatementTotals:
    """One statement over the window, whoever ran it. Blocks are of 8 kB (block_size).

    ``sums`` holds the columns asked for; a figure made of another one is a KeyError.
    """

    statement_id: int
    fingerprint: str
    normalized_sql: str
    kind: str
    tables: list[str]
    text_state: str
    first_seen: datetime
    last_seen: datetime
    load_ratio: float | None  # share of the server's execution time in the window
    sums: Mapping[str, int]
    # of a group that are alike, with the figures of all: all of them, and those to show
    member_ids: tuple[int, ...] = ()
    members: tuple["StatementTotals", ...] = ()
    line: int = 0  # the statement's id, or of the part of it that reads other tables

    @property
    def calls(self) -> int:
        return self.sums["calls"]

    @property
    def total_exec_time_ms(self) -> float:
        return self.sums["total_exec_time_us"] / 1000

    @property
    def rows(self) -> int:
        return self.sums["rows"]

    @property
    def max_exec_time_ms(self) -> float | None:
        """Of the extremes reached in the window; None: none was."""
        return self.sums["max_exec_time_us"] / 1000 or None

    @property
    def shared_hit_blocks(self) -> int:
        return self.sums["shared_hit_blocks"]

    @property
    def shared_read_blocks(self) -> int:
        return self.sums["shared_read_blocks"]

    @property
    def shared_dirtied_blocks(self) -> int:
        return self.sums["shared_dirtied_blocks"]

    @property
    def temp_read_blocks(self) -> int:
        return self.sums["temp_read_blocks"]

    @property
    def temp_written_blocks(self) -> int:
        return self.sums["temp_written_blocks"]

    @property
    def shared_read_time_ms(self) -> float:
        return self.sums["shared_read_time_us"] / 1000

    @property
    def shared_write_time_ms(self) -> float:
        return self.sums["shared_write_time_us"] / 1000

    @property
    def wal_bytes(self) -> int:
        return self.sums["wal_bytes"]

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
    """``count`` statements match; ``covered_s`` of the window were measured; totals are of all that match.

    ``sums``: what it was made of, for ``timelines.sparklines``.
    """

    rows: list[StatementTotals]
    count: int
    total_exec_time_ms: float
    total_calls: int
    covered_s: float
    start: datetime
    end: datetime
    sums: EntrySums = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class StatementRate:
    """Rates to weigh statements against each other, made daily however short they were watched.

    Said "a day" only where ``durations.allows_daily_rate(watched_s)``: less may hold a bulk load and nothing else.
    """

    calls_per_day: float
    total_time_s_per_day: float
    mean_exec_time_ms: float | None
    rows_per_call: float | None
    watched_s: float | None = None  # measured seconds they were taken from


def statement_totals(
    server: Server,
    window: Window,
    *,
    order_by: str = "total_exec_time",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
    filters: Mapping[str, Any] | None = None,
    columns: Sequence[str] = SHOWN,
    alike: Mapping[int, str] | None = None,
    line_of: Mapping[Ran, int] | None = None,
) -> StatementPage:
    """Statements that ran in the window, sorted, a page of them. Ten queries at most.

    ``order_by``: a key of ORDERS. ``filters``: ``search`` (part of the text), ``kind``, ``tables`` (any),
    ``database_oid``, ``role_oid``, ``statement_ids``; empty ones are left out. ``columns``: what the rows need.
    ``alike``: what some have in common, which are one row then, and counted as one. ``line_of``: the rows of statements
    that are several; ``lines`` of the filters leaves some.
    """
    wanted = {k: v for k, v in (filters or {}).items() if v not in (None, "", [])}
    orders = ORDERS.get(order_by, ORDERS["total_exec_time"])
    # of all statements only what ranks them is decoded; of a few, everything at once
    ranked = tuple(dict.fromkeys([*RAN, *orders, *(columns if "statement_ids" in wanted else ())]))
    found = entry_sums(server, window, ranked, wanted.get("statement_ids"), later=columns)
    found = by_line(found, line_of) if line_of else found
    kept = _kept(found, wanted)
    statement_ids, sums = found.by_statement(kept)
    allowed = _matching(server, wanted)
    if allowed is not None:
        keep = np.isin(statement_ids % PARTS_FROM, allowed)
        statement_ids, sums = statement_ids[keep], {c: v[keep] for c, v in sums.items()}
    if "lines" in wanted:
        keep = np.isin(statement_ids, wanted["lines"])
        statement_ids, sums = statement_ids[keep], {c: v[keep] for c, v in sums.items()}
    groups = grouped(statement_ids, alike or {})
    by_call = order_by == "mean_exec_time"
    order = groups.ranked(sums, orders, by_call=by_call, descending=descending)[offset : offset + limit]
    on_page = np.isin(groups.at, order)
    page_ids, shown = statement_ids[on_page], {c: v[on_page] for c, v in sums.items()}
    rest = [c for c in columns if c not in sums]
    if rest:
        ids, others = found.of_statements(kept, page_ids, rest)
        shown |= {c: others[c][np.searchsorted(ids, page_ids)] for c in rest}
    rows = list(by_group(order, groups.at[on_page], page_ids, shown, orders))
    named = [statement_of(line) for members in rows for line, _ in members[:MOST_SHOWN]]
    about = {
        row[0]: row
        for row in Statement.objects.filter(pk__in=named).values_list(
            "pk", "fingerprint", "normalized_sql", "kind", "tables", "text_state", "first_seen", "last_seen"
        )
    }
    return StatementPage(
        rows=[row for members in rows if (row := _row(members, about, found.server_time_ms)) is not None],
        count=len(groups.firsts),
        total_exec_time_ms=_counted_once_ms(found, kept, statement_ids),
        total_calls=int(sums["calls"].sum()),
        covered_s=found.covered_s,
        start=window.start,
        end=window.end,
        sums=found,
    )


def statement_times(
    server: Server, window: Window, lines: Sequence[int], filters: Mapping[str, Any], line_of: Mapping[Ran, int]
) -> tuple[dict[int, float], float]:
    """Total time (ms) of these in the window by id, and how many seconds of it were measured; no texts are read.

    ``filters``: of them ``database_oid`` and ``role_oid``. ``lines`` and ``line_of`` as for ``statement_totals``.
    """
    named = list({statement_of(line) for line in lines}) if len(lines) <= MOST_NAMED else None
    sums = by_line(entry_sums(server, window, RAN, named), line_of)
    ids, columns = sums.by_statement(_kept(sums, {k: v for k, v in filters.items() if v not in (None, "")}))
    keep = np.isin(ids, list(lines))
    times_ms = columns["total_exec_time_us"][keep] / 1000
    return dict(zip(ids[keep].tolist(), times_ms.tolist(), strict=True)), sums.covered_s


def _row(members: list[Member], about: Mapping[int, tuple[Any, ...]], server_time_ms: float) -> StatementTotals | None:
    """One statement, or a group of them under the text of its first; None where it was deleted a moment ago."""
    shown = [
        _totals(about[statement_of(line)], line, sums, server_time_ms)
        for line, sums in members[:MOST_SHOWN]
        if statement_of(line) in about
    ]
    if not shown or len(members) == 1:
        return shown[0] if shown else None
    whole = _totals(about[shown[0].statement_id], shown[0].line, added_up(members), server_time_ms)
    return replace(whole, member_ids=tuple(line for line, _ in members), members=tuple(shown))


def _counted_once_ms(sums: EntrySums, kept: NDArray[np.bool_], statement_ids: NDArray[np.int64]) -> float:
    """Time of some statements together: what ran inside a function is part of the calling statement's already."""
    top = kept & ~sums.is_nested & np.isin(sums.statement_ids, statement_ids)
    return float(sums.column("total_exec_time_us")[top].sum()) / 1000


def _kept(sums: EntrySums, wanted: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The entries that ran and that ``wanted`` leaves."""
    keep = np.sum([sums.column(name) for name in RAN], axis=0) > 0
    for name in ("database_oid", "role_oid"):
        if name in wanted:
            keep &= getattr(sums, name + "s") == wanted[name]
    kept: NDArray[np.bool_] = keep
    return kept


def _matching(server: Server, wanted: Mapping[str, Any]) -> list[int] | None:
    """Ids of the server's statements that the filters on texts leave; None: all."""
    statements = Statement.objects.filter(server=server)
    conditions = {
        "search": "normalized_sql__icontains",
        "kind": "kind",
    }
    given = {conditions[k]: v for k, v in wanted.items() if k in conditions}
    if "tables" in wanted:
        given["tables__overlap"] = wanted["tables"]
    return list(statements.filter(**given).values_list("pk", flat=True)) if given else None


def _totals(about: tuple[Any, ...], line: int, sums: Mapping[str, int], server_time_ms: float) -> StatementTotals:
    statement_id, print_, sql, kind, tables, text_state, first_seen, last_seen = about
    return StatementTotals(
        statement_id=statement_id,
        fingerprint=print_,
        normalized_sql=sql,
        kind=kind,
        tables=tables,
        text_state=text_state,
        first_seen=first_seen,
        last_seen=last_seen,
        load_ratio=min(1.0, sums["total_exec_time_us"] / 1000 / server_time_ms) if server_time_ms else None,
        sums=sums,
        line=line,
    )


def watched_s(rates: Mapping[int, StatementRate]) -> float | None:
    """What rates of one window are made of; None where nothing ran."""
    return next((rate.watched_s for rate in rates.values()), None)


class ServerRates:
    """What one reading of a window's sums tells per day of measured time: gaps do not thin it out."""

    def __init__(self, server: Server, window: Window) -> None:
        self._sums = entry_sums(server, window, RATE_COLUMNS)

    def by_statement(self) -> dict[int, StatementRate]:
        """Per Statement id."""
        return _rates(self._sums, np.ones(len(self._sums.statement_ids), dtype=bool))

    def by_database(self) -> dict[int, dict[int, StatementRate]]:
        """The same of each database's statements, by its oid."""
        oids = np.unique(self._sums.database_oids).tolist()
        return {oid: rates for oid in oids if (rates := _rates(self._sums, self._sums.database_oids == oid))}

    def database_times(self) -> dict[int, float]:
        return _database_times(self._sums)

    def server_time_s_per_day(self) -> float:
        return _server_time_s_per_day(self._sums)


def server_time_s_per_day(server: Server, window: Window) -> float:
    """Of all its statements, per day of measured time; what ran inside a function is counted once."""
    return _server_time_s_per_day(entry_sums(server, window, ("total_exec_time_us",)))


def _server_time_s_per_day(sums: EntrySums) -> float:
    return sums.server_time_ms / 1000 * DAY_S / sums.covered_s if sums.covered_s else 0.0


def database_times(server: Server, window: Window) -> dict[int, float]:
    """Seconds a day that statements of each database took, by its oid; without our own and what ran inside others."""
    return _database_times(entry_sums(server, window, ("total_exec_time_us",)))


def _database_times(sums: EntrySums) -> dict[int, float]:
    if not sums.covered_s:
        return {}
    time_us = np.where(sums.is_nested, 0, sums.column("total_exec_time_us"))
    oids, which = np.unique(sums.database_oids, return_inverse=True)
    times = np.bincount(which, weights=time_us) / 1e6 * DAY_S / sums.covered_s
    return {int(oid): float(time) for oid, time in zip(oids, times, strict=True) if time > 0}


def rates(server: Server, window: Window) -> dict[int, StatementRate]:
    """Per Statement id, per day of measured time: gaps do not thin the rates out."""
    return ServerRates(server, window).by_statement()


def rates_by_database(server: Server, window: Window) -> dict[int, dict[int, StatementRate]]:
    """The same of each database's statements, by its oid."""
    return ServerRates(server, window).by_database()


def _rates(found: EntrySums, keep: NDArray[np.bool_]) -> dict[int, StatementRate]:
    ran = found.column("calls") + found.column("total_exec_time_us") > 0
    statement_ids, sums = found.by_statement(ran & keep)
    if not found.covered_s:
        return {}
    per_day = DAY_S / found.covered_s
    columns = (statement_ids, sums["calls"], sums["total_exec_time_us"], sums["rows"])
    return {
        statement_id: StatementRate(
            calls_per_day=calls * per_day,
            total_time_s_per_day=time_us / 1e6 * per_day,
            mean_exec_time_ms=time_us / 1000 / calls if calls else None,
            rows_per_call=rows / calls if calls else None,
            watched_s=found.covered_s,
        )
        for statement_id, calls, time_us, rows in zip(*(c.tolist() for c in columns), strict=True)
    }
