"""What is kept that proves, or disproves, that an index may go: plans without it, and scans that replicas counted."""

from functools import lru_cache

from analyzer.checks.statistics import counted_days
from analyzer.models import AdviceRun, Database, Server, ServerReading
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.kept import decode_cluster
from analyzer.schema.replica_scans import ReplicaScans
from analyzer.schema.without_index import Proofs, WithoutIndex
from analyzer.store import schemas
from analyzer.store.unpacking import unpacked

SERVERS_AT_HAND = 500


def plans_without(database: Database, facts: SchemaFacts) -> Proofs:
    """By the last advice, of indexes that are still the same ones."""
    told = AdviceRun.objects.filter(database=database).values_list("result__judged_drops", flat=True).first() or []
    names = {index.oid: index.name for table in facts for index in table.indexes}
    verdicts = (WithoutIndex(**one) for one in told)
    return {verdict.oid: verdict for verdict in verdicts if names.get(verdict.oid) == verdict.name}


def replica_scans(server: Server, database: Database) -> ReplicaScans | None:
    """Of the server's physical replicas that are watched too; None where there is none.

    A replica whose schema was not read yet counts as one that does not tell.
    """
    systems = _systems()
    mine = systems.get(server.pk)
    if mine is None or mine[0] is None or mine[1]:
        return None
    theirs = [pk for pk, (system, is_replica) in systems.items() if system == mine[0] and is_replica]
    if not theirs:
        return None
    databases = Database.objects.filter(server__in=theirs, oid=database.oid).select_related("server")
    read = {d.server_id: schemas.kept_schema(d) for d in databases}
    names = dict(Server.objects.filter(pk__in=theirs).values_list("pk", "name"))
    kept = [facts for pk in theirs if (facts := read.get(pk)) is not None]
    days = [counted_days(facts) for facts in kept]
    known = [day for day in days if day is not None]
    is_told = len(known) == len(theirs)
    return ReplicaScans(tuple(sorted(names.values())), _scans(kept) if is_told else {}, min(known) if is_told else None)


def _systems() -> dict[int, tuple[int | None, bool]]:
    """Of each server by its newest reading: the system's identifier, and whether it is a replica."""
    newest = ServerReading.objects.order_by("server_id", "-taken_at").distinct("server_id")
    return {server: _system_of(reading) for server, reading in newest.values_list("server_id", "pk")}


@lru_cache(maxsize=SERVERS_AT_HAND)
def _system_of(reading: int) -> tuple[int | None, bool]:
    """As the reading says, which is of one hour."""
    packed = ServerReading.objects.values_list("facts", flat=True).get(pk=reading)
    facts = unpacked(packed, decode_cluster, f"Kept reading {reading} of a server")
    return (facts.system, facts.is_replica) if facts is not None else (None, False)


def _scans(replicas: list[SchemaFacts]) -> dict[int, int]:
    counts = [{i.oid: i.scans for table in facts for i in table.indexes if i.scans is not None} for facts in replicas]
    shared = set(counts[0]).intersection(*counts[1:]) if counts else set()
    return {oid: sum(count[oid] for count in counts) for oid in shared}
