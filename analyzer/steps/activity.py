"""The step ``activity``: a server's sessions -> evidence of what single ones do, and real parameter values.

In two halves: ``look`` talks to the server and to nothing else, and mostly sleeps between its looks; ``keep`` talks to
the store. So many servers are looked at side by side over a few connections to the store (session_process.py).
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils import timezone

from analyzer.checks import note
from analyzer.models import Database, Server, Statement
from analyzer.monitored.readings import ActivityRow
from analyzer.monitored.sample.activity import sample_burst, sample_once
from analyzer.monitored.sample.standing import read_standing
from analyzer.schema.standing import Standing
from analyzer.statements.fingerprint import fingerprint_of_seen
from analyzer.steps.check_sessions import check_sessions
from analyzer.steps.connecting import connect_to
from analyzer.store import events, parameters
from analyzer.store.series import activity, clock
from analyzer.store.series.totals import rates
from analyzer.store.series.windows import Window

BURST_S, BURST_HZ = 2.0, 10.0  # measured: 5 to 20 samples a second show runs within a session
LEAST_CALLS_OF_BURST = 2.0  # calls per second: where any lookup is that frequent, sessions are looked at closely
RECENTLY = timedelta(minutes=15)
BESIDE_EVERY_S = 60.0  # slots, prepared transactions and limits change slowly


@dataclass(frozen=True, slots=True)
class SessionSamples:
    """Samples (the server's clock, sessions), at least one; ``at_s``: ``time.monotonic()`` after the last."""

    samples: Sequence[tuple[datetime, Sequence[ActivityRow]]]
    at_s: float
    beside: "StandingReading | None" = None


@dataclass(frozen=True, slots=True)
class StandingReading:
    """What stood on the server beside its sessions, up to a minute before; ``at_s``: ``time.monotonic()`` then."""

    standing: Standing
    at_s: float


def has_frequent_statements(server: Server) -> bool:
    """Whether sessions are worth a close look. Sums 15 minutes of figures: not to be asked at every look."""
    now = timezone.now()
    recent = rates(server, Window(now - RECENTLY, now))
    return any(rate.calls_per_day / 86_400 >= LEAST_CALLS_OF_BURST for rate in recent.values())


def look(server: Server, *, closely: bool, before: StandingReading | None = None) -> SessionSamples:
    """Once, or ten times a second for two seconds. Asks nothing of the store. ``before``: of the look before."""
    with connect_to(server) as conn:
        samples = sample_burst(conn, BURST_S, BURST_HZ) if closely else [sample_once(conn)]
        at_s = time.monotonic()
        if before is not None and at_s - before.at_s < BESIDE_EVERY_S:
            return SessionSamples(samples, at_s, before)
        return SessionSamples(samples, at_s, StandingReading(compared(read_standing(conn), before, at_s), at_s))


def compared(standing: Standing, before: StandingReading | None, now_s: float) -> Standing:
    """With what two readings tell: since when archiving fails, and that a standby has not replayed what it had."""
    limits, archiver = standing.limits, standing.archiver
    if before is None:
        failing_s = 0.0 if archiver and archiver.is_failing else None
        return replace(standing, archiver=replace(archiver, failing_s=failing_s) if archiver else None)
    apart_s, limits_before, archiver_before = now_s - before.at_s, before.standing.limits, before.standing.archiver
    if archiver is not None and archiver.is_failing:
        known_s = archiver_before.failing_s if archiver_before else None
        archiver = replace(archiver, failing_s=0.0 if known_s is None else known_s + apart_s)
    if limits and limits_before and None not in (limits.replayed_bytes, limits_before.received_bytes):
        is_behind = (limits.replayed_bytes or 0) < (limits_before.received_bytes or 0)
        limits = replace(limits, unreplayed_s=apart_s if is_behind else None)
    return replace(standing, limits=limits, archiver=archiver)


def keep(server: Server, looks: SessionSamples) -> str:
    seen_at = clock.store_now() - timedelta(seconds=time.monotonic() - looks.at_s)
    ahead = looks.samples[-1][0] - seen_at
    activity.keep_activity(server, looks.samples, ahead)
    events.note_releases(server, {row.text for _, rows in looks.samples for row in rows}, seen_at)
    here = {row.database_oid for _, rows in looks.samples for row in rows if row.database_oid is not None}
    for database in Database.objects.filter(server=server, is_inspected=True, oid__in=here):
        seen = _texts_with_values(server, database, [(at - ahead, rows) for at, rows in looks.samples])
        parameters.keep_samples(database, seen)
    taken_at, backends = looks.samples[-1]
    standing = looks.beside.standing if looks.beside else None
    return note([check_sessions(server, taken_at, backends, timezone.now(), standing)])


def _texts_with_values(
    server: Server, database: Database, samples: Iterable[tuple[datetime, Sequence[ActivityRow]]]
) -> list[parameters.SeenText]:
    """Texts of known statements that hold their values: complete and without ``$1``."""
    rows = {
        (row.pid, row.query_start): (at, row)
        for at, backends in samples
        for row in backends
        if row.database_oid == database.oid and row.text and not row.is_truncated and "$1" not in row.text
    }
    fingerprints = {key: fingerprint_of_seen(row.text) for key, (_, row) in rows.items()}
    known = dict(
        Statement.objects.filter(
            server=server, fingerprint__in={f for f in fingerprints.values() if f}, kind__in=Statement.PLANNABLE
        ).values_list("fingerprint", "pk")
    )
    return [
        parameters.SeenText(known[text_fingerprint], row.text or "", at, _duration_ms(row))
        for key, (at, row) in rows.items()
        if (text_fingerprint := fingerprints[key]) in known
    ]


def _duration_ms(row: ActivityRow) -> float | None:
    """How long the statement had run, or ran; None where the server does not say."""
    if row.query_start is None or row.state_change is None or row.state == "active":
        return None
    return (row.state_change - row.query_start).total_seconds() * 1000
