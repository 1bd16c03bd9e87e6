"""The step ``log``: what a server's log says since the last time -> plans and values of statements that are known.

Only where somebody asked for it (``Server.reads_log``). The first time nothing is read: what is added from then on is.
"""

from dataclasses import dataclass

from django.utils import timezone

from analyzer.logs.read_log import LogReading
from analyzer.logs.totals import LogTotals
from analyzer.models import LogPosition, Server
from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.sample import server_log
from analyzer.monitored.sample.server_log import LogAccess
from analyzer.steps.connecting import connect_to
from analyzer.store.logs import keep_log
from analyzer.words.sizes import MB, size_words

# Judgement: 270 kB a second is more than most servers log; of what writes more the rest is passed over.
MOST_BYTES = 16 * MB
MOST_TEXTS = 500  # the dearest of a minute: a second's work
MOST_BEHIND_BYTES = 16 * MOST_BYTES


@dataclass(frozen=True, slots=True)
class Stretch:
    """Of one file, from where to where; ``is_whole``: nothing is added to it any more."""

    file: str
    start: int
    end: int
    is_whole: bool = False


def read_log(server: Server) -> str:
    """A note for the page: what was not read, and why."""
    if not server.reads_log:
        return ""
    with connect_to(server) as conn:
        access = server_log.read_log_access(conn)
        if access.format is None:
            return server_log.no_file(access)
        if access.lacking:
            return server_log.may_not(access)
        stretches, note = _stretches(server, conn, access.format)
        totals = LogTotals()
        position = None
        for stretch in stretches:
            position = _read(conn, access, stretch, totals)
    if position is None:
        return note
    try:
        if totals.entries:
            keep_log(server, totals, now=timezone.now(), most=MOST_TEXTS)
    finally:  # what cannot be kept is not read again and again
        _keep_position(server, *position)
    return note


def _stretches(server: Server, conn: MonitoredConnection, format: str) -> tuple[list[Stretch], str]:
    """What there is to read, some bytes at most: the rest of a file that was left, then the one written to now."""
    file = server_log.current_file(conn, format)
    size = server_log.file_size_bytes(conn, file) if file else None
    if file is None or size is None:
        return [], "The server names no file of its log."
    known = LogPosition.objects.filter(server=server).first()
    if known is None:
        return [Stretch(file, size, size)], ""
    start, stretches, note = known.offset_bytes, [], ""
    if known.file != file:
        left = server_log.file_size_bytes(conn, known.file)
        if left is not None and left > start:
            stretches.append(Stretch(known.file, start, min(left, start + MOST_BYTES), left <= start + MOST_BYTES))
            if not stretches[0].is_whole:
                return stretches, ""
        start = 0
    elif size < start:  # truncated, and written anew
        start = 0
    if size - start > MOST_BEHIND_BYTES:
        note = f"{size_words(size - start)} of the log were passed over: more is written than is read."
        start = size
    room = MOST_BYTES - sum(s.end - s.start for s in stretches)
    return [*stretches, Stretch(file, start, min(size, start + room))], note


def _read(conn: MonitoredConnection, access: LogAccess, stretch: Stretch, totals: LogTotals) -> tuple[str, int]:
    """Adds to ``totals``; the file, and up to where its entries were whole."""
    reading = LogReading(access.line_prefix, access.format, totals)
    for chunk in server_log.chunks(conn, stretch.file, stretch.start, stretch.end):
        reading.add(chunk)
    if stretch.is_whole:
        reading.finish()
    return stretch.file, stretch.start + reading.read_bytes - reading.waiting_bytes


def _keep_position(server: Server, file: str, offset_bytes: int) -> None:
    LogPosition.objects.update_or_create(
        server=server, defaults={"file": file, "offset_bytes": offset_bytes, "read_at": timezone.now()}
    )
