"""A server in the store with a real database behind it, its recorded workload and the advice on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.test import override_settings

from analyzer.models import Server
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.steps.check import check_server
from analyzer.store.servers import add_server_from_dsn, remove_server
from tests import servers
from tests.environment import reachable_dir
from tests.servers import ScratchDatabase

SCHEMA = (
    "create table customer (id int primary key, email text not null, country char(2) not null)",
    "insert into customer select i, 'user' || i || '@example.org', chr(65 + i % 20) || 'X'"
    " from generate_series(1, 20000) as i",
    "create table purchase (id int primary key, customer_id int not null, status text not null,"
    " placed timestamptz not null, total numeric(10, 2), note text)",
    "insert into purchase select i, 1 + (i * 7919) % 20000, case when i % 500 = 0 then 'open' else 'done' end,"
    " timestamptz '2024-01-01' + i * interval '1 minute', i % 500, md5(i::text) from generate_series(1, 60000) as i",
    "create index purchase_placed_idx on purchase (placed)",
    "create index purchase_placed_spare on purchase (placed, id)",
)
BY_CUSTOMER = "select note from purchase where customer_id = %s"
BY_EMAIL = "select * from customer where email = %s"
NEWEST = "select note from purchase where placed > %s order by placed limit 10"
TOTALS = "select sum(total) from purchase"


def fill(database: ScratchDatabase, *more: str) -> None:
    database.execute(*SCHEMA, *more)
    database.vacuum()


def recorded(database: ScratchDatabase, name: str = "") -> Server:
    """Two samples with work between them, the schema read."""
    server = add_server_from_dsn(database.dsn)
    if name:
        Server.objects.filter(pk=server.pk).update(name=name, slug=name)
        server.refresh_from_db()
    pipeline.take_snapshot(server)
    with database.connect() as connection:
        for n in range(20):
            connection.execute(BY_CUSTOMER, (n,))
            connection.execute(BY_EMAIL, (f"user{n}@example.org",))
            connection.execute(NEWEST, (f"2024-01-{n + 1:02}",))
            connection.execute(TOTALS)
    schema_step.read_schema(server)
    pipeline.take_snapshot(server)
    check_server(server)
    return server


def advised(database: ScratchDatabase, name: str = "") -> Server:
    server = recorded(database, name)
    assert pipeline.advise_on_indexes(server) == ""
    return server


@contextmanager
def kept(
    blocker: Any, on: servers.Server, make: Callable[[ScratchDatabase, str], Server], name: str, *more: str
) -> Iterator[Path]:
    """A module's server, committed: its tests read it and share its twins, which are in this VAR_DIR.

    ``make``: ``recorded`` or ``advised``; ``more``: what the database has besides SCHEMA.
    """
    database, var_dir = ScratchDatabase(on), reachable_dir("kept")
    fill(database, *more)
    with blocker.unblock(), override_settings(VAR_DIR=var_dir):
        server = make(database, name)
    yield var_dir
    with blocker.unblock():
        remove_server(server)
    database.drop()
