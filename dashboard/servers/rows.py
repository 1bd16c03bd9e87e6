"""Servers as a list: state, load and open findings of each, in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from analyzer.demo import SERVER_SLUG
from analyzer.findings import Severity
from analyzer.models import FindingRecord, Server, Statement, StepStatus, SuggestionRecord
from analyzer.store.series.windows import Window
from dashboard.charts.sparkline import since_watched, sparkline
from dashboard.servers.state import SamplingState, ShownState, server_state
from dashboard.windows import fitting_span

SPARK_POINTS = 48
# Findings by the time they are about; those whose time nobody knows last, the worst of them first.
SLOWER = ("ST010", "ST011")  # slower than its own past: with another plan, with none to explain it
COSTLIEST_FIRST = (F("impact_s_per_day").desc(nulls_last=True), "-severity", "pk")


@dataclass(frozen=True, slots=True)
class ServerRow:
    """``load``: statements at once, on average over the measured part of the window; None without any.

    ``new``: open findings that came, or came back, since yesterday.
    """

    server: Server
    state: ShownState
    load: float | None
    spark: str
    critical: int
    warning: int
    new: int


def server_rows(servers: Sequence[Server], now: datetime) -> list[ServerRow]:
    """Those in trouble first. Three queries."""
    steps = defaultdict(list)
    for step in StepStatus.objects.filter(server__in=servers):
        steps[step.server_id].append(step)
    since = new_since(now)
    is_new = Q(first_seen__gte=since) | Q(reopened_at__gte=since)
    counts: dict[tuple[int, int], int] = {}
    new: dict[int, int] = defaultdict(int)
    for row in open_findings().values("server_id", "severity").annotate(n=Count("pk"), new=Count("pk", filter=is_new)):
        counts[row["server_id"], row["severity"]] = row["n"]
        new[row["server_id"]] += row["new"]
    span = fitting_span(min((server.created_at for server in servers), default=now))
    window = Window.last(span, now)
    loads = _loads(window)
    rows = []
    for server in servers:
        buckets = loads.get(server.pk, {})
        covered_s = sum(seconds for seconds, _ in buckets.values())
        values = [
            None if i not in buckets or not buckets[i][0] else buckets[i][1] / buckets[i][0]
            for i in range(SPARK_POINTS)
        ]
        rows.append(
            ServerRow(
                server=server,
                state=server_state(server, steps[server.pk], now),
                load=sum(time_s for _, time_s in buckets.values()) / covered_s if covered_s else None,
                spark=sparkline(
                    since_watched(values) if server.created_at > window.start else values, f"Load over {span}"
                ),
                critical=counts.get((server.pk, Severity.CRITICAL), 0),
                warning=counts.get((server.pk, Severity.WARNING), 0),
                new=new[server.pk],
            )
        )
    order = {SamplingState.DOWN: 0, SamplingState.STALLED: 1, SamplingState.FAILING: 2}
    return sorted(rows, key=lambda row: (_is_dead_demo(row), order.get(row.state.state, 3), row.server.name))


def _is_dead_demo(row: ServerRow) -> bool:
    """The demo runs while `make demo` does: that it is gone is no trouble of anybody's."""
    return row.server.slug == SERVER_SLUG and row.state.is_trouble


def new_since(now: datetime) -> datetime:
    """What came after this is new: since yesterday at this hour."""
    return now - timedelta(days=1)


def open_findings() -> QuerySet[FindingRecord]:
    """Neither closed nor muted."""
    return FindingRecord.objects.filter(closed_at__isnull=True, muted_at__isnull=True)


def statements_with_index_ready(server: Server) -> dict[int, set[int | None]]:
    """Ids of the statements that an index to be created helps, with the oids of the databases it is for. Two queries
    at most."""
    suggestions = SuggestionRecord.objects.filter(closed_at__isnull=True, database__server=server)
    oids: dict[str, set[int | None]] = {}
    for oid, helps in suggestions.values_list("database__oid", "helps"):
        for help_ in helps:
            oids.setdefault(help_["fingerprint"], set()).add(oid)
    if not oids:
        return {}
    helped = Statement.objects.filter(server=server, fingerprint__in=oids)
    return {pk: oids[fingerprint] for pk, fingerprint in helped.values_list("pk", "fingerprint")}


def servers_down(servers: Sequence[Server]) -> set[int]:
    """Ids of those that give no figures now. One query."""
    steps = {s.server_id: s for s in StepStatus.objects.filter(step="snapshot")}
    now = timezone.now()
    states = {s.pk: server_state(s, [steps[s.pk]] if s.pk in steps else [], now) for s in servers}
    return {pk for pk, state in states.items() if state.is_trouble}


def sampled_and_failing() -> tuple[int, int]:
    """How many servers were ever sampled, and how many cannot be now; paused ones left out. One query."""
    counted = StepStatus.objects.filter(step="snapshot", server__is_active=True).aggregate(
        sampled=Count("last_success_at"), failing=Count("failing_since")
    )
    return counted["sampled"], counted["failing"]


def _loads(window: Window) -> dict[int, dict[int, tuple[float, float]]]:
    """Measured seconds and execution time (s) per server and part of the window."""
    loads: dict[int, dict[int, tuple[float, float]]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(
            "select server_id, least(%(points)s - 1, floor(extract(epoch from taken_at - %(start)s) / %(step)s)::int),"
            " sum(interval_s)::float8, coalesce(sum(total_exec_time_us), 0)::float8 / 1e6 from server_delta"
            " where taken_at > %(start)s and taken_at <= %(end)s group by 1, 2",
            {
                "points": SPARK_POINTS,
                "step": window.duration_s / SPARK_POINTS,
                "start": window.start,
                "end": window.end,
            },
        )
        for server_id, bucket, covered_s, time_s in cursor.fetchall():
            loads[server_id][bucket] = (covered_s, time_s)
    return loads
