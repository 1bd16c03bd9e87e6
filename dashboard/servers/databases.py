"""Which of a server's databases a page is about: the one its address names, else the one it is reached through."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q
from django.http import HttpRequest

from analyzer.models import Database, FindingRecord, Server, Statement
from analyzer.store.databases import SYSTEM, inspected_databases, is_left_out
from analyzer.store.series.totals import database_times
from analyzer.store.series.windows import Window


@dataclass(frozen=True, slots=True)
class ChosenDatabase:
    """``others``: what can be switched to, this one too; empty where there is no choice."""

    database: Database | None
    others: list[Database]


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    """``load_ratio``: of the statement time of the window; ``why_not``: why nothing of it is looked into, or "".

    ``findings``: open ones.
    """

    database: Database
    load_ratio: float | None
    read_at: datetime | None
    why_not: str
    findings: int


def database_rows(server: Server, window: Window) -> list[DatabaseRow]:
    """Databases with load in the window or looked into, the busiest first; empty where there is one, or only
    PostgreSQL's own besides.
    """
    if not Database.objects.filter(server=server).exclude(name__in=(server.dbname, *SYSTEM, "postgres")).exists():
        return []
    times = database_times(server, window)
    total = sum(times.values())
    databases = Database.objects.filter(Q(is_inspected=True) | Q(oid__in=list(times)), server=server).annotate(
        read_at=Max("schemas__confirmed_at")
    )
    open_findings = FindingRecord.objects.filter(server=server, closed_at__isnull=True, muted_at__isnull=True)
    counts = dict(open_findings.values_list("database_id").annotate(Count("pk")))
    rows = [
        DatabaseRow(
            database,
            times.get(database.oid, 0.0) / total if total else None,
            database.read_at,
            "" if database.is_inspected else "left out" if is_left_out(server, database.name) else "not yet read",
            counts.get(database.pk, 0),
        )
        for database in databases
    ]
    return sorted(rows, key=lambda row: (-(row.load_ratio or 0.0), row.database.name)) if len(rows) > 1 else []


def chosen_database(request: HttpRequest, server: Server) -> ChosenDatabase:
    """By ``?database=NAME`` of the address or of a form."""
    databases = inspected_databases(server)
    wanted = request.GET.get("database") or request.POST.get("database")
    chosen = next((database for database in databases if database.name == wanted), databases[0] if databases else None)
    return ChosenDatabase(chosen, databases if len(databases) > 1 else [])


def database_of(statement: Statement) -> Database | None:
    """The database it ran in: of several the one its server is reached through, else the first by name."""
    databases = inspected_databases(statement.server)
    ran_in = (
        set(statement.entries.filter(is_own=False).values_list("database_oid", flat=True)) if databases[1:] else set()
    )
    return next((database for database in databases if database.oid in ran_in), databases[0] if databases else None)
