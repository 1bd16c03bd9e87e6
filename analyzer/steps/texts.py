"""The step ``texts``: the texts of statements that have none yet, some hundred at a time.

Apart from the counters, which must come on time: a new server may have thousands of texts, or long ones, and to
describe them takes a minute or, on a small machine, many. Each lot is committed when it is described, so a run that is
stopped anywhere loses nothing of what was kept, and the next one goes on. How far it has got is the step's note.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import datetime

from django.utils import timezone

from analyzer.errors import MonitoredServerError, UnreadableTexts
from analyzer.models import Server, StepStatus
from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.readings import Key, StatementText
from analyzer.monitored.sample.names import read_names
from analyzer.monitored.sample.statements import MOST_TEXT_BYTES, read_some_texts
from analyzer.steps import schedule
from analyzer.steps.connecting import connect_to
from analyzer.store import schemas, texts
from analyzer.store.databases import inspected_databases

logger = logging.getLogger(__name__)

STEP = "texts"
OF_A_SAMPLE = 200  # as many are read along with the counters: in an ordinary interval a few are new
OF_A_SAMPLE_BYTES = 500_000  # described in a second or two
LOT_TEXTS, LOT_CHARACTERS = 100, 200_000  # about half a second's work: what a stop can cost
RUN_S = 20.0  # then others have their turn
SCHEMA_APART_S = 60.0  # judgement: a new table's first advice can wait a minute, not ten


def name_few(server: Server, conn: MonitoredConnection, keys: Sequence[Key]) -> str:
    """Texts of ``keys`` along with a sample, when they are few; for the others the step ``texts`` comes at once.

    A note for the page. What fails here costs the sample nothing: the step tries again, and says what it is.
    """
    note, left = "", list(keys)
    if len(keys) <= OF_A_SAMPLE:
        try:
            texts_read, left, note = _some_texts(server, conn, left, OF_A_SAMPLE_BYTES)
            _keep(server, texts_read)
        except MonitoredServerError as error:
            logger.warning("texts of server %s: %s", server.slug, error)
    if left:
        schedule.make_due_now(server, STEP, now=timezone.now())
    return note


def read_texts(server: Server) -> str:
    """As many texts as RUN_S allows; the note says how far it got, or why there are none; "" when all are there."""
    is_retry = _is_retry_due(server, timezone.now())
    left, entries = texts.waiting(server, retry=is_retry)
    until = time.monotonic() + RUN_S
    note = "" if is_retry else _last_note(server)  # what could not be read is not asked for before the next retry
    while left:
        with connect_to(server) as conn:
            texts_read, left, note = _some_texts(server, conn, left, MOST_TEXT_BYTES)
        waiting = len(texts_read) + len(left)  # what is gone since is not waited for
        for lot in lots(texts_read):
            _keep(server, lot)
            waiting -= len(lot)
            if not waiting:
                break
            progress = f"{texts.READING} ({entries - waiting:,} of {entries:,})"
            StepStatus.objects.filter(server=server, step=STEP).update(note=progress)
            if time.monotonic() > until:
                schedule.make_due_now(server, STEP, now=timezone.now())
                return progress
    return note


def lots(texts_read: list[StatementText]) -> Iterator[list[StatementText]]:
    """Some texts at a time; equal ones, of other databases and roles, side by side: each is described once."""
    lot: list[StatementText] = []
    distinct = characters = 0
    last: str | None = None
    for text in sorted(texts_read, key=lambda t: t.text or ""):
        if not lot or text.text != last:
            if distinct >= LOT_TEXTS or characters >= LOT_CHARACTERS:
                yield lot
                lot, distinct, characters = [], 0, 0
            distinct += 1
            characters += len(text.text or "")
        lot.append(text)
        last = text.text
    if lot:
        yield lot


def _is_retry_due(server: Server, now: datetime) -> bool:
    """Hourly, and until a run that has begun is at its end: what was hidden or missing is asked for again."""
    status = StepStatus.objects.filter(server=server, step=STEP).first()
    if status is None or status.last_success_at is None or status.note.startswith(texts.READING):
        return True
    return (status.last_success_at.date(), status.last_success_at.hour) != (now.date(), now.hour)


def _last_note(server: Server) -> str:
    status = StepStatus.objects.filter(server=server, step=STEP).first()
    return status.note if status is not None else ""


def _some_texts(
    server: Server, conn: MonitoredConnection, keys: list[Key], most_bytes: int
) -> tuple[list[StatementText], list[Key], str]:
    """Texts, the keys left for another time, and a note."""
    texts.keep_names(server, read_names(conn))  # first: our own entries are known by the login's name
    try:
        texts_read, left = read_some_texts(conn, keys, most_bytes=most_bytes)
    except UnreadableTexts as unreadable:  # asked for again each hour
        return [StatementText(*key, None) for key in keys], [], str(unreadable)
    return texts_read, left, ""


def _keep(server: Server, texts_read: list[StatementText]) -> None:
    now = timezone.now()
    texts.keep_texts(server, texts_read, now=now)
    if any(schemas.tables_not_read(database, now) for database in inspected_databases(server)):
        schedule.run_soon(server, "schema", now=now, apart_s=SCHEMA_APART_S)
