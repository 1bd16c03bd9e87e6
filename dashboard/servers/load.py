"""Load by wait on a server's page: the chart, and what made up a colour or a span of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from analyzer.models import Server, Statement
from analyzer.steps.schedule import interval_s
from analyzer.store.series.load_reading import LoadPart, LoadTimeline, load_parts, load_timeline
from analyzer.store.series.windows import Window
from dashboard.charts.load_chart import LoadChart, colour_of, load_chart
from dashboard.charts.marks import MarkGroup
from dashboard.windows import SHORTEST, in_address

FEW_LOOKS = 30  # judgement: five minutes; a share of fewer is rough, and said so
STATEMENTS_SHOWN, OTHERS_SHOWN = 10, 5
FIRST_STATEMENTS_SHOWN = 5  # where nobody asked for a wait or a span: the page goes on below
# What the tables are called and what stands where a part has no name.
TABLES = {
    "role": ("Roles", "not known"),
    "application": ("Applications", "no application_name"),
    "database": ("Databases", "none"),
    "route": ("Routes", "no tag in its comment"),
    "event": ("Wait events", "no wait event"),
}


@dataclass(frozen=True, slots=True)
class PartRow:
    """``url``: of the statement or the route's statements, or ""; ``text`` comes from the server."""

    text: str
    is_named: bool
    url: str
    part: LoadPart

    @property
    def width(self) -> str:
        """Of a bar 100 wide."""
        return f"{max(1.0, 100 * self.part.share_ratio):.1f}"


@dataclass(frozen=True, slots=True)
class PartTable:
    division: str
    title: str
    rows: Sequence[PartRow]


@dataclass(frozen=True, slots=True)
class LoadByWait:
    """``chart`` is None where nobody looked. ``wait``: the colour that was asked for, "" for all."""

    timeline: LoadTimeline
    chart: LoadChart | None
    cores: int | None
    interval_s: float
    wait: str
    wait_colour: str
    all_url: str
    statements: Sequence[PartRow]
    tables: Sequence[PartTable]

    @property
    def is_few(self) -> bool:
        return self.timeline.looks < FEW_LOOKS


def load_by_wait(request: HttpRequest, server: Server, window: Window, marks: Sequence[MarkGroup] = ()) -> LoadByWait:
    """Six queries, three of them over sums."""
    now = timezone.now()
    timeline = load_timeline(server, window, now)
    wait = request.GET.get("wait", "")
    wait = wait if wait in timeline.by_wait else ""
    only: dict[str, int | str] = {"wait_event_type": wait} if wait else {}
    path = reverse("server", args=[server.slug])
    is_asked_for = bool(wait) or not window.key
    most = {
        "statement": STATEMENTS_SHOWN if is_asked_for else FIRST_STATEMENTS_SHOWN,
        **dict.fromkeys(TABLES, OTHERS_SHOWN),
    }
    parts = load_parts(server, timeline, most, **only)
    return LoadByWait(
        timeline=timeline,
        chart=load_chart(timeline, server.cores, server.created_at, lambda *asked: _link(path, now, *asked), marks),
        cores=server.cores,
        interval_s=interval_s(server, "activity"),
        wait=wait,
        wait_colour=colour_of(wait),
        all_url=f"{path}?{in_address(window)}#load",
        statements=statement_rows(server, parts.pop("statement"), window),
        tables=part_tables(server, parts, window),
    )


def part_tables(server: Server, parts: Mapping[str, Sequence[LoadPart]], window: Window) -> list[PartTable]:
    """A table for each division of which some part is known. Two queries."""
    tables = []
    for division, of_it in parts.items():
        title, nameless = TABLES[division]
        if any(part.value for part in of_it):
            names = names_of(server, division, of_it)
            rows = [
                PartRow(names.get(p.value) or nameless, bool(names.get(p.value)), _of(server, division, p, window), p)
                for p in of_it
            ]
            tables.append(PartTable(division, title, rows))
    return tables


def _of(server: Server, division: str, part: LoadPart, window: Window) -> str:
    """The statements that were seen running from a route; "" for other divisions."""
    if division != "route" or not part.value:
        return ""
    path = reverse("statements", args=[server.slug])
    return f"{path}?{urlencode({'route': part.value})}&{in_address(window)}"


def _link(path: str, now: datetime, wait: str, start: datetime, end: datetime) -> str:
    """A span of its own is at least a minute long and ends now (dashboard/windows.py)."""
    window = Window(min(start, now - 2 * SHORTEST), max(end, start + timedelta(minutes=1)))
    return f"{path}?{urlencode({'wait': wait} if wait else {})}{'&' if wait else ''}{in_address(window)}#load"


def names_of(server: Server, division: str, parts: Sequence[LoadPart]) -> Mapping[int | str, str]:
    """What a part's value is called; one query for roles and databases."""
    if division in ("role", "database"):
        known = server.roles if division == "role" else server.databases
        return dict(known.filter(oid__in=[p.value for p in parts]).values_list("oid", "name"))
    return {part.value: str(part.value) for part in parts}


def statement_rows(server: Server, parts: Sequence[LoadPart], window: Window) -> list[PartRow]:
    statements = Statement.objects.in_bulk([part.value for part in parts])
    rows = []
    for part in parts:
        statement = statements.get(part.value)
        if statement is None:
            rows.append(PartRow("Statements that are not known by their text", False, "", part))
        else:
            url = f"{reverse('statement', args=[server.slug, statement.fingerprint])}?{in_address(window)}"
            rows.append(
                PartRow(statement.normalized_sql or f"(text not known) {statement.fingerprint}", True, url, part)
            )
    return rows
