"""Servers that log all they do, in every format they have, and what is done there."""

import time
from pathlib import Path
from typing import Any

import psycopg

from tests import servers, waiting

LOGGING: dict[str, str | int] = {
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql.log",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_duration_statement": 0,
    "auto_explain.log_min_duration": 0,
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
}
LAST = "the last statement"
HARD_VALUE = 'it\'s\na "new" line, $1\tand LOG:  duration: 9999.000 ms  statement: select 1'
FORGED = "x\nSeq Scan on forged  (cost=0.00..1.00 rows=1 width=1)"
PASSWORD = "S3cret-of-a-role"

BY_CUSTOMER = "select count(*) from orders where customer = %s"
BY_NOTE = "select * from orders where customer = %s and note <> %s order by id limit 3"
INLINE = "select id -- 'quoted\nfrom orders where note = E'it\\'s \\n' || 'x' and id < 50"
# text, values of each run
EXECUTED: list[tuple[str, list[tuple[Any, ...] | None]]] = [
    (BY_CUSTOMER, [(7,), (8,), (9,)]),
    (BY_NOTE, [(5, HARD_VALUE), (6, FORGED)]),
    ("select id from orders where customer = %s limit 1", [(None,)]),
    (INLINE, [None, None]),
    ("update orders set note = 'new' where id = 17", [None]),
]


def start(version: int) -> servers.Server:
    formats = "stderr,csvlog" + (",jsonlog" if version >= 15 else "")
    server = servers.start_private(version, {**LOGGING, "log_destination": formats})
    for name in ("as_text", "as_json"):
        with server.connect() as connection:
            connection.execute(f"create database {name}")
        with server.connect(name) as connection:
            run(connection, name.removeprefix("as_"))
    wait_for(logs(server)[0], LAST, 2)
    return server


def run(connection: psycopg.Connection[Any], plan_format: str) -> None:
    connection.execute("create table orders (id int primary key, customer int, note text)")
    connection.execute("insert into orders select i, i % 100, 'note ' || i from generate_series(1, 5000) i")
    connection.execute("analyze orders")
    connection.execute(f"set auto_explain.log_format = {plan_format}")
    connection.execute(f"set log_error_verbosity = {'verbose' if plan_format == 'json' else 'default'}")
    for text, runs in EXECUTED:
        for values in runs:
            connection.execute(text, values)  # type: ignore[arg-type]
    connection.execute("prepare by_key (int) as select note from orders where id = $1")
    connection.execute("execute by_key (5)")
    connection.execute(f"create role owner_{plan_format} password '{PASSWORD}'")
    connection.execute("reset log_error_verbosity")
    connection.execute(f"do $$ begin perform pg_sleep(0); raise warning '{LAST}'; end $$")


def logs(server: servers.Server) -> list[Path]:
    """The plain log first."""
    folder = server.cluster.data_dir / "log"
    return sorted(folder.iterdir(), key=lambda path: (path.suffix != ".log", path.suffix))


def wait_for(path: Path, text: str, times: int) -> None:
    """Until the collector has written it (a warning and its statement's text hold it twice)."""
    waiting.wait_for(lambda: path.read_text().count(f"WARNING:  {text}") >= times)
    time.sleep(0.05)  # the other formats' files
