"""Two weeks of many statements, hour by hour, and two days in spans of five minutes: what checks of their past see."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from analyzer.behaviour.past import SpanFigures, StatementPast, no_figures
from analyzer.models import Database, StatementEntry
from analyzer.store.plan_periods import causes_of, changes_in_words, periods_of
from analyzer.store.series import sums
from analyzer.store.series.columns import without_calls
from analyzer.store.series.sums import Ints

PAST = timedelta(days=14)  # judgement: two of each day of the week
RECENT = timedelta(days=2)
HOUR_S, RECENT_S = 3600, 300
READ = ("calls", "total_exec_time_us", "rows", "shared_hit_blocks", "shared_read_blocks")


def pasts(database: Database, statements: Mapping[int, str], now: datetime) -> list[StatementPast]:
    """Of statements (id -> fingerprint) as they ran in the database; those that did not are left out."""
    hours = figures_of(database, list(statements), "statement_hour", HOUR_S, now - PAST, now)
    recent = figures_of(database, list(statements), "statement_recent", RECENT_S, now - RECENT, now)
    plans = periods_of(database, list(statements), now - PAST)
    said = changes_in_words(database, plans.items())
    causes = causes_of(database, list(plans))
    all_pasts = [
        StatementPast(
            fingerprint,
            now,
            hours.get(pk, no_figures(HOUR_S)),
            recent.get(pk, no_figures(RECENT_S)),
            tuple(plans.get(pk, ())),
            said.get(pk, {}),
            causes.get(pk, {}),
        )
        for pk, fingerprint in statements.items()
        if pk in hours or pk in recent
    ]
    return [replace(past, others=all_pasts) for past in all_pasts]


def figures_of(
    database: Database, statement_ids: Collection[int], table: str, step_s: int, start: datetime, end: datetime
) -> dict[int, SpanFigures]:
    """By statement: the sums of ``table`` over spans of ``step_s``. Two queries."""
    entries = list(
        StatementEntry.objects.filter(
            server_id=database.server_id, database_oid=database.oid, is_own=False, statement_id__in=list(statement_ids)
        )
        .order_by("pk")
        .values_list("pk", "statement_id", "adds_calls")
    )
    if not entries:
        return {}
    ids = np.array([pk for pk, _, _ in entries], dtype=np.int64)
    of, row_of = np.unique([statement_id or 0 for _, statement_id, _ in entries], return_inverse=True)
    fetches = [pk for pk, _, adds_calls in entries if not adds_calls]
    first = int(start.timestamp()) // step_s
    total = np.zeros((len(of), int(end.timestamp()) // step_s - first + 1, len(READ)), dtype=np.int64)
    _add_up(database.server_id, table, start, end, ids, fetches, row_of, first, step_s, total)
    return {
        int(pk): figures for pk, sums_ in zip(of, total, strict=True) if len(figures := _figures(sums_, first, step_s))
    }


def _add_up(
    server_id: int, table: str, start: datetime, end: datetime, ids: Ints, fetches: Sequence[int], row_of: Ints,
    first: int, step_s: int, total: Ints,
) -> None:  # fmt: skip
    chunks = sums.read(
        table,
        "server_id = %(server)s and starts_at >= %(start)s and starts_at < %(end)s",
        {"server": server_id, "start": start, "end": end},
        READ,
        ids.tolist(),
    )
    for chunk in chunks:
        mine, at = chunk.entries.find(ids)
        values = np.column_stack([chunk.pick(name, at) for name in READ])
        without_calls(ids[mine], values, READ, fetches)
        span = int(chunk.starts_at.timestamp()) // step_s - first
        np.add.at(total[:, span], row_of[mine], values)


def _figures(sums_: Ints, first: int, step_s: int) -> SpanFigures:
    """The spans with calls of one statement."""
    ran = np.flatnonzero(sums_[:, 0])
    calls, time_us, rows, hit, read = sums_[ran].astype(np.float64).T
    starts_s = ((first + ran) * step_s).astype(np.float64)
    return SpanFigures(step_s, starts_s, calls, time_us / 1000, rows, hit + read)
