"""What is known of servers as a whole: one reading an hour, to take rates and growth from."""

import zlib
from dataclasses import replace
from datetime import datetime, timedelta

from django.utils import timezone

from analyzer.models import Server, ServerReading
from analyzer.schema.changes import setting_changes
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.kept import decode_cluster, encode_cluster
from analyzer.store import events
from analyzer.store.series.sizes import keep_database_sizes, with_database_paces
from analyzer.store.unpacking import unpacked

RATES_OVER = timedelta(days=1)  # a day holds every hour's habits once
LEAST_BETWEEN = timedelta(hours=1)
SESSIONS_FOR = timedelta(days=30)  # judgement: a month's end and its reports lie in between
HOURLY_FOR = timedelta(days=3)


def keep_cluster(server: Server, facts: ClusterFacts, taken_at: datetime | None = None) -> None:
    """What somebody set since the reading before is an event."""
    now = taken_at or timezone.now()
    last = _last(server)
    before = _decoded(last) if last is not None else None
    facts = replace(facts, most_sessions=_most_sessions(facts, before, now))
    if last is not None and before is not None:
        events.note_settings(server, setting_changes(before, facts), now, min(last.taken_at, now))
    ServerReading.objects.update_or_create(
        server=server,
        hour=now.replace(minute=0, second=0, microsecond=0),
        defaults={"taken_at": now, "facts": zlib.compress(encode_cluster(facts), level=6)},
    )
    keep_database_sizes(server, facts, now)


def last_cluster(server: Server) -> ClusterFacts | None:
    """As it was read, alone."""
    last = _last(server)
    return _decoded(last) if last is not None else None


def _most_sessions(facts: ClusterFacts, before: ClusterFacts | None, now: datetime) -> dict[str, int]:
    """By day, carried on from reading to reading: of most days one reading stays, and it is the night's."""
    today, oldest = f"{now:%Y-%m-%d}", f"{now - SESSIONS_FOR:%Y-%m-%d}"
    by_day = {day: most for day, most in (before.most_sessions if before else {}).items() if day >= oldest}
    return by_day | ({today: max(facts.sessions, by_day.get(today, 0))} if facts.databases is not None else {})


def newest_cluster(server: Server) -> ClusterFacts | None:
    """The newest reading, with the databases' pace and with the one of about a day before as ``earlier``; at least an
    hour lies between them.
    """
    readings = ServerReading.objects.filter(server=server).order_by("-taken_at")
    newest = readings.first()
    read = _decoded(newest) if newest is not None else None
    if newest is None or read is None:
        return None
    before = readings.filter(taken_at__lte=newest.taken_at - LEAST_BETWEEN)
    a_day = before.filter(taken_at__gte=newest.taken_at - RATES_OVER).last() or before.first()
    facts = with_database_paces(server, read, newest.taken_at)
    return replace(facts, earlier=_decoded(a_day)) if a_day is not None else facts


def keep_one_per_day(now: datetime, keep: timedelta) -> None:
    """Of older days the last reading stays; what is older than ``keep`` goes."""
    ServerReading.objects.filter(taken_at__lt=now - keep).delete()
    old = ServerReading.objects.filter(taken_at__lt=now - HOURLY_FOR).order_by("server_id", "taken_at")
    last_of_day = {(server, at.date()): pk for pk, server, at in old.values_list("pk", "server_id", "taken_at")}
    old.exclude(pk__in=last_of_day.values()).delete()


def _last(server: Server) -> ServerReading | None:
    return ServerReading.objects.filter(server=server).order_by("-taken_at").first()


def _decoded(reading: ServerReading) -> ClusterFacts | None:
    return unpacked(reading.facts, decode_cluster, f"Kept reading {reading.pk} of a server")
