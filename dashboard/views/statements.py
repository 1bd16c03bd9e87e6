"""The statements of a server, those that cost the most first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import Server, Statement
from analyzer.store.timelines import sparklines
from analyzer.store.totals import StatementPage, StatementTotals, statement_totals
from analyzer.store.windows import SPANS
from dashboard.permissions import viewer_required
from dashboard.server_rows import open_findings, statements_with_index_ready
from dashboard.server_state import server_state
from dashboard.sparkline import since_watched, sparkline
from dashboard.statement_filters import choices_of, filters_of
from dashboard.windows import choices, window_of

PER_PAGE = 50
BLOCK_SIZE_BYTES = 8192
# Sort keys of analyzer.store.totals.ORDERS in the order they are offered, and what the form calls them.
SORTS = {
    "total_exec_time": "Total time",
    "mean_exec_time": "Mean time",
    "calls": "Calls",
    "rows": "Rows",
    "io_time": "I/O time",
    "shared_read": "Read from disk",
    "wal": "WAL",
    "temp_written": "Temporary files",
}
DEFAULT_SORT = "total_exec_time"
COLUMNS = (
    ("Share of load", None),
    ("Total time", "total_exec_time"),
    ("Calls", "calls"),
    ("Mean", "mean_exec_time"),
    ("Rows", "rows"),
)
# The last column shows what the list is sorted by, where no other does.
LAST_COLUMNS = {
    "shared_read": "Read",
    "io_time": "I/O time",
    "wal": "WAL",
    "temp_written": "Temp written",
}
# What the rows need of the store, always and for the last column.
NEEDED = ("calls", "total_exec_time_us", "rows")
NEEDED_LAST = {
    "shared_read": ("shared_read_blocks", "shared_hit_blocks"),
    "io_time": ("shared_read_time_us", "shared_write_time_us", "shared_read_blocks"),
    "wal": ("wal_bytes",),
    "temp_written": ("temp_written_blocks",),
}
# How the texts of PostgreSQL's TransactionStmt begin.
TRANSACTION_CONTROL = frozenset({"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"})
FINGERPRINT = re.compile(r"[0-9a-f]{12,32}|q[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Row:
    statement: StatementTotals
    url: str
    spark: str
    finding_count: int
    has_index_ready: bool = False

    @property
    def share_width(self) -> str:
        """Of a bar 100 wide; a sliver stays visible."""
        return f"{max(1.0, 100 * (self.statement.load_ratio or 0)):.1f}"

    @property
    def is_transaction_control(self) -> bool:
        """COMMIT may take long, but never because of its text: shown with less weight."""
        first = self.statement.normalized_sql.split(maxsplit=1)[:1]
        return self.statement.kind == "utility" and bool(first) and first[0].strip(";").lower() in TRANSACTION_CONTROL

    @property
    def read_bytes(self) -> int:
        return self.statement.shared_read_blocks * BLOCK_SIZE_BYTES

    @property
    def temp_written_bytes(self) -> int:
        return self.statement.temp_written_blocks * BLOCK_SIZE_BYTES

    @property
    def io_time_ms(self) -> float | None:
        """Of reading and writing shared blocks; None where blocks were read and nobody took the time."""
        time_ms = self.statement.shared_read_time_ms + self.statement.shared_write_time_ms
        return None if not time_ms and self.statement.shared_read_blocks else time_ms


class _Counted(Sequence[Row]):
    """What Django's Paginator needs of a list whose page is already fetched."""

    def __init__(self, rows: list[Row], count: int, offset: int) -> None:
        self.rows, self._count, self.offset = rows, count, offset

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, wanted: Any) -> Any:
        return self.rows if wanted.start == self.offset else []


@viewer_required
@require_GET
def all_statements(request: HttpRequest) -> HttpResponse:
    """To the statements of the server asked for, else of the first by name; there is no list across servers yet."""
    slugs = list(Server.objects.order_by("-is_active", "name").values_list("slug", flat=True))
    if not slugs:
        return render(request, "dashboard/no_server.html", {"section": "statements"})
    wanted = request.GET.get("server", "")
    path = reverse("statements", args=[wanted if wanted in slugs else slugs[0]])
    window = request.GET.get("window")
    return redirect(f"{path}?window={window}" if window in SPANS else path)


@viewer_required
@require_GET
def statements(request: HttpRequest, server: str) -> HttpResponse:
    servers = list(Server.objects.order_by("name"))
    found = next((s for s in servers if s.slug == server), None)
    if found is None:
        raise Http404(server)
    window = window_of(request, found)
    q = request.GET.get("q", "").replace("\0", "").strip()[:200]
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else DEFAULT_SORT
    narrowed = choices_of(found, request.GET)
    filters = {**filters_of(narrowed), **_filters(found, q)}

    def page_of(number: int) -> StatementPage:
        first = (number - 1) * PER_PAGE
        needed = (*NEEDED, *NEEDED_LAST[_last_column(sort)[1]])
        return statement_totals(
            found, window, order_by=sort, limit=PER_PAGE, offset=first, filters=filters, columns=needed
        )

    page_number = max(1, min(10_000, _whole(request.GET.get("page"))))
    totals = page_of(page_number)
    if not totals.rows and totals.count:  # beyond the end: the last page
        page_number = (totals.count - 1) // PER_PAGE + 1
        totals = page_of(page_number)
    offset = (page_number - 1) * PER_PAGE
    ids = [row.statement_id for row in totals.rows]
    sparks = sparklines(totals.found, ids) if ids else {}
    counts = dict(open_findings().filter(statement_id__in=ids).values_list("statement_id").annotate(Count("pk")))
    ready = statements_with_index_ready(found)
    query = f"?window={window.key}"
    rows = [
        Row(
            row,
            reverse("statement", args=[found.slug, row.fingerprint]) + query,
            sparkline(
                _drawn(sparks.get(row.statement_id, []), found.created_at > window.start), f"Load over {window.key}"
            ),
            counts.get(row.statement_id, 0),
            row.fingerprint in ready,
        )
        for row in totals.rows
    ]
    context = {
        "section": "statements",
        "server": found,
        "other_servers": servers if len(servers) > 1 else [],
        "state": server_state(found, found.steps.filter(step__in=("snapshot", "texts")), timezone.now()),
        "windows": choices(window),
        "window_name": window.key,
        "q": q,
        "sort": sort,
        "sorts": SORTS.items(),
        "narrowed": narrowed,
        "is_filtered": bool(q) or any(choice.current for choice in narrowed),
        "is_of_some": any(choice.current for choice in narrowed if choice.name != "table"),
        "sorted_by": _spoken(SORTS[sort]),
        "columns": [{"title": t, "sort": s, "is_current": s == sort} for t, s in (*COLUMNS, _last_column(sort))],
        "last_column": _last_column(sort)[1],
        "rows": rows,
        "total_ms": totals.total_exec_time_ms,
        "page": Paginator(_Counted(rows, totals.count, offset), PER_PAGE).get_page(page_number),
    }
    return render(request, "dashboard/statements.html", context)


def _spoken(title: str) -> str:
    """Within a sentence: "total time", but "WAL" and "I/O time"."""
    return title if title[1:2] in "AI/" else title[0].lower() + title[1:]


def _last_column(sort: str) -> tuple[str, str]:
    key = sort if sort in LAST_COLUMNS else "shared_read"
    return LAST_COLUMNS[key], key


def _filters(server: Server, q: str) -> dict[str, object]:
    """A fingerprint finds its statement, anything else is looked for in the texts."""
    if FINGERPRINT.fullmatch(q):
        ids = list(Statement.objects.filter(server=server, fingerprint=q).values_list("pk", flat=True))
        if ids:
            return {"statement_ids": ids}
    return {"search": q}


def _drawn(values: list[float | None], is_new: bool) -> list[float | None]:
    """Whole buckets only: the smaller sums of those the window cuts would look like a change."""
    whole = values[1:-1]
    return since_watched(whole) if is_new else whole


def _whole(text: str | None) -> int:
    try:
        return int(text or 1)
    except ValueError:
        return 1
