"""The last intervals of a database as aligned series: what checks of behaviour look at."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import numpy as np
from django.conf import settings
from django.db import connection
from numpy.typing import NDArray

from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.behaviour.workload import ObservedWorkload, StatementSeries
from analyzer.models import Database, ModelsMap, Server, Statement, StatementEntry
from analyzer.store.models_map import models_of
from analyzer.store.parameters import samples_by_statement
from analyzer.store.schemas import newest_schema
from analyzer.store.series.activity import session_evidence
from analyzer.store.series.columns import without_calls
from analyzer.store.series.copying import from_us, to_microseconds
from analyzer.store.series.packing import read_points
from analyzer.store.series.totals import StatementRate
from analyzer.store.series.windows import Window

MOST_INTERVALS = 180  # measured: 30 to 180 intervals are enough for a fit
SERIES = ("calls", "rows", "total_exec_time_us")
USUAL = (0.5, 2.0)  # an interval shorter or longer than the median by more is left out: the fit wants equal ones


def workload(server: Server, database: Database, window: Window, intervals: int = MOST_INTERVALS) -> ObservedWorkload:
    """Series of every statement (per role and toplevel) over the newest ``intervals`` of the window.

    Intervals that were gaps, or of an unusual length, are not in it. Facts are those of the newest schema
    reading, sessions those of the activity samples in the same span.
    """
    times, interval_s = _intervals(server, window, intervals)
    facts = newest_schema(database)
    if not len(times):
        return ObservedWorkload(interval_s=float(server.sample_interval_s), series=(), facts=facts)
    series = _series(server, database, window, times)
    span = replace(window, start=max(window.start, _before(times, interval_s)))
    return ObservedWorkload(
        interval_s=interval_s,
        series=series,
        facts=facts,
        sessions=session_evidence(server, database, span.start, span.end),
        round_trip_ms=settings.ANALYZER_ASSUMED_ROUND_TRIP_MS,
        models=models_of(ModelsMap.objects.filter(database=database).first()),
    )


def _intervals(server: Server, window: Window, most: int) -> tuple[NDArray[np.int64], float]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select taken_at, interval_s from server_delta where server_id = %s and taken_at > %s and taken_at <= %s"
            " order by taken_at desc limit %s",
            [server.pk, window.start, window.end, most],
        )
        rows = cursor.fetchall()[::-1]
    if not rows:
        return np.zeros(0, np.int64), 0.0
    lengths = np.array([r[1] for r in rows])
    usual = float(np.median(lengths))
    keep = (lengths >= usual * USUAL[0]) & (lengths <= usual * USUAL[1])
    return np.array([to_microseconds(r[0]) for r in rows], dtype=np.int64)[keep], usual


def _before(times: NDArray[np.int64], interval_s: float) -> datetime:
    return from_us(int(times[0]) - int(interval_s * 1e6))


def _series(
    server: Server, database: Database, window: Window, times: NDArray[np.int64]
) -> tuple[StatementSeries, ...]:
    entries = list(
        StatementEntry.objects.filter(
            server=server, database_oid=database.oid, is_own=False, statement__isnull=False
        ).select_related("statement")
    )
    groups: dict[tuple[int, int, bool], int] = {}
    group_of: dict[int, int] = {}
    first: list[StatementEntry] = []
    for entry in entries:
        assert entry.statement_id is not None
        key = (entry.statement_id, entry.role_oid, entry.toplevel)
        if key not in groups:
            groups[key] = len(first)
            first.append(entry)
        group_of[entry.pk] = groups[key]
    if not first:
        return ()
    points = read_points(server.pk, from_us(int(times[0]) - 1), window.end, SERIES)
    ids = np.array(sorted(group_of), dtype=np.int64)
    group_by_id = np.array([group_of[i] for i in ids.tolist()], dtype=np.int64)
    place = np.searchsorted(ids, points.entry_ids)
    interval = np.searchsorted(times, points.taken_at_us)
    known = (ids[np.minimum(place, len(ids) - 1)] == points.entry_ids) & (
        times[np.minimum(interval, len(times) - 1)] == points.taken_at_us
    )
    without_calls(points.entry_ids, points.values, SERIES, [entry.pk for entry in entries if not entry.adds_calls])
    dense = np.zeros((3, len(first), len(times)))
    at = (group_by_id[place[known]], interval[known])
    for i in range(3):
        np.add.at(dense[i], at, points.values[known, i])
    ran = dense[0].any(axis=1) | dense[2].any(axis=1)
    return tuple(
        StatementSeries(
            fingerprint=entry.statement.fingerprint,
            normalized_sql=entry.statement.normalized_sql,
            role_oid=entry.role_oid,
            toplevel=entry.toplevel,
            calls=dense[0, i],
            rows=dense[1, i],
            exec_time_ms=dense[2, i] / 1000,
            tags=dict(entry.statement.tags),
        )
        for i, entry in enumerate(first)
        if ran[i] and entry.statement is not None
    )


def recorded_statements(
    server: Server, database: Database, daily: Mapping[int, StatementRate]
) -> list[WorkloadStatement]:
    """What an index could help of what ran in ``database``; ``daily``: the rates of all statements, by id."""
    entries = StatementEntry.objects.filter(
        server=server, database_oid=database.oid, is_own=False, statement_id__in=list(daily)
    )
    names = dict(server.roles.values_list("oid", "name"))
    roles: dict[int, set[str]] = {}
    at_top: set[int] = set()
    for statement_id, role_oid, toplevel in entries.values_list("statement_id", "role_oid", "toplevel"):
        assert statement_id is not None
        roles.setdefault(statement_id, set()).update([names[role_oid]] if role_oid in names else [])
        at_top.update([statement_id] if toplevel else [])
    ids = set(roles)
    statements = Statement.objects.filter(pk__in=ids, text_state=Statement.TextState.OK, kind__in=Statement.PLANNABLE)
    samples = samples_by_statement(ids, database)
    return [
        WorkloadStatement(
            fingerprint=s.fingerprint,
            sql=s.normalized_sql,
            calls_per_day=daily[s.pk].calls_per_day,
            total_time_s_per_day=daily[s.pk].total_time_s_per_day,
            mean_time_ms=daily[s.pk].mean_exec_time_ms or 0.0,
            rows_per_call=daily[s.pk].rows_per_call,
            samples=tuple(samples.get(s.pk, ())),
            roles=tuple(sorted(roles[s.pk])),
            is_nested=s.pk not in at_top,
        )
        for s in statements.order_by("fingerprint")
    ]
