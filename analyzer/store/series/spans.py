"""Which sums answer for a window, and their total per entry.

A window is covered by the longest spans that lie in it: days, hours at its edges, minutes at theirs, and the
fresh rows after the mark. Each span says how much of it was measured. They are read once and decoded column by
column: a list ranks all statements by one or two, and needs the others of the fifty it shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from django.db import connection
from django.utils import timezone
from numpy.typing import NDArray

from analyzer.models import Server
from analyzer.store.series import sums
from analyzer.store.series.columns import rollup_expressions
from analyzer.store.series.copying import copy_out
from analyzer.store.series.partitions import floor_to, next_start
from analyzer.store.series.rollups import rolled_up_to
from analyzer.store.series.windows import Window

# Shorter windows are exact to minutes; longer ones begin with a whole hour and take whole days where they can;
# the longest begin with a whole day. What was covered is always said exactly.
MINUTES_UP_TO = timedelta(hours=25)
HOURS_UP_TO = timedelta(days=8)
RECENT_FOR = timedelta(days=2)  # as long as statement_recent is kept
MOST_NAMED = 1_000  # judgement: of more statements or entries than these those of the whole server are read
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spans:
    """The sums of a window, read and not decoded yet; rows after ``fresh_from`` are in none of them.

    ``is_whole``: of all entries; else chunks without the entries asked for are missing.
    """

    server: Server
    window: Window
    chunks: list[sums.Chunk]
    fresh_from: datetime
    is_whole: bool

    def within(
        self, step: timedelta, columns: Sequence[str], entry_ids: Sequence[int] | None = None
    ) -> Iterator[sums.Chunk]:
        """The chunks with ``columns``, none longer than ``step``: instead of days (and hours) their hours are read."""
        long = [chunk for chunk in self.chunks if chunk.ends_at - chunk.starts_at > step]
        if long:
            yield from sums.read(
                "statement_hour",
                "server_id = %(server)s and starts_at >= %(first)s and starts_at < %(last)s",
                {"server": self.server.pk, "first": long[0].starts_at, "last": max(c.ends_at for c in long)},
                columns,
                entry_ids,
            )
        yield from (chunk for chunk in self.chunks if chunk.ends_at - chunk.starts_at <= step)


@dataclass(frozen=True, slots=True)
class EntrySums:
    """Sums per entry of a server (own ones left out) over a window; seconds and time are of the whole server.

    ``adds_calls``: False of a cursor's FETCHes, whose time is that of the statement and whose calls are not.
    ``is_nested``: of statements inside functions, whose time is part of the calling statement's.
    """

    statement_ids: Ints
    database_oids: Ints
    role_oids: Ints
    adds_calls: NDArray[np.bool_]
    is_nested: NDArray[np.bool_]
    total: sums.Accumulator
    covered_s: float
    server_time_ms: float
    spans: Spans

    def column(self, name: str) -> Ints:
        return self.total.column(name)

    def by_statement(self, keep: NDArray[np.bool_]) -> tuple[Ints, dict[str, Ints]]:
        """Statement ids, ascending, and their sums over the entries kept that have a statement."""
        keep = keep & (self.statement_ids > 0)
        ids, at = np.unique(self.statement_ids[keep], return_inverse=True)
        out = sums.Accumulator(ids, self.total.columns)
        # an accumulator takes each id once: first the first entry of every statement, then the second, ...
        order = np.argsort(at, kind="stable")
        nth = np.arange(len(order)) - np.searchsorted(at[order], at[order])
        columns = {c: self.total.column(c)[keep] for c in self.total.columns}
        for n in range(int(nth.max(initial=-1)) + 1):
            some = order[nth == n]
            out.add(sums.Entries(ids[at[some]]), lambda name, where, s=some: columns[name][s][where])  # type: ignore[misc]
        found = {c: out.column(c) for c in self.total.columns}
        fetches = ~self.adds_calls[keep]
        if "calls" in found and fetches.any():
            found["calls"] = found["calls"].copy()
            np.subtract.at(found["calls"], at[fetches], columns["calls"][fetches])
        return ids, found

    def of_statements(
        self, keep: NDArray[np.bool_], statement_ids: Ints, columns: Sequence[str]
    ) -> tuple[Ints, dict[str, Ints]]:
        """As ``by_statement``, of some statements; ``columns`` may be any that were read. One query."""
        some = keep & np.isin(self.statement_ids, statement_ids)
        total = sums.Accumulator(self.total.entry_ids[some], sums.needed(columns))
        _add_up(self.spans, total, is_all=False)
        there = replace(
            self,
            statement_ids=self.statement_ids[some],
            adds_calls=self.adds_calls[some],
            is_nested=self.is_nested[some],
            total=total,
        )
        return there.by_statement(np.ones(len(there.statement_ids), dtype=bool))


def entry_sums(
    server: Server,
    window: Window,
    columns: Sequence[str],
    statement_ids: Sequence[int] | None = None,
    *,
    later: Sequence[str] = (),
) -> EntrySums:
    """Of all entries, or of those of some statements. At most seven queries, whatever the window.

    ``later``: further columns, read but left undecoded, for ``of_statements``.
    """
    columns = sums.needed(columns)
    some = "" if statement_ids is None else " and statement_id = any(%(statements)s)"
    rows = copy_out(
        "select id, coalesce(statement_id, 0), database_oid, role_oid, adds_calls::int::bigint, toplevel::int::bigint"
        f" from analyzer_statemententry where server_id = %(server)s and not is_own{some} order by id",
        6,
        {"server": server.pk, "statements": list(statement_ids or ())},
    )
    total = sums.Accumulator(rows[:, 0].copy(), columns)
    wanted = None if statement_ids is None else total.entry_ids.tolist()
    spans = read_spans(server, window, sums.needed([*columns, *later]), entry_ids=wanted)
    _add_up(spans, total, is_all=spans.is_whole)
    if spans.is_whole:
        covered_s = sum(chunk.covered_s for chunk in spans.chunks if chunk.is_first)
        covered_s += _measured(server, spans.fresh_from, window.end)[0]
        time_ms = float(total.column("total_exec_time_us")[rows[:, 5] == 1].sum()) / 1000
    else:
        covered_s, time_ms = _measured(server, first_moment(window), window.end)
    return EntrySums(
        rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4] == 1, rows[:, 5] == 0, total, covered_s, time_ms, spans
    )


def read_spans(
    server: Server,
    window: Window,
    columns: Sequence[str],
    *,
    days: bool = True,
    entry_ids: Sequence[int] | None = None,
) -> Spans:
    """What answers for the window: of all entries, or what may hold some. ``days=False``: hours instead of days."""
    mark = rolled_up_to(server)
    chunks = list(_chunks(server, window, mark, columns, days=days, entry_ids=entry_ids))
    return Spans(server, window, chunks, max(mark, window.start) if mark else window.start, entry_ids is None)


def _add_up(spans: Spans, total: sums.Accumulator, *, is_all: bool) -> None:
    """Chunks and fresh rows; ``is_all``: the total is of all entries, so all fresh rows are asked for. One query."""
    for chunk in spans.chunks:
        total.add(chunk.entries, chunk.pick)
    if spans.fresh_from < spans.window.end:
        _add_fresh(spans, total, None if is_all else total.entry_ids.tolist())


def first_moment(window: Window) -> datetime:
    """Where the figures of a window really begin; of one that is exact to minutes, its start."""
    if _is_exact(window):
        return window.start
    return floor_to(window.start, "day" if window.end - window.start > HOURS_UP_TO else "hour")


def _is_exact(window: Window) -> bool:
    return window.end - window.start <= MINUTES_UP_TO and window.start > timezone.now() - RECENT_FOR


def _chunks(
    server: Server,
    window: Window,
    mark: datetime | None,
    columns: Sequence[str],
    *,
    days: bool,
    entry_ids: Sequence[int] | None,
) -> Iterator[sums.Chunk]:
    """The chunks that cover the window up to the mark."""
    if mark is None:
        return
    end = min(window.end, mark)
    last_hour = floor_to(end, "hour")
    if window.end < timezone.now() - RECENT_FOR and last_hour < floor_to(mark, "hour"):
        last_hour = _ceil(end, "hour")  # its minutes are no longer kept
    is_short = _is_exact(window)
    first_hour = _ceil(window.start, "hour") if is_short else first_moment(window)
    first_day, last_day = _ceil(first_hour, "day"), floor_to(last_hour, "day")
    if is_short or not days or first_day >= last_day:
        first_day = last_day = first_hour
    params = {
        "server": server.pk, "start": window.start, "end": end, "first_hour": first_hour, "last_hour": last_hour,
        "first_day": first_day, "last_day": last_day,
    }  # fmt: skip
    mine = "server_id = %(server)s and starts_at >= "
    if first_day < last_day:
        yield from sums.read(
            "statement_day", f"{mine}%(first_day)s and starts_at < %(last_day)s", params, columns, entry_ids
        )
    if first_hour < last_hour:
        yield from sums.read(
            "statement_hour",
            f"{mine}%(first_hour)s and starts_at < %(last_hour)s"
            " and (starts_at < %(first_day)s or starts_at >= %(last_day)s)",
            params,
            columns,
            entry_ids,
        )
    minutes = "starts_at >= %(last_hour)s" + (" or starts_at < %(first_hour)s" if is_short else "")
    yield from sums.read(
        "statement_recent",
        f"{mine}%(start)s - interval '1 hour' and ends_at > %(start)s and starts_at < %(end)s and ({minutes})",
        params,
        columns,
        entry_ids,
    )


def _ceil(at: datetime, step: str) -> datetime:
    start = floor_to(at, step)
    return start if start == at else next_start(start, step)


def _add_fresh(spans: Spans, total: sums.Accumulator, entry_ids: list[int] | None) -> None:
    """Rows that are not in the sums yet."""
    expressions = rollup_expressions("d")
    wanted = "".join(f", coalesce({expressions[c]}, 0)::bigint" for c in total.columns)
    whose = "server_id = %(server)s" if entry_ids is None else "entry_id = any(%(entries)s)"
    rows = copy_out(
        f"select entry_id{wanted} from statement_delta d where {whose}"
        " and taken_at > %(after)s and taken_at <= %(upto)s group by 1 order by 1",
        1 + len(total.columns),
        {
            "server": spans.server.pk,
            "entries": entry_ids or [],
            "after": spans.fresh_from,
            "upto": spans.window.end,
        },
    )
    total.add(sums.Entries(rows[:, 0]), lambda name, where: rows[where, 1 + total.columns.index(name)])


def _measured(server: Server, after: datetime, upto: datetime) -> tuple[float, float]:
    """Seconds that were measured, and execution time (ms) of all statements in them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select coalesce(sum(interval_s), 0), coalesce(sum(total_exec_time_us), 0) / 1000 from server_delta"
            " where server_id = %s and taken_at > %s and taken_at <= %s",
            [server.pk, after, upto],
        )
        covered_s, time_ms = cursor.fetchone()
    return float(covered_s), float(time_ms)
