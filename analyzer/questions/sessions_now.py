"""What the sessions of a server do now, read while a page waits, within seconds.

Everybody who looks at the page within a few moments gets the same answer: the server is asked no more often for many
viewers than for one. What failed is kept as long, so that a server that hangs holds up one viewer at a time.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from analyzer.errors import PgLoupeError
from analyzer.models import Server
from analyzer.monitored.connection import connect
from analyzer.monitored.readings import ActivityRow
from analyzer.monitored.sample.activity import sample_once
from analyzer.monitored.sample.standing import read_progress, read_standing
from analyzer.schema.blocking import BlockingTree, blocking_trees
from analyzer.schema.server import SessionFacts
from analyzer.schema.standing import HeldBack, Progress, Standing, held_back
from analyzer.steps.check_sessions import session_facts
from analyzer.store.servers import connection_settings

FRESH_S = 3.0  # less than the page's own interval
CONNECT_S, STATEMENT_MS = 3, 2_000  # judgement: who looks at a page that refreshes itself does not wait longer
LIMIT_S = 6.0  # then what is left is not asked for
MOST_TRANSACTIONS, MOST_GROUPS, MOST_HOLDERS = 20, 20, 5
WAITING, IN_TRANSACTION = "waiting for a lock", "idle in transaction"


@dataclass(frozen=True, slots=True)
class SessionGroup:
    """Sessions of one role, database and application, by state."""

    role: str
    database: str
    application_name: str
    states: Mapping[str, int]

    @property
    def sessions(self) -> int:
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """``xid_age``: transactions begun since its snapshot; None where it holds back none."""

    session: SessionFacts
    xid_age: int | None


@dataclass(frozen=True, slots=True)
class SessionsNow:
    """``standing`` and ``progress`` are None where there was no time left for them."""

    read_at: datetime
    took_s: float
    states: Mapping[str, int]  # of client sessions, without ours
    groups: Sequence[SessionGroup]
    trees: Sequence[BlockingTree]
    transactions: Sequence[OpenTransaction]
    standing: Standing | None
    held: Sequence[HeldBack]
    progress: Sequence[Progress] | None


_locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
_answers: dict[int, tuple[float, SessionsNow | PgLoupeError]] = {}


def sessions_now(server: Server) -> SessionsNow:
    """Raises PgLoupeError."""
    with _locks[server.pk]:
        known = _answers.get(server.pk)
        if known is None or time.monotonic() - known[0] >= FRESH_S:
            answer: SessionsNow | PgLoupeError
            try:
                answer = _read(server)
            except PgLoupeError as error:
                answer = error
            known = _answers[server.pk] = (time.monotonic(), answer)
    if isinstance(known[1], PgLoupeError):
        raise known[1]
    return known[1]


def _read(server: Server) -> SessionsNow:
    begun = time.monotonic()
    settings = connection_settings(server)
    standing = progress = None
    with connect(settings, statement_timeout_ms=STATEMENT_MS, connect_timeout_s=CONNECT_S) as conn:
        taken_at, rows = sample_once(conn)
        read_at = timezone.now()
        if time.monotonic() - begun < LIMIT_S:
            standing = read_standing(conn)
        if time.monotonic() - begun < LIMIT_S:
            progress = read_progress(conn)
    rows = [row for row in rows if row.state is not None]
    facts = list(session_facts(server, taken_at, rows, text_from_age_s=0.0))
    return SessionsNow(
        read_at=read_at,
        took_s=time.monotonic() - begun,
        states=dict(Counter(map(_state, rows)).most_common()),
        groups=_groups(server, rows),
        trees=blocking_trees(facts),
        transactions=_open_transactions(facts, standing),
        standing=standing,
        held=held_back(standing)[:MOST_HOLDERS] if standing else (),
        progress=progress,
    )


def _state(row: ActivityRow) -> str:
    return WAITING if row.wait_event_type == "Lock" else row.state or ""


def _groups(server: Server, rows: Sequence[ActivityRow]) -> list[SessionGroup]:
    """The largest first."""
    roles = dict(server.roles.values_list("oid", "name"))
    databases = dict(server.databases.values_list("oid", "name"))
    states: defaultdict[tuple[int | None, int | None, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        states[row.role_oid, row.database_oid, row.application_name][_state(row)] += 1
    groups = [
        SessionGroup(roles.get(role or 0, ""), databases.get(database or 0, ""), application, dict(of.most_common()))
        for (role, database, application), of in states.items()
    ]
    groups.sort(key=lambda group: (-group.sessions, group.role, group.database, group.application_name))
    return groups[:MOST_GROUPS]


def _open_transactions(facts: Sequence[SessionFacts], standing: Standing | None) -> list[OpenTransaction]:
    """The longest first."""
    ages = {holder.pid: holder.xid_age for holder in (standing.holders if standing else None) or ()}
    opened = sorted((f for f in facts if f.transaction_s is not None), key=lambda f: -(f.transaction_s or 0.0))
    return [OpenTransaction(f, ages.get(f.pid)) for f in opened[:MOST_TRANSACTIONS]]
