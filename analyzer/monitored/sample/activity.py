"""Reads pg_stat_activity: what sessions do now, and the last statement of those that just became idle.

Our own sessions are left out: by application_name, and by the marker where a pooler shows its own name.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from analyzer.errors import costing_only
from analyzer.monitored.connection import MonitoredConnection, Row
from analyzer.monitored.login import APPLICATION_NAME
from analyzer.monitored.readings import ActivityRow, NamesByOid, is_ours
from analyzer.schema.server import SessionFacts
from analyzer.statements.display import one_line
from analyzer.statements.fingerprint import fingerprint_of_seen
from analyzer.statements.routes import route_name
from analyzer.statements.secrets import comment_tags, redact_sql

# pg_blocking_pids takes every partition of the lock table for itself: a pile-up of waiting sessions must not
# become worse by our asking. Judgement.
MOST_WAITING_ASKED = 50
MOST_BYTES_PER_CHARACTER = 4
HIGHEST_HZ = 20.0
MOST_TEXT_BYTES = 4_000_000  # of one sample
# of a burst: what is read is held until it is stored, of many servers at once
MOST_ROWS, MOST_CHARACTERS = 5_000, 8_000_000
PAIR_APART_S = 0.005  # judgement: a lookup and its round trip take 0.5 to 5 ms
EVER_S = 100 * 365 * 86_400.0
# a session idle for longer than this has shown its last statement in an earlier sample of the burst
BURST_IDLE_S = 2.0
# texts of younger transactions, of hundreds of sessions every ten seconds, are not worth their parsing. Judgement.
TEXT_FROM_AGE_S = 10.0
MOST_STATEMENT_CHARACTERS = 160


def sample_once(conn: MonitoredConnection) -> tuple[datetime, list[ActivityRow]]:
    """All client sessions the login may see but our own, idle ones too, and the server's clock at it.

    Texts are raw: redact before keeping any.
    """
    return _read(conn, idle_s=EVER_S)


def sample_burst(
    conn: MonitoredConnection,
    seconds: float,
    hz: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[tuple[datetime, list[ActivityRow]]]:
    """Sessions ``hz`` times a second on average, with the server's clock at each sample.

    In pairs shortly after one another: what a session runs a few milliseconds after a lookup tells whether that comes
    in a burst, where the next look in a tenth of a second finds it at another page. Idle sessions appear while they
    are freshly idle (their text is the last statement). A pair that comes late is not made up for, so a slow server
    is asked less; and where there is very much to see, it ends sooner.
    """
    pause_s = 2 / min(hz, HIGHEST_HZ)
    began = clock()
    samples: list[tuple[datetime, list[ActivityRow]]] = []
    rows = characters = 0
    while True:
        samples.append(_read(conn, idle_s=BURST_IDLE_S))
        rows += len(samples[-1][1])
        characters += sum(len(row.text or "") for row in samples[-1][1])
        if rows >= MOST_ROWS or characters >= MOST_CHARACTERS:
            return samples
        elapsed = clock() - began
        wait_s = PAIR_APART_S if len(samples) % 2 else pause_s - elapsed % pause_s
        if elapsed + wait_s >= seconds:
            return samples
        sleep(wait_s)


def _read(conn: MonitoredConnection, idle_s: float) -> tuple[datetime, list[ActivityRow]]:
    size = conn.activity_query_size_bytes
    with conn.transaction_read_only():
        rows = conn.run(
            "activity",
            {"application_name": APPLICATION_NAME, "idle_s": idle_s, "most_bytes": MOST_TEXT_BYTES},
            action="reading the sessions' activity",
        )
        sessions = [_activity_row(row, size) for row in rows if row.pid is not None and not is_ours(row.text)]
        waiting = [row.pid for row in sessions if row.wait_event_type == "Lock"]
        if waiting:
            blockers = {
                row.pid: (tuple(row.blocked_by), row.waits_since)
                for row in conn.run(
                    "blocking_pids",
                    {"pids": waiting[:MOST_WAITING_ASKED]},
                    action="reading which sessions block others",
                )
            }
            sessions = [
                replace(row, blocked_by=blockers[row.pid][0], waits_since=blockers[row.pid][1])
                if row.pid in blockers
                else row
                for row in sessions
            ]
    return rows[0].taken_at, sessions


def _activity_row(row: Row, query_size_bytes: int) -> ActivityRow:
    text = row.text or None
    if text is not None and text.startswith("<insufficient privilege>"):
        text = None
    return ActivityRow(
        pid=row.pid,
        backend_start=row.backend_start,
        xact_start=row.xact_start,
        query_start=row.query_start,
        state_change=row.state_change,
        state=row.state,
        wait_event_type=row.wait_event_type,
        wait_event=row.wait_event,
        role_oid=row.role_oid,
        database_oid=row.database_oid,
        application_name=row.application_name or "",
        queryid=row.queryid or None,
        text=text,
        # the server cuts at size - 1 bytes, and before a character that would not fit whole
        is_truncated=text is not None and row.text_bytes >= query_size_bytes - MOST_BYTES_PER_CHARACTER,
        blocked_by=(),
    )


def session_of(
    row: ActivityRow,
    taken_at: datetime,
    names: NamesByOid,
    fingerprint: str | None,
    seen_waiting_s: float | None = None,
    *,
    text_from_age_s: float = TEXT_FROM_AGE_S,
) -> SessionFacts:
    """A backend as facts. ``seen_waiting_s``: since when earlier samples saw it wait, where the server does not say.

    ``fingerprint``: by its queryid, where that is known; else its text gives it. ``text_from_age_s``: how old a
    transaction must be for its text to be read.
    """

    def age(since: datetime | None) -> float | None:
        return None if since is None else max(0.0, (taken_at - since).total_seconds())

    transaction_s = age(row.xact_start)
    text = row.text if (transaction_s or 0.0) >= text_from_age_s or row.blocked_by else None
    statement, route = "", ""
    with costing_only(f"of session {row.pid}", {}):  # its other figures, and the other sessions, are judged
        statement = one_line(redact_sql(text) or "", MOST_STATEMENT_CHARACTERS)
        route = route_name(comment_tags(text))
    return SessionFacts(
        pid=row.pid,
        state=row.state,
        transaction_s=transaction_s,
        statement_s=age(row.query_start),
        in_state_s=age(row.state_change),
        wait_event_type=row.wait_event_type,
        wait_event=row.wait_event,
        role=names.roles.get(row.role_oid) if row.role_oid else None,
        database=names.databases.get(row.database_oid) if row.database_oid else None,
        application_name=row.application_name,
        fingerprint=fingerprint or (fingerprint_of_seen(text) if text and not row.is_truncated else None),
        blocked_by=row.blocked_by,
        lock_wait_s=age(row.waits_since) if row.waits_since else seen_waiting_s,
        statement=statement,
        route=route,
    )
