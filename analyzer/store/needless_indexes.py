"""What is kept that proves, or disproves, that an index may go: plans without it, and scans that replicas counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from analyzer.checks.statistics import counted_days
from analyzer.models import AdviceRun, Database, Server, ServerReading
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.kept import decode_cluster
from analyzer.schema.replica_scans import ReplicaScans, of_nobody_watched
from analyzer.schema.without_index import Proofs, WithoutIndex
from analyzer.store import schemas
from analyzer.store.unpacking import unpacked

READINGS_AT_HAND = 5_000
DAY = timedelta(days=1)
READ_WITHIN = timedelta(days=2)  # judgement: what a replica counted before says nothing of today's statements
BELIEVED_FOR = timedelta(days=7)  # judgement: statements of a week are much the same
KEPT_FOR = timedelta(days=90)  # judgement: an index that a statement needed then has been judged anew since


def plans_without(database: Database, facts: SchemaFacts, now: datetime) -> Proofs:
    """By the newest advice that judged each, of indexes that are still the same ones, with their age.

    That one may go is believed for some days; that a statement needs it, until another run says otherwise.
    """
    names = {index.oid: index.name for table in facts for index in table.indexes}
    proofs = {}
    for one in _judged_drops(database):
        at = datetime.fromisoformat(one["planned_at"])
        verdict = WithoutIndex(
            **{name: value for name, value in one.items() if name != "planned_at"} | {"days_ago": (now - at) / DAY}
        )
        if names.get(verdict.oid) == verdict.name and (not verdict.may_go or now - at < BELIEVED_FOR):
            proofs[verdict.oid] = verdict
    return proofs


def with_earlier(database: Database, judged: Sequence[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """What a run judged, each with its time, and what the runs before it judged that this one did not look at."""
    new = {one["oid"] for one in judged}
    earlier = [one for one in _judged_drops(database) if one["oid"] not in new]
    kept = [one for one in earlier if now - datetime.fromisoformat(one["planned_at"]) < KEPT_FOR]
    return [*({**one, "planned_at": now.isoformat()} for one in judged), *kept]


def _judged_drops(database: Database) -> list[dict[str, Any]]:
    """As the last run that gave advice left them, each with its time."""
    runs = AdviceRun.objects.filter(database=database).values_list("made_at", "result__judged_drops")
    made_at, judged = runs.first() or (None, None)
    return [{"planned_at": made_at.isoformat(), **one} for one in judged or []] if made_at is not None else []


def replica_scans(server: Server, database: Database, now: datetime) -> ReplicaScans | None:
    """Of the server's physical replicas; None where there is none.

    One that is paused, was not read lately, is not watched, or may be a replica of this server for all that is known,
    counts as one that does not tell.
    """
    others = {s.pk: s for s in Server.objects.exclude(pk=server.pk)}
    systems = _systems()
    mine = systems.get(server.pk)
    if mine is not None and mine.is_replica:
        return None
    theirs = [pk for pk, other in others.items() if _may_be_replica(other, systems.get(pk), mine)]
    unwatched = _unwatched(server, [others[pk] for pk in theirs], now)
    if not theirs:
        return of_nobody_watched(unwatched)
    names = tuple(sorted(others[pk].name for pk in theirs))
    since = now - READ_WITHIN
    kept: list[SchemaFacts] = []
    for replica in Database.objects.filter(server__in=theirs, oid=database.oid).select_related("server"):
        is_recent = replica.schemas.filter(confirmed_at__gte=since).exists()
        facts = schemas.kept_schema(replica) if replica.server.is_active and is_recent else None
        kept += [facts] if facts is not None else []
    days = [day for facts in kept if (day := counted_days(facts)) is not None]
    are_known = mine is not None and mine.system is not None
    if not are_known or len(days) != len(theirs) or not all(systems[pk].system for pk in theirs if pk in systems):
        return ReplicaScans(names, unwatched=unwatched)
    return ReplicaScans(names, _scans(kept), min(days), unwatched)


@dataclass(frozen=True, slots=True)
class _System:
    """``system``: its identifier, which a physical replica shares; None where the login may not read it."""

    system: int | None
    is_replica: bool
    standbys: tuple[str, ...] = ()


def _may_be_replica(other: Server, theirs: _System | None, mine: _System | None) -> bool:
    if theirs is None:
        return other.is_active  # not read yet; one that is paused before it ever was, nobody watches
    if not theirs.is_replica:
        return False
    return mine is None or mine.system is None or theirs.system is None or theirs.system == mine.system


def _unwatched(server: Server, watched: Sequence[Server], now: datetime) -> tuple[str, ...]:
    """By name the standbys that stream from it or from a watched one, where those are more than the watched, and the
    replica that EXPLAIN goes to. Which of them are the watched ones no server tells: there are proxies and several
    addresses. One that was away at a reading or two is there."""
    readings = ServerReading.objects.filter(server__in=[server, *watched], taken_at__gte=now - READ_WITHIN)
    most: dict[int, tuple[str, ...]] = {}
    for pk, reading in readings.values_list("server_id", "pk"):
        most[pk] = max(most.get(pk, ()), _system_of(reading).standbys, key=len)
    streaming = [name or "a standby" for standbys in most.values() for name in standbys]
    more = len(streaming) - len(watched)
    address = (server.replica_host, server.replica_port)
    if server.replica_host and address not in {(one.host, one.port) for one in watched} and (more > 0 or not watched):
        return (server.replica_host, *(dict.fromkeys(streaming) if more > 1 else ()))
    return tuple(dict.fromkeys(streaming)) if more > 0 else ()


def _systems() -> dict[int, _System]:
    """Of each server by its newest reading."""
    newest = ServerReading.objects.order_by("server_id", "-taken_at").distinct("server_id")
    return {server: _system_of(reading) for server, reading in newest.values_list("server_id", "pk")}


@lru_cache(maxsize=READINGS_AT_HAND)
def _system_of(reading: int) -> _System:
    """As the reading says, which is of one hour."""
    packed = ServerReading.objects.values_list("facts", flat=True).get(pk=reading)
    facts = unpacked(packed, decode_cluster, f"Kept reading {reading} of a server")
    if facts is None:
        return _System(None, False)
    return _System(facts.system, facts.is_replica, facts.standbys or ())


def _scans(replicas: list[SchemaFacts]) -> dict[int, int]:
    counts = [{i.oid: i.scans for table in facts for i in table.indexes if i.scans is not None} for facts in replicas]
    shared = set(counts[0]).intersection(*counts[1:]) if counts else set()
    return {oid: sum(count[oid] for count in counts) for oid in shared}
