"""What the pages ask the store, at 5,000 statements x 30 days at 60 s."""

from datetime import timedelta
from time import perf_counter

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from analyzer.models import Database, LastReading, Server, Statement
from analyzer.store.series.partitions import floor_to
from analyzer.store.series.rollups import roll_up
from analyzer.store.series.timelines import server_timeline, sparklines, statement_timeline
from analyzer.store.series.totals import rates, statement_totals
from analyzer.store.series.windows import SPANS, Window
from analyzer.store.series.workload import workload
from bench.history import fresh_hour, profile, thirty_days
from bench.results import Context, Result, cpu_ms, median, p95, times_ms
from dashboard.charts import charts

TIMES = 11
NEEDED = ("calls", "total_exec_time_us", "rows", "shared_read_blocks", "shared_hit_blocks")


def measure(context: Context) -> list[Result]:
    server, made_s = history(context)
    results = [Result("making the history", made_s, "s")]
    (top,) = statement_totals(server, Window.last("24h"), limit=1).rows
    statement = Statement.objects.select_related("server").get(pk=top.statement_id)
    for key in SPANS:
        window = Window.last(key)
        asked = {
            "statements, most time first": lambda w=window: statement_totals(server, w),
            "statements, text search, by calls": lambda w=window: statement_totals(
                server, w, order_by="calls", filters={"search": "group by"}
            ),
            "load of the server over time": lambda w=window: server_timeline(server, w),
            "one statement over time": lambda w=window: statement_timeline(statement, w, charts.NEEDED),
            "the same with their sparklines": lambda w=window: with_sparklines(server, w),
        }
        for what, ask in asked.items():
            times = times_ms(ask, TIMES)
            with CaptureQueriesContext(connection) as queries:
                ask()
            label = f"{key}: {what}, {len(queries)} queries, {cpu_ms(ask):.0f} ms of processor, p95"
            results.append(Result(label, p95(times), "ms", 200))
    results += _for_checks(server)
    return results


def with_sparklines(server: Server, window: Window) -> object:
    """As the list of statements asks for them."""
    page = statement_totals(server, window, columns=NEEDED)
    return sparklines(page.sums, [row.statement_id for row in page.rows])


def history(context: Context) -> tuple[Server, float]:
    """The server with 30 days behind it; made once for all measurements."""
    if "history" not in context.shared:
        began = perf_counter()
        server = Server.objects.create(name="history", slug="history", host="/", user="postgres", dbname="shop")
        found = profile(server, context.monitored)
        thirty_days(server, found)
        now = timezone.now()
        hour = floor_to(now, "hour")
        for back in (2, 1):
            fresh_hour(server, found, hour - timedelta(hours=back))
        LastReading.objects.filter(server=server).update(taken_at=hour - timedelta(minutes=1))
        roll_up(server)
        fresh_hour(server, found, hour, minutes=max(1, now.minute))
        # the sums lag three minutes behind, as between two runs of tidy_store
        LastReading.objects.filter(server=server).update(taken_at=max(hour, now - timedelta(minutes=3)))
        roll_up(server)
        with connection.cursor() as cursor:
            cursor.execute("vacuum analyze")
        context.shared["history"] = (server, perf_counter() - began)
    found_server: tuple[Server, float] = context.shared["history"]
    return found_server


def _for_checks(server: Server) -> list[Result]:
    database = Database.objects.get(server=server, is_inspected=True)
    window = Window.last("6h")
    found = workload(server, database, window)
    return [
        Result(f"for checks: series of {len(found.series)} statements x {found.intervals} intervals",
               median(times_ms(lambda: workload(server, database, window), 3, 0)), "ms"),
        Result("for checks: rates of all statements, 24 h",
               median(times_ms(lambda: rates(server, Window.last("24h")), 3, 0)), "ms"),
    ]  # fmt: skip
