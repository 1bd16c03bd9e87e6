"""Looks at the sessions of all servers: one process, a thread for each server it is at.

Looking closely is sleeping, mostly: in a worker it would hold one of a few slots for two seconds. Here a server that
hangs, refuses or is slow costs its own thread and nobody else's time, whatever it hangs in: a name server, a login.
A thread goes through the same connection as every other step (marked, read-only, limited, hung up on when a server
keeps no timeout); an event loop would need that a second time, and stand still while libpq hashes for a login.

Only a few threads talk to the store. When servers are due is told by the store, so a second process shares the work;
Redis is asked for nothing but told that we live.
"""

import logging
import os
import socket
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone

from analyzer.errors import SessionsNotSeen
from analyzer.models import Server
from analyzer.monitored.deadlines import deadlines
from analyzer.runtime import workers
from analyzer.steps import activity as watching
from analyzer.steps import run as pipeline
from analyzer.steps import schedule

logger = logging.getLogger(__name__)

STEP = "activity"
TURN_S = 1.0
MOST_AT_ONCE = 100  # servers; the others wait for a thread
KEEPERS = 2  # threads with a connection to the store
MOST_WAITING_ROWS = 50_000  # read and not yet stored, about 100 MB; then the next looks are skipped
STUCK_S = 60.0  # a look has its own limits, of half a minute together at the most
DEAD_S = 180.0  # the store does not answer: a new process begins anew
END_S = 5.0


class SessionWatch:
    """``run`` ends soon after ``is_stopping`` is set; a signal handler may do that."""

    def __init__(self) -> None:
        self.is_stopping = False
        self._visits = ThreadPoolExecutor(MOST_AT_ONCE, "visit")
        self._keepers = ThreadPoolExecutor(KEEPERS, "keep")
        self._begun_s: dict[int, float] = {}  # by server that is being looked at
        self._reported_stuck: set[int] = set()
        self._closely: dict[int, tuple[float, bool]] = {}  # when that was decided
        self._beside: dict[int, watching.StandingReading | None] = {}  # of the last look
        self._waiting_rows = 0
        self._late: deque[float] = deque(maxlen=1000)  # when a look was left out
        self._counts = threading.Lock()

    def run(self) -> None:
        name = f"sessions@{socket.gethostname()}"
        heartbeat = workers.Heartbeat(name, [workers.SESSIONS], MOST_AT_ONCE)
        heartbeat.forget_the_gone()
        while not self.is_stopping:
            time.sleep(TURN_S)
            with deadlines.within(DEAD_S, lambda: os._exit(os.EX_TEMPFAIL)):
                try:
                    self._take_turn()
                except (OperationalError, InterfaceError) as error:
                    logger.warning("The store cannot be used (%s); sessions are looked at when it can.", error)
                    connection.close()
            workers.touch_alive_file()
            heartbeat.beat(self._status())
        heartbeat.leave()
        self._visits.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + END_S
        while self._begun_s and time.monotonic() < deadline:
            time.sleep(0.05)

    def _take_turn(self) -> None:
        due = [due.server_id for due in schedule.claim_due_steps(timezone.now(), (STEP,))]
        servers = Server.objects.in_bulk(due)
        now_s = time.monotonic()
        while self._late and now_s - self._late[0] > 60:
            self._late.popleft()
        for pk, server in servers.items():
            begun_s = self._begun_s.get(pk)
            if begun_s is not None or self._waiting_rows > MOST_WAITING_ROWS:
                self._late.append(now_s)
                if begun_s is not None and now_s - begun_s > STUCK_S and pk not in self._reported_stuck:
                    self._reported_stuck.add(pk)
                    self._keepers.submit(self._keep, server, SessionsNotSeen(now_s - begun_s), 0.0)
                continue
            self._begun_s[pk] = now_s
            self._visits.submit(self._visit, server, self._closely.get(pk, (0.0, False))[1])

    def _visit(self, server: Server, closely: bool) -> None:
        begun = time.monotonic()
        result: watching.SessionSamples | Exception
        try:
            result = watching.look(server, closely=closely, before=self._beside.get(server.pk))
            self._beside[server.pk] = result.beside
        except Exception as error:
            result = error
        rows = sum(len(rows) for _, rows in result.samples) if isinstance(result, watching.SessionSamples) else 0
        with self._counts:
            self._waiting_rows += rows
        self._keepers.submit(self._keep, server, result, time.monotonic() - begun, rows, is_over=True)

    def _keep(
        self,
        server: Server,
        result: watching.SessionSamples | Exception,
        took_s: float,
        rows: int = 0,
        *,
        is_over: bool = False,
    ) -> None:
        def step(server: Server) -> str:
            if isinstance(result, Exception):
                raise result
            return watching.keep(server, result)

        with deadlines.within(DEAD_S, lambda: os._exit(os.EX_TEMPFAIL)):
            try:
                close_old_connections()
                if Server.objects.filter(pk=server.pk, is_active=True).exists():  # else removed or paused meanwhile
                    pipeline.run_step(server, STEP, step, took_s=took_s)
                    self._decide(server)
            except (OperationalError, InterfaceError) as error:
                logger.warning("The store cannot be used (%s); a look at %s is lost.", error, server.slug)
                connection.close()
            except Exception:
                logger.exception("looking at the sessions of server %s", server.slug)
            finally:
                with self._counts:
                    self._waiting_rows -= rows
                if is_over:
                    self._reported_stuck.discard(server.pk)
                    self._begun_s.pop(server.pk, None)

    def _decide(self, server: Server) -> None:
        """How the next looks are; anew once in a sample interval, for it is of that one's figures."""
        decided_s, _ = self._closely.get(server.pk, (0.0, False))
        if time.monotonic() - decided_s >= server.sample_interval_s:
            self._closely[server.pk] = time.monotonic(), watching.has_frequent_statements(server)

    def _status(self) -> str:
        closely = sum(is_close for _, is_close in list(self._closely.values()))
        late = f", {len(self._late)} looks left out in the last minute" if self._late else ""
        return f"{len(self._begun_s)} servers at this moment, {closely} looked at closely{late}"
