"""`manage.py analyze` over 1,000 tables and 5,000 statements: its time, and what it sends to the server."""

from time import perf_counter, process_time

import psutil
from psycopg import Connection

from analyzer.management.commands.analyze import as_html, as_text
from analyzer.monitored.connection import connect
from analyzer.monitored.readings import OWN_MARKER
from analyzer.questions.analyze import analyze
from bench.monitored import TABLES, MonitoredServer
from bench.results import Context, Result

MORE_TABLES = 1_000 - TABLES
SENT = """
select coalesce(sum(calls), 0)::int, coalesce(max(max_exec_time), 0)::float8, coalesce(sum(total_exec_time), 0)::float8
from pg_stat_statements where position(%s in query) between 1 and 60
"""


def measure(context: Context) -> list[Result]:
    monitored = MonitoredServer(context.place / "analyzed")
    try:
        _grow(monitored.connection)
        monitored.run_all(2)
        began, cpu = perf_counter(), process_time()
        with connect(monitored.settings) as connection:
            analysis = analyze(connection)
            server_s = sum(psutil.Process(connection.backend_pid).cpu_times()[:2])
        analyzed_s, cpu_s = perf_counter() - began, process_time() - cpu
        cpu = process_time()
        shown = as_text(analysis), as_html(analysis)
        shown_s = process_time() - cpu
        sent = monitored.connection.execute(SENT, (OWN_MARKER,)).fetchone()
        assert sent is not None
        return [
            Result("tables", analysis.looked_at["tables"], ""),
            Result("statements judged", analysis.looked_at["statements"], ""),
            Result("all of it", analyzed_s, "s", 30.0),
            Result("processor time, ours", cpu_s, "s"),
            Result("processor time, the server's", server_s, "s"),
            Result("its text and HTML written, CPU", shown_s, "s"),
            Result("length of the HTML", len(shown[1]) / 1024**2, "MB"),
            Result("findings", len(analysis.findings), ""),
            Result("statements sent", sent[0], "", 60),
            Result("the longest of them", sent[1], "ms", 1000.0),
            Result("all of them", sent[2], "ms"),
        ]
    finally:
        monitored.stop()


def _grow(connection: Connection) -> None:
    """Tables that reference each other, with indexes and rows, as a large application's do."""
    for first in range(0, MORE_TABLES, 100):
        with connection.transaction():
            for n in range(first, min(first + 100, MORE_TABLES)):
                columns = ", ".join(f"c{c} integer, s{c} varchar(40)" for c in range(6))
                references = f"references more_{n - 1:03}" if n else ""
                connection.execute(
                    f"create table more_{n:03} (id bigserial primary key, parent_id bigint {references}, {columns},"
                    " created_at timestamptz default now())"
                )
                connection.execute(f"create index on more_{n:03} (c1, c2)")
                connection.execute(f"create index on more_{n:03} (s1)")
                connection.execute(
                    f"insert into more_{n:03} (c1, c2, s1, s2)"
                    " select i, i % 7, 'x' || i, 'y' from generate_series(1, 50) i"
                )
    connection.execute("analyze")
