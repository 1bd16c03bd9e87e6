"""A monitored server without a server: readings are made by hand, the store is real."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection

from analyzer.models import Server, StatementEntry
from analyzer.monitored.readings import COUNTERS, KEY_DTYPE, ServerState, StatementReading, StatementText
from analyzer.store.series.partitions import SERIES, drop_partition, partitions_of
from analyzer.store.series.snapshots import KeptReading, keep_reading, keep_texts

START = datetime(2026, 3, 4, 10, 0, 7, 123457, tzinfo=UTC)
NOT_BEFORE_1_12 = ("wal_buffers_full", "parallel_workers_to_launch", "parallel_workers_launched")


@dataclass
class FakeServer:
    """Cumulative counters per queryid, read with ``read()``; each attribute can be changed between readings.

    ``now`` is the store's clock, ``ahead`` what the server's own is ahead of it. ``roles``: whose a queryid is, where
    it is not 10's; those of ``hidden`` are not shown, those of ``nested`` ran inside functions.
    """

    server: Server
    now: datetime = START
    started_at: datetime = START - timedelta(days=3)
    stats_reset_at: datetime | None = START - timedelta(days=2)
    version: str = "1.10"
    entries: dict[int, dict[str, float]] = field(default_factory=dict)
    since: dict[int, datetime] = field(default_factory=dict)
    ahead: timedelta = timedelta(0)
    roles: dict[int, int] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()
    nested: frozenset[int] = frozenset()
    is_cut: bool = False

    def run(self, queryid: int, calls: int = 1, time_ms: float = 1.0, **more: float) -> None:
        entry = self.entries.setdefault(queryid, {})
        new = {"calls": calls, "total_exec_time_ms": time_ms, "rows": calls, **more}
        for name, value in new.items():
            entry[name] = entry.get(name, 0) + value if not name.startswith(("min", "max", "std")) else value

    def reading(self) -> StatementReading:
        shown = [q for q in self.entries if self.roles.get(q, 10) not in self.hidden]
        keys = np.array([(self.roles.get(q, 10), 5, q, q not in self.nested) for q in shown], dtype=KEY_DTYPE)
        counters = np.zeros((len(keys), len(COUNTERS)))
        for name in NOT_BEFORE_1_12:
            counters[:, COUNTERS.index(name)] = np.nan
        for i, queryid in enumerate(shown):
            for name, value in self.entries[queryid].items():
                counters[i, COUNTERS.index(name)] = value
        since = [self.since[q].timestamp() if q in self.since else np.nan for q in shown]
        state = ServerState(
            taken_at=self.now + self.ahead, server_version_num=150000, started_at=self.started_at,
            statements_version=self.version, stats_reset_at=self.stats_reset_at, deallocations=0,
        )  # fmt: skip
        offered = tuple(n for n in COUNTERS if n not in NOT_BEFORE_1_12)
        hidden = self.hidden & {self.roles.get(q, 10) for q in self.entries}
        return StatementReading(
            state, keys, counters, np.array(since, dtype=float), offered, 1.0, hidden, is_cut=self.is_cut
        )

    def read(self, after_s: float = 60) -> KeptReading:
        self.now += timedelta(seconds=after_s)
        return keep_reading(self.server, self.reading(), taken_at=self.now)

    def name(self, texts: Mapping[int, str | None]) -> None:
        keep_texts(
            self.server, [StatementText(10, 5, q, q not in self.nested, t) for q, t in texts.items()], now=self.now
        )

    def entry(self, queryid: int) -> StatementEntry:
        return StatementEntry.objects.get(server=self.server, queryid=queryid)


def make_server(name: str = "shop", **more: Any) -> Server:
    return Server.objects.create(name=name, slug=name, host="127.0.0.1", user="u", dbname="shop", **more)


def remove(server: Server) -> None:
    """What a module's fixture committed; the time series have no foreign keys."""
    with connection.cursor() as cursor:
        for table in SERIES:
            cursor.execute(f"truncate {table}")
        cursor.execute("truncate rolled_up")
    server.delete()


@pytest.fixture
def server(db: None) -> Server:
    """In a store without partitions: tests that commit leave those of their hour."""
    for table in SERIES:
        for name, _ in partitions_of(table):
            drop_partition(table, name)
    return make_server()


@pytest.fixture
def fake(server: Server) -> FakeServer:
    return FakeServer(server)


@pytest.fixture
def fresh_rows() -> Callable[..., list[tuple[Any, ...]]]:
    def rows(*columns: str, table: str = "statement_delta", order: str = "taken_at") -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(f"select {', '.join(columns)} from {table} order by {order}")
            return cursor.fetchall()

    return rows
