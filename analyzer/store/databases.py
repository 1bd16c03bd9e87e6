"""Which databases of a server are looked into: schema, plans, advice. Counters are sampled for all of them anyway."""

from collections.abc import Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from django.db.models import Max, Q

from analyzer.models import Database, Server

# of PostgreSQL and of hosts: nobody's application
SYSTEM = ("template0", "template1", "rdsadmin", "cloudsqladmin", "azure_maintenance", "azure_sys")
MOST = 50  # judgement: of one server; those with the most load


def is_left_out(server: Server, name: str) -> bool:
    """By the server's lists. The database it is reached through is always looked into."""
    if name == server.dbname:
        return False
    if name in SYSTEM or any(fnmatchcase(name, pattern) for pattern in server.databases_not):
        return True
    return bool(server.databases_only) and not any(fnmatchcase(name, pattern) for pattern in server.databases_only)


def choose_databases(server: Server, load_s_per_day: Mapping[int, float]) -> None:
    """Marks those to look into: the one it is reached through, and those with load, the busiest first.

    ``load_s_per_day``: by oid. One that was chosen stays so when it is idle, until it is gone or left out.
    """
    known = [d for d in Database.objects.filter(server=server) if not is_left_out(server, d.name)]
    wanted = [d for d in known if d.name == server.dbname or d.is_inspected or load_s_per_day.get(d.oid, 0.0) > 0]
    wanted.sort(key=lambda d: (d.name != server.dbname, -load_s_per_day.get(d.oid, 0.0), d.name))
    chosen = {d.pk for d in wanted[:MOST]}
    for database in Database.objects.filter(server=server):
        if database.is_inspected != (database.pk in chosen):
            Database.objects.filter(pk=database.pk).update(is_inspected=database.pk in chosen, problem="")


def inspected_databases(server: Server) -> list[Database]:
    """The one the server is reached through first, then by name; empty until names have been read."""
    databases = Database.objects.filter(Q(is_inspected=True) | Q(name=server.dbname), server=server).order_by("name")
    return sorted(databases, key=lambda database: database.name != server.dbname)


def inspected_database(server: Server) -> Database | None:
    """The database the server is reached through; None until its name has been read."""
    return Database.objects.filter(server=server, name=server.dbname).first()


def least_recently_read(server: Server, before: datetime) -> list[Database]:
    """Those to look into whose schema was last read before then, or never; but for the one it is reached through."""
    others = Database.objects.filter(server=server, is_inspected=True).exclude(name=server.dbname)
    read_at = dict(others.annotate(at=Max("schemas__confirmed_at")).values_list("pk", "at"))
    due = [database for database in others if (at := read_at[database.pk]) is None or at < before]
    return sorted(due, key=lambda d: (read_at[d.pk] or datetime.min.replace(tzinfo=UTC), d.name))


def set_problem(database: Database, problem: str) -> None:
    """Why it could not be looked into; "" where it could."""
    if database.problem != problem:
        Database.objects.filter(pk=database.pk).update(problem=problem)
        database.problem = problem
