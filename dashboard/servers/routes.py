"""Load by the code that sent it: routes by their tags, applications, roles; and who runs one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analyzer.models import Server, Statement
from analyzer.steps.schedule import interval_s
from analyzer.store.series.load_reading import Caller, load_callers, load_parts, load_timeline
from analyzer.store.series.windows import Window
from dashboard.charts.load_chart import colour_of
from dashboard.permissions import viewer_required
from dashboard.servers.load import OTHERS_SHOWN, TABLES, PartRow, PartTable, names_of, part_tables
from dashboard.servers.state import sampling_state
from dashboard.windows import about, in_address, window_of

MOST_SHOWN = 100
BY = {"route": "Route", "application": "Application", "role": "Role"}
ASKED_AS = {"route": "route", "role": "role"}  # a division -> its parameter in the address of the statements
FEW_SIGHTINGS = 30  # judgement: a share of half of them is right to about a fifth


@dataclass(frozen=True, slots=True)
class WaitPart:
    """A piece of a bar 100 wide."""

    name: str
    colour: str
    x: str
    width: str
    average: float


@dataclass(frozen=True, slots=True)
class CallerRow:
    text: str
    is_named: bool
    url: str
    part: Caller
    waits: Sequence[WaitPart]

    @property
    def width(self) -> str:
        return f"{max(1.0, 100 * self.part.share_ratio):.1f}"


@dataclass(frozen=True, slots=True)
class Callers:
    """Who runs a statement. ``first``: the largest named route, else application, else role; None without any."""

    looks: int
    sightings: int
    tables: Sequence[PartTable]
    first: PartRow | None

    @property
    def is_few(self) -> bool:
        return self.sightings < FEW_SIGHTINGS


@viewer_required
@require_GET
def routes(request: HttpRequest, server: str) -> HttpResponse:
    """Load over the window by route, application or role."""
    watched = get_object_or_404(Server, slug=server)
    window = window_of(request, watched)
    by = request.GET.get("by", "")
    by = by if by in BY else "route"
    timeline = load_timeline(watched, window, timezone.now())
    callers = load_callers(watched, timeline, by, MOST_SHOWN)
    named = sum(c.share_ratio for c in callers if c.value)
    context = {
        "section": "servers",
        "server": watched,
        "state": sampling_state(watched),
        **about(window),
        "by": by,
        "title": BY[by],
        "choices": [(key, f"By {name.lower()}", key == by) for key, name in BY.items()],
        "timeline": timeline,
        "interval_s": interval_s(watched, "activity"),
        "rows": _rows(watched, window, by, callers),
        "named_ratio": named if callers else None,
    }
    return render(request, "dashboard/routes.html", context)


def _rows(server: Server, window: Window, by: str, callers: Sequence[Caller]) -> list[CallerRow]:
    names = names_of(server, by, callers)
    path, nameless = reverse("statements", args=[server.slug]), TABLES[by][1]
    rows = []
    for caller in callers:
        name = names.get(caller.value, "")
        url = ""
        if by in ASKED_AS and caller.value:
            url = f"{path}?{urlencode({ASKED_AS[by]: caller.value})}&{in_address(window)}"
        rows.append(CallerRow(name or nameless, bool(name), url, caller, _waits(caller)))
    return rows


def _waits(caller: Caller) -> list[WaitPart]:
    parts, x = [], 0.0
    for name, average in caller.by_wait.items():
        width = 100 * average / caller.average
        parts.append(WaitPart(name, colour_of(name), f"{x:.1f}", f"{width:.1f}", average))
        x += width
    return parts


def statement_callers(statement: Statement, window: Window) -> Callers:
    """Five queries, three of them over sums."""
    server = statement.server
    timeline = load_timeline(server, window, timezone.now())
    parts = load_parts(server, timeline, dict.fromkeys(TABLES, OTHERS_SHOWN), statement_id=statement.pk)
    tables = part_tables(server, parts, window)
    sightings = round(tables[0].rows[0].part.of_sightings) if tables else 0
    by_division = {table.division: table for table in tables}
    named = (
        row for division in BY if division in by_division for row in by_division[division].rows[:1] if row.is_named
    )
    return Callers(timeline.looks, sightings, tables, next(named, None))
