"""The tables of a database, the largest first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import Database, Server
from analyzer.monitored.catalog.schema import left_out_notes
from analyzer.schema.facts import SchemaFacts
from analyzer.store.schemas import newest_schema
from dashboard.permissions import viewer_required
from dashboard.servers.choice import redirect_to_server, server_and_others
from dashboard.servers.databases import chosen_database
from dashboard.servers.rows import open_findings
from dashboard.servers.state import sampling_state
from dashboard.tables.address import url_of_table
from dashboard.tables.growth import databases_in_words
from dashboard.tables.rows import TableRow, size_of_all, table_rows

PER_PAGE = 50
Order = Callable[[TableRow], tuple[Any, ...]]


def _largest(value: Callable[[TableRow], float | None]) -> Order:
    """The largest first, what is not known last."""

    def key(row: TableRow) -> tuple[Any, ...]:
        amount = value(row)
        return (amount is None, -(amount or 0.0), row.name)

    return key


# Sort keys in the order they are offered: what the form calls them, and by what they sort.
SORTS: dict[str, tuple[str, Order]] = {
    "size": ("Size", _largest(lambda row: row.total_bytes)),
    "growth": ("Growth", _largest(lambda row: row.pace.per_day if row.pace is not None else None)),
    "rows": ("Rows", _largest(lambda row: row.rows)),
    "dead": ("Dead rows", _largest(lambda row: row.dead_rows)),
    "indexes": ("Size of indexes", _largest(lambda row: row.index_bytes)),
    "seq": ("Rows read by sequential scans", _largest(lambda row: row.seq_rows_read)),
    "vacuum": ("Longest without VACUUM", lambda row: (*_moment(row), row.name)),
    "name": ("Name", lambda row: (row.name,)),
}
DEFAULT_SORT = "size"


@dataclass(frozen=True, slots=True)
class Listed:
    row: TableRow
    url: str
    findings: int


@viewer_required
@require_GET
def all_tables(request: HttpRequest) -> HttpResponse:
    return redirect_to_server(request, "tables", "tables", "Tables")


@viewer_required
@require_GET
def tables(request: HttpRequest, server: str) -> HttpResponse:
    found, others = server_and_others(server)
    chosen = chosen_database(request, found)
    facts = newest_schema(chosen.database) if chosen.database else None
    q = request.GET.get("q", "").strip()[:200]
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else DEFAULT_SORT
    rows = _wanted(facts, q) if facts else []
    left_out = " ".join(left_out_notes(facts)) if facts else ""
    total_bytes, is_whole = size_of_all(rows)
    page = Paginator(sorted(rows, key=SORTS[sort][1]), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "section": "tables",
        "server": found,
        "other_servers": others,
        "database": chosen.database,
        "databases": chosen.others,
        "state": sampling_state(found),
        "step": found.steps.filter(step="schema").first(),
        "facts": facts,
        "q": q,
        "sort": sort,
        "sorts": [(key, title) for key, (title, _) in SORTS.items()],
        "sorted_by": SORTS[sort][0].lower(),
        "page": page,
        "listed": _listed(found, chosen.database, list(page.object_list)),
        "total_bytes": total_bytes,
        "is_at_least": total_bytes is not None and (not is_whole or bool(left_out)),
        "growth": databases_in_words(found, chosen.database, timezone.now()) if chosen.database else [],
        "left_out": left_out,
        "is_size_missing": bool(facts and "schema_storage" in facts.parts_not_read),
    }
    return render(request, "dashboard/tables.html", context)


def _wanted(facts: SchemaFacts, q: str) -> list[TableRow]:
    """Partitions stand for themselves only where somebody looks for a name."""
    if not q:
        return [row for row in table_rows(facts) if row.table.parent_oid is None]
    looked_for = q.lower()
    return [row for row in table_rows(facts) if looked_for in row.name.lower()]


def _listed(server: Server, database: Database | None, rows: Sequence[TableRow]) -> list[Listed]:
    if database is None or not rows:
        return []
    names = [row.name for row in rows]
    of_tables = open_findings().filter(database=database, table__in=names).values_list("table")
    counts = dict(of_tables.annotate(Count("pk")))
    return [Listed(row, url_of_table(server, database, row.table), counts.get(row.name, 0)) for row in rows]


def _moment(row: TableRow) -> tuple[Any, ...]:
    """Never vacuumed first, then the longest ago; what is not known and what cannot be last."""
    run = row.vacuum
    if not run.is_known:
        return (2, 0.0)
    return (0, -(row.total_bytes or 0)) if run.at is None else (1, run.at.timestamp())
