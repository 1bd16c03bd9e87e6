"""The statements of a server, those that cost the most first."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import Server, Statement
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.store.new_statements import first_seen_in
from analyzer.store.series.alike import statement_of
from analyzer.store.series.timelines import sparklines
from analyzer.store.series.totals import StatementPage, StatementTotals, statement_times, statement_totals
from analyzer.store.series.windows import SPANS, Window
from analyzer.words.durations import THIN
from dashboard.charts.sparkline import since_watched, sparkline
from dashboard.permissions import viewer_required
from dashboard.servers.choice import no_server, server_and_others, server_asked_for
from dashboard.servers.rows import open_findings, statements_with_index_ready
from dashboard.servers.state import server_state
from dashboard.statements import export as statement_export
from dashboard.statements.export import MOST_ROWS
from dashboard.statements.filters import alike_choice, choices_of, filters_of, new_choice, route_choice
from dashboard.statements.relations import Relations, relations_of
from dashboard.windows import about, before, in_address, in_words, window_of

PER_PAGE = 50
# Sort keys of analyzer.store.series.totals.ORDERS in the order they are offered, and what the form calls them.
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
# Columns one can choose: key -> title, the sort it stands for, what it needs of the store.
COLUMNS: dict[str, tuple[str, str | None, tuple[str, ...]]] = {
    "share": ("Share of load", None, ()),
    "total": ("Total time", "total_exec_time", ()),
    "change": ("Change", None, ()),
    "calls": ("Calls", "calls", ()),
    "mean": ("Mean", "mean_exec_time", ()),
    "rows": ("Rows", "rows", ()),
    "read": ("Read", "shared_read", ("shared_read_blocks", "shared_hit_blocks")),
    "io": ("I/O time", "io_time", ("shared_read_time_us", "shared_write_time_us", "shared_read_blocks")),
    "wal": ("WAL", "wal", ("wal_bytes",)),
    "temp": ("Temp written", "temp_written", ("temp_written_blocks",)),
    "trend": ("Trend", None, ()),
}
DEFAULT_COLUMNS = ("share", "total", "change", "calls", "mean", "rows", "read", "trend")
NEEDED = ("calls", "total_exec_time_us", "rows")  # by every row
# A change says something where both windows were measured for at least half. Judgement.
LEAST_COVERED_RATIO = 0.5
AS_BEFORE_RATIO = 0.05  # judgement: less is noise
MINUS = "\u2212"
TIMES_FROM = 3  # judgement: "x 4" reads better than "+300 %"
# How the texts of PostgreSQL's TransactionStmt begin.
TRANSACTION_CONTROL = frozenset({"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"})
NO_STATEMENT = [0]  # an empty list would not narrow
FINGERPRINT = re.compile(r"[0-9a-f]{12,32}(-[0-9a-f]{8})?|q[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class StatementRow:
    statement: StatementTotals
    url: str
    tables: list[str]
    spark: str
    finding_count: int
    has_index_ready: bool
    before_ms: float | None  # its total time in the window before, as long as this one; None: not known
    change: float | None  # time per measured second now, against before; None: not known, or it did not run before
    members: tuple["StatementRow", ...] = ()  # of a group: those shown below it
    more: int = 0  # of a group: those that are not
    alike: str = ""  # of a group: what the list is narrowed by to its members

    @property
    def share_width(self) -> str:
        """Of a bar 100 wide; a sliver stays visible."""
        return f"{max(1.0, 100 * (self.statement.load_ratio or 0)):.1f}"

    @property
    def change_words(self) -> str:
        """ "+35 %", "× 4.2", "as before", "new"."""
        if self.change is None:
            return "" if self.before_ms is None else "new"
        if abs(self.change - 1) < AS_BEFORE_RATIO:
            return "as before"
        if self.change >= TIMES_FROM:
            return f"×{THIN}{self.change:,.{1 if self.change < 100 else 0}f}"
        sign = "+" if self.change > 1 else MINUS
        return f"{sign}{abs(self.change - 1) * 100:.0f}{THIN}%"

    @property
    def change_kind(self) -> str:
        """What it means to a reader: worse, better, or neither."""
        if self.change is None or abs(self.change - 1) < AS_BEFORE_RATIO:
            return ""
        return "worse" if self.change > 1 else "better"

    @property
    def is_transaction_control(self) -> bool:
        """COMMIT may take long, but never because of its text: shown with less weight."""
        first = self.statement.normalized_sql.split(maxsplit=1)[:1]
        return self.statement.kind == "utility" and bool(first) and first[0].strip(";").lower() in TRANSACTION_CONTROL

    @property
    def read_bytes(self) -> int:
        return self.statement.shared_read_blocks * PAGE_BYTES

    @property
    def temp_written_bytes(self) -> int:
        return self.statement.temp_written_blocks * PAGE_BYTES

    @property
    def io_time_ms(self) -> float | None:
        """Of reading and writing shared blocks; None where blocks were read and nobody took the time."""
        time_ms = self.statement.shared_read_time_ms + self.statement.shared_write_time_ms
        return None if not time_ms and self.statement.shared_read_blocks else time_ms


class _Counted(Sequence[StatementRow]):
    """What Django's Paginator needs of a list whose page is already fetched."""

    def __init__(self, rows: list[StatementRow], count: int, offset: int) -> None:
        self.rows, self._count, self.offset = rows, count, offset

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, wanted: Any) -> Any:
        return self.rows if wanted.start == self.offset else []


@viewer_required
@require_GET
def all_statements(request: HttpRequest) -> HttpResponse:
    """To the statements of the server asked for, else of the first by name; there is no list across servers yet."""
    slug = server_asked_for(request)
    if slug is None:
        return no_server(request, "statements")
    path = reverse("statements", args=[slug])
    window = request.GET.get("window")
    return redirect(f"{path}?window={window}" if window in SPANS else path)


@viewer_required
@require_GET
def statements(request: HttpRequest, server: str) -> HttpResponseBase:
    chosen_server, others = server_and_others(server)
    window = window_of(request, chosen_server)
    q = request.GET.get("q", "").strip()[:200]
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else DEFAULT_SORT
    columns = _columns(request.GET.getlist("columns"), sort)
    narrowed, relations = choices_of(chosen_server, request.GET), relations_of(chosen_server)
    filters: dict[str, Any] = {**filters_of(narrowed), **_filters(chosen_server, q)}
    route, of_route = route_choice(chosen_server, window, request.GET)
    if route.current:
        named = filters.get("statement_ids", of_route)
        filters["statement_ids"] = [pk for pk in of_route if pk in named] or NO_STATEMENT
    narrowed.append(route)
    new = new_choice(request.GET)
    if new.current:
        named = filters.get("statement_ids")
        first_seen = first_seen_in(chosen_server, window)
        filters["statement_ids"] = [pk for pk in first_seen if named is None or pk in named] or NO_STATEMENT
    narrowed.append(new)
    one_group, filters["lines"] = alike_choice(request.GET, relations.alike)
    narrowed.append(one_group)
    if request.GET.get("format") == "csv":
        every = statement_totals(
            chosen_server, window, order_by=sort, limit=MOST_ROWS, filters=filters, columns=statement_export.NEEDED,
            line_of=relations.line_of,
        )  # fmt: skip
        before_ms = _times_before(chosen_server, window, every, filters, relations)
        return statement_export.as_csv(chosen_server, window, every, before_ms, relations)

    def page_of(number: int) -> StatementPage:
        first = (number - 1) * PER_PAGE
        needed = tuple(dict.fromkeys([*NEEDED, *(name for key in columns for name in COLUMNS[key][2])]))
        return statement_totals(
            chosen_server, window, order_by=sort, limit=PER_PAGE, offset=first, filters=filters, columns=needed,
            alike={} if one_group.current else relations.alike, line_of=relations.line_of,
        )  # fmt: skip

    page_number = max(1, min(10_000, _whole(request.GET.get("page"))))
    totals = page_of(page_number)
    if not totals.rows and totals.count:  # beyond the end: the last page
        page_number = (totals.count - 1) // PER_PAGE + 1
        totals = page_of(page_number)
    offset = (page_number - 1) * PER_PAGE
    context = {
        "section": "statements",
        "server": chosen_server,
        "other_servers": others,
        "state": server_state(
            chosen_server, chosen_server.steps.filter(step__in=("snapshot", "texts")), timezone.now()
        ),
        **about(window),
        "q": q,
        "sort": sort,
        "sorts": SORTS.items(),
        "narrowed": narrowed,
        "is_filtered": bool(q) or any(choice.current for choice in narrowed),
        "route": route.current,
        "is_of_some": any(choice.current for choice in narrowed if choice.name in ("role", "database")),
        "sorted_by": _spoken(SORTS[sort]),
        "columns": [
            {"key": key, "title": COLUMNS[key][0], "sort": COLUMNS[key][1], "is_current": COLUMNS[key][1] == sort}
            for key in columns
        ],
        "column_choices": [(key, title, key in columns) for key, (title, _, _) in COLUMNS.items()],
        "rows": (rows := _rows(chosen_server, window, totals, filters, columns, relations)),
        "has_groups": any(row.members for row in rows),
        "total_ms": totals.total_exec_time_ms,
        "missing": [] if rows else [point for point in chosen_server.preflight if point.get("status") == "missing"],
        "page": Paginator(_Counted(rows, totals.count, offset), PER_PAGE).get_page(page_number),
    }
    return render(request, "dashboard/statements.html", context)


def _rows(
    server: Server, window: Window, totals: StatementPage, filters: Mapping[str, Any], columns: Sequence[str],
    relations: Relations,
) -> list[StatementRow]:  # fmt: skip
    if not totals.rows:
        return []
    lines = {_own_ids(row) for group in totals.rows for row in (group, *group.members)}
    sparks = sparklines(totals.sums, lines) if "trend" in columns else {}
    of_statements = open_findings().filter(server=server, statement__isnull=False)  # those of a page may be 50,000
    counts: dict[int, dict[int | None, int]] = {}
    for pk, oid, count in of_statements.values_list("statement_id", "database__oid").annotate(Count("pk")):
        counts.setdefault(pk, {})[oid] = count
    ready = {pk: dict.fromkeys(oids, 1) for pk, oids in statements_with_index_ready(server).items()}
    before_ms = _times_before(server, window, totals, filters, relations) if "change" in columns else None
    is_new = server.created_at > window.start
    label = f"Load over {in_words(window)}"

    def row_of(row: StatementTotals) -> StatementRow:
        own = _own_ids(row)
        was = None if before_ms is None else sum(before_ms.get(pk, 0.0) for pk in own)
        path = reverse("statement", args=[server.slug, row.fingerprint])
        return StatementRow(
            statement=row,
            url=f"{path}?{in_address(window)}",
            spark=sparkline(_drawn(sparks.get(own, []), is_new), label),
            tables=relations.tables_of(row),
            finding_count=sum(relations.counted(line, counts.get(statement_of(line), {})) for line in own),
            has_index_ready=any(relations.counted(line, ready.get(statement_of(line), {})) for line in own),
            before_ms=was,
            change=row.total_exec_time_ms / was if was else None,
            members=tuple(row_of(member) for member in row.members),
            more=len(row.member_ids) - len(row.members),
            alike=relations.alike.get(row.line, "") if row.members else "",
        )

    return [row_of(row) for row in totals.rows]


def _own_ids(row: StatementTotals) -> tuple[int, ...]:
    """Of the line, or of all that are alike."""
    return row.member_ids or (row.line,)


def _times_before(
    server: Server, window: Window, totals: StatementPage, filters: Mapping[str, Any], relations: Relations
) -> dict[int, float] | None:
    """Total time by line in the window before, as if both were measured equally long; None: too little was."""
    earlier = before(window)
    if server.created_at > earlier.end:
        return None
    ids = [pk for row in totals.rows for pk in _own_ids(row)]
    times_ms, covered_s = statement_times(server, earlier, ids, filters, relations.line_of)
    least_s = LEAST_COVERED_RATIO * window.duration_s
    if covered_s < least_s or totals.covered_s < least_s:
        return None
    return {pk: time_ms * totals.covered_s / covered_s for pk, time_ms in times_ms.items()}


def _columns(wanted: Sequence[str], sort: str) -> list[str]:
    """Those asked for in their order, and what the list is sorted by."""
    shown = {key for key in wanted if key in COLUMNS} or set(DEFAULT_COLUMNS)
    sorted_by = next((key for key, (_, stands_for, _) in COLUMNS.items() if stands_for == sort), None)
    if sorted_by and sorted_by not in shown:
        shown.add(sorted_by)
        if not wanted:  # in the place of the one that stands for blocks read
            shown.discard("read")
    return [key for key in COLUMNS if key in shown]


def _spoken(title: str) -> str:
    """Within a sentence: "total time", but "WAL" and "I/O time"."""
    return title if title[1:2] in "AI/" else title[0].lower() + title[1:]


def _filters(server: Server, q: str) -> dict[str, Any]:
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
