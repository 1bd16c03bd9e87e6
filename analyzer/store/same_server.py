"""Several addresses of one PostgreSQL server: its databases are looked into under one of them.

The same postmaster is known by the microsecond of its start: readable everywhere without rights, and different for a
replica or a restored copy, which have the system identifier of the original.
"""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery

from analyzer.errors import BadInput
from analyzer.models import Database, ModelsMap, Server, Snapshot
from analyzer.monitored.access.identity import ServerIdentity
from analyzer.monitored.connection import ConnectionSettings
from analyzer.store.databases import MOST, SYSTEM
from analyzer.store.servers import remove_server

CLOCKS_APART = timedelta(minutes=10)  # judgement: between our clock and a monitored server's


@dataclass(frozen=True, slots=True)
class Merging:
    """What becomes of the databases of the server that goes.

    ``coming``: looked into under the other from then on. ``left_out``: never there, each with the reason.
    """

    coming: Sequence[Database]
    left_out: Sequence[tuple[Database, str]]


def others_of_cluster(server: Server, started_at: datetime) -> list[Server]:
    """Other servers that are watched and whose newest sample came from the same postmaster."""
    others = _sampled().exclude(pk=server.pk)
    return list(others.filter(Q(started_at=started_at), is_active=True).order_by("name"))


def watched_as_well(server: Server) -> list[Server]:
    """As ``others_of_cluster``, by the server's own newest sample; empty for one that is not watched."""
    newest = Snapshot.objects.filter(server=server).order_by("-taken_at").first()
    if newest is None or newest.server_started_at is None or not server.is_active:
        return []
    return others_of_cluster(server, newest.server_started_at)


def last_seen_as(identity: ServerIdentity) -> Server | None:
    """The server whose newest sample came from the postmaster that answers, the oldest of several."""
    return _sampled().filter(Q(started_at=identity.started_at)).order_by("created_at").first()


def may_have_restarted(identity: ServerIdentity) -> list[Server]:
    """Servers that may be the one that answers, since no sample of theirs is younger than its start."""
    before = identity.started_at + CLOCKS_APART
    watched = _sampled().filter(is_active=True)
    return list(watched.filter(Q(at=None) | Q(started_at=None) | Q(at__lt=before)).order_by("created_at"))


def reached_there(given: ConnectionSettings) -> Server | None:
    """The server of that address that looks into the database as one of its others."""
    at_address = Server.objects.filter(host__iexact=given.host, port=given.port).exclude(dbname=given.dbname)
    return at_address.filter(databases__name=given.dbname, databases__is_inspected=True).first()


def never_reached(given: ConnectionSettings) -> Server | None:
    """The server of that address and login that no sample was taken of yet: one that is still starting."""
    at_address = Server.objects.filter(host__iexact=given.host, port=given.port, user=given.user)
    return at_address.filter(snapshots=None).order_by("created_at").first()


def left_out_by(server: Server, name: str) -> str:
    """The name or pattern by which a database stays left out, although somebody adds it; "" for none."""
    return next((pattern for pattern in (*SYSTEM, *server.databases_not) if fnmatchcase(name, pattern)), "")


def look_into(server: Server, oid: int, name: str) -> bool:
    """Has a database of the server looked into from now on, load or not; whether it was not before.

    A list of those to look into gets its name. What the server leaves out by name or pattern stays left out.
    """
    if name == server.dbname:
        return False
    with transaction.atomic():
        locked = Server.objects.select_for_update().get(pk=server.pk)
        if _is_unlisted(locked, name):
            locked.databases_only = [*locked.databases_only, glob.escape(name)]
            locked.save(update_fields=["databases_only"])
        found, _ = Database.objects.get_or_create(server=server, oid=oid, defaults={"name": name})
        changed = Database.objects.filter(pk=found.pk, is_inspected=False).update(is_inspected=True, name=name)
    return bool(changed)


def merging(kept: Server, gone: Server) -> Merging:
    """Which databases that ``gone`` looks into come to ``kept``, by name, and which do not."""
    known = Database.objects.filter(Q(is_inspected=True) | Q(name=kept.dbname), server=kept)
    room = MOST - known.count()
    coming: list[Database] = []
    left_out: list[tuple[Database, str]] = []
    for database in _looked_into(gone).exclude(oid__in=known.values("oid")).exclude(name=kept.dbname):
        if pattern := left_out_by(kept, database.name):
            left_out.append((database, f"settings leave it out: {pattern}"))
        elif len(coming) >= room:
            left_out.append((database, f"{MOST} databases of a server are looked into at most"))
        else:
            coming.append(database)
    return Merging(coming, left_out)


def merge(kept: Server, gone: Server) -> list[str]:
    """One server of two addresses of it: ``kept`` looks into the databases of ``gone``, which is removed.

    Names of the databases that came. What was known under ``gone`` goes; what people said of its databases (the ORM,
    the map of models) goes over where ``kept`` has nothing. Raises BadInput where they are not two addresses of one
    server any more: somebody may have merged them the other way round a moment ago.
    """
    with transaction.atomic():
        locked = Server.objects.select_for_update().filter(pk__in=[kept.pk, gone.pk]).order_by("pk")
        both = {server.pk: server for server in locked}
        if len(both) != 2 or gone not in watched_as_well(both[kept.pk]):
            raise BadInput(f"{kept.name} and {gone.name} are not two addresses of one server any more.")
        came = [d.name for d in merging(both[kept.pk], gone).coming if look_into(kept, d.oid, d.name)]
        for database in _looked_into(gone):
            _take_over(database, Database.objects.filter(server=kept, oid=database.oid).first())
        remove_server(gone)
    return came


def _looked_into(server: Server) -> QuerySet[Database]:
    return Database.objects.filter(Q(is_inspected=True) | Q(name=server.dbname), server=server).order_by("name")


def _take_over(database: Database, to: Database | None) -> None:
    if to is None:
        return
    if database.orm and not to.orm:
        Database.objects.filter(pk=to.pk).update(orm=database.orm)
    if not ModelsMap.objects.filter(database=to).exists():
        ModelsMap.objects.filter(database=database).update(database=to)


def _is_unlisted(server: Server, name: str) -> bool:
    return bool(server.databases_only) and not any(fnmatchcase(name, p) for p in server.databases_only)


def _sampled() -> QuerySet[Server]:
    """Servers with the start of the postmaster (``started_at``) that the newest sample came from, and when (``at``)."""
    newest = Snapshot.objects.filter(server=OuterRef("pk")).order_by("-taken_at")
    return Server.objects.annotate(
        started_at=Subquery(newest.values("server_started_at")[:1]), at=Subquery(newest.values("taken_at")[:1])
    )
