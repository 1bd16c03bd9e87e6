"""A badly written web application at work: the demo's load.

    python -m analyzer.demo.workload "postgresql://shop@/shop?host=/path/to/socket"

Requests come at random, and how often each page is asked for drifts on its own, as on a real site: that is
what lets the N+1 check tell one page from another. It waits for a server that is away, and stops cleanly on
SIGTERM and Ctrl-C.
"""

import argparse
import heapq
import logging
import math
import os
import queue
import random
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg

from analyzer.demo.shop_pages import ENDPOINTS, Endpoint
from analyzer.demo.statements import TOP_CATEGORIES
from analyzer.demo.visit import Row, Shop, Visit

logger = logging.getLogger("shop")

WORKERS = 4  # connections that answer requests
STAFF_BACKLOG = 3
BACKLOG = 40  # requests that may wait; more are turned away, as a web server would
Requests = queue.Queue[tuple[Endpoint, int]]
RATE_STEP_S = 1.0  # how long a drifting rate is taken as constant
NOMINAL_STATEMENTS_PER_S = sum(e.per_s * e.statements for e in ENDPOINTS)


class DriftingRate:
    """Requests per second of one page: a slow wave of its own times a random walk that returns to 1.

    Between a fifth and three times the mean, with swings of 40 to 240 s.
    """

    def __init__(self, mean_per_s: float, rng: random.Random) -> None:
        self.mean_per_s = mean_per_s
        self._random = rng
        self._period_s = rng.uniform(40, 240)
        self._phase = rng.uniform(0, 2 * math.pi)
        self._amplitude = rng.uniform(0.4, 0.7)
        self._walk = 0.0

    def step(self, now_s: float) -> float:
        """The rate for the next ``RATE_STEP_S`` seconds."""
        self._walk = 0.98 * self._walk + self._random.gauss(0, 0.07)
        wave = 1 + self._amplitude * math.sin(2 * math.pi * now_s / self._period_s + self._phase)
        return self.mean_per_s * min(3.0, max(0.2, wave * math.exp(self._walk)))


def arrivals(endpoint: Endpoint, scale: float, rng: random.Random) -> "Arrivals":
    per_s = endpoint.per_s * (min(scale, 1.0) if endpoint.bounded or endpoint.steady else scale)
    return Arrivals(endpoint, per_s, rng)


class Arrivals:
    """When a page is asked for next, in seconds since the start."""

    def __init__(self, endpoint: Endpoint, per_s: float, rng: random.Random) -> None:
        self.endpoint = endpoint
        self._random = rng
        self._per_s = per_s
        self._rate = DriftingRate(per_s, rng)
        self._step_ends_s = 0.0
        self._now_s = 0.0
        self._current_per_s = per_s

    def next_s(self) -> float:
        if self.endpoint.steady:
            self._now_s += 1 / self._per_s
            return self._now_s
        work = self._random.expovariate(1.0)  # of a process of rate 1, stretched over the changing rate
        while True:
            if self._now_s >= self._step_ends_s:
                self._current_per_s = self._rate.step(self._now_s)
                self._step_ends_s = self._now_s + RATE_STEP_S
            left_s = self._step_ends_s - self._now_s
            if work <= left_s * self._current_per_s:
                self._now_s += work / self._current_per_s
                return self._now_s
            work -= left_s * self._current_per_s
            self._now_s = self._step_ends_s


@dataclass
class Totals:
    """What happened, over all workers."""

    statements: int = 0
    pages: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    turned_away: int = 0
    reconnects: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def only_failed(self) -> bool:
        """No page was served, and not because it was stopped before the first."""
        return not self.pages and (self.reconnects > 0 or self.errors.total() > 0)

    def summary(self, seconds: float) -> str:
        per_s = self.statements / seconds if seconds else 0.0
        text = f"{self.statements} statements in {seconds:.0f} s ({per_s:.0f}/s), {self.pages.total()} pages"
        text += f", {self.errors.total()} errors, {self.reconnects} reconnects, {self.turned_away} turned away"
        return text


class DemoWorkload:
    """Runs until ``stop`` is called or ``seconds`` are over."""

    def __init__(self, dsn: str, *, statements_per_s: float = NOMINAL_STATEMENTS_PER_S, seed: int = 1) -> None:
        self.dsn = dsn
        self.seed = seed
        self.totals = Totals()
        self._scale = statements_per_s / NOMINAL_STATEMENTS_PER_S
        self._stopping = threading.Event()
        self._requests: Requests = queue.Queue(BACKLOG)
        self._staff_requests: Requests = queue.Queue(STAFF_BACKLOG)
        self._shop = Shop(built_at=datetime.now(UTC))

    def stop(self) -> None:
        self._stopping.set()

    def run(self, seconds: float | None = None) -> Totals:
        first = self._first_session()
        if first is None:
            return self.totals
        served = [*[self._requests] * WORKERS, self._staff_requests]
        workers = [threading.Thread(target=self._work, args=[r], name=f"worker {n}") for n, r in enumerate(served)]
        for worker in workers:
            worker.start()
        try:
            self._schedule(seconds)
        finally:
            self._stopping.set()
            for worker in workers:
                worker.join()
            first.close()
        return self.totals

    def _first_session(self) -> psycopg.Connection[Row] | None:
        """It knows when the shop was built and is left in a transaction; None when we are to stop."""
        while (connection := self._connect()) is not None:
            try:
                built_at = connection.execute('SELECT "date_joined" FROM "auth_user" WHERE "id" = 1').fetchone()
                self._forget(connection)
            except psycopg.OperationalError:  # the server went away since it took the connection
                connection.close()
                self.totals.reconnects += 1
                continue
            if built_at is not None:
                self._shop.built_at = built_at[0]
            return connection
        return None

    def _forget(self, connection: psycopg.Connection[Row]) -> None:
        """Begin a transaction and leave it at that, as a script does that waits for another service."""
        connection.execute("SET application_name = 'stock-sync'")
        connection.autocommit = False
        connection.execute(TOP_CATEGORIES.encode())

    def _schedule(self, seconds: float | None) -> None:
        streams = [arrivals(e, self._scale, random.Random(f"{self.seed}:{e.name}")) for e in ENDPOINTS]
        due = [(stream.next_s(), number) for number, stream in enumerate(streams)]
        heapq.heapify(due)
        sequence = 0
        started_s = time.monotonic()
        while not self._stopping.is_set():
            at_s, number = due[0]
            if seconds is not None and min(at_s, time.monotonic() - started_s) >= seconds:
                return
            wait_s = started_s + at_s - time.monotonic()
            if wait_s > 0 and self._stopping.wait(min(wait_s, 0.5)):
                return
            if wait_s > 0.5:
                continue
            if wait_s < -10:  # the machine slept: do not make up for it
                started_s -= wait_s
            sequence += 1
            self._ask(streams[number].endpoint, sequence)
            heapq.heapreplace(due, (streams[number].next_s(), number))

    def _ask(self, endpoint: Endpoint, sequence: int) -> None:
        try:
            (self._staff_requests if endpoint.by_staff else self._requests).put_nowait((endpoint, sequence))
        except queue.Full:
            self.totals.turned_away += not endpoint.by_staff  # the staff asks again

    def _work(self, requests: Requests) -> None:
        connection: psycopg.Connection[Row] | None = None
        while not self._stopping.is_set():
            try:
                endpoint, sequence = requests.get(timeout=0.2)
            except queue.Empty:
                continue
            if connection is None or connection.closed:
                connection = self._connect()
                if connection is None:
                    return
            visit = Visit(connection, random.Random(f"{self.seed}:{sequence}"), datetime.now(UTC), self._shop)
            error = ""
            try:
                endpoint.page(visit)
            except psycopg.Error as problem:
                error = type(problem).__name__
                self._note(endpoint, problem)
                if isinstance(problem, psycopg.OperationalError | psycopg.InterfaceError) or connection.broken:
                    connection.close()
            with self.totals.lock:
                self.totals.statements += visit.statements
                self.totals.pages[endpoint.name] += 1
                if error:
                    self.totals.errors[error] += 1
        if connection is not None:
            connection.close()

    def _note(self, endpoint: Endpoint, problem: psycopg.Error) -> None:
        if not self.totals.errors[type(problem).__name__]:  # each kind once: a server away for an hour is one line
            logger.warning("%s: %s: %s", endpoint.name, type(problem).__name__, str(problem).split("\n")[0])

    def _connect(self) -> psycopg.Connection[Row] | None:
        """A connection, as soon as the server gives one; None when we are to stop."""
        pause_s = 0.2
        while not self._stopping.is_set():
            try:
                # Values are put into the text by the client, as Django does by default.
                connection: psycopg.Connection[Row] = psycopg.connect(
                    self.dsn,
                    autocommit=True,
                    application_name="shop",
                    connect_timeout=5,
                    cursor_factory=psycopg.ClientCursor,
                    prepare_threshold=None,
                )
            except psycopg.OperationalError as problem:
                if pause_s == 0.2:
                    logger.warning("waiting for the server: %s", str(problem).strip().split("\n")[-1])
                self.totals.reconnects += 1
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, 5.0)
            else:
                return connection
        return None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dsn", nargs="?", help="of the shop's database, as role shop; default: SHOP_DSN")
    parser.add_argument("--seconds", type=float, help="stop after so many seconds; default: when told to")
    parser.add_argument(
        "--rate",
        type=float,
        default=NOMINAL_STATEMENTS_PER_S,
        help="statements per second (default %(default).0f)",
    )
    parser.add_argument("--seed", type=int, default=1, help="same seed, same requests at the same times")


def run_from_options(dsn: str | None, seconds: float | None, rate: float, seed: int) -> Totals:
    """Run until SIGTERM or SIGINT. A DSN in SHOP_DSN, not an argument, keeps a password out of ``ps``."""
    dsn = dsn or os.environ.get("SHOP_DSN", "")
    workload = DemoWorkload(dsn, statements_per_s=rate, seed=seed)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: workload.stop())
    started_s = time.monotonic()
    totals = workload.run(seconds)
    logger.info("%s", totals.summary(time.monotonic() - started_s))
    return totals


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add_arguments(parser)
    options = parser.parse_args()
    totals = run_from_options(options.dsn, options.seconds, options.rate, options.seed)
    return 2 if totals.only_failed else 0


if __name__ == "__main__":
    sys.exit(main())
