"""The step ``log``: what a server's log says since the last time -> plans and values of statements that are known.

Only where somebody asked for it (``Server.reads_log``). The first time nothing is read: what is added from then on is.
"""

from dataclasses import replace

from django.utils import timezone

from analyzer.logs.read_log import LogReading
from analyzer.logs.rotation import FileRange, Position, next_stretches
from analyzer.logs.totals import LogTotals
from analyzer.models import LogPosition, Server
from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.sample import server_log
from analyzer.monitored.sample.server_log import LogAccess
from analyzer.steps.connecting import connect_to
from analyzer.store.logs import keep_log
from analyzer.words.sizes import MB

# Judgement: 270 kB a second is more than most servers log; of what writes more the rest is passed over.
MOST_BYTES = 16 * MB
MOST_TEXTS = 500  # the dearest of a minute: a second's work
MOST_BEHIND_BYTES = 16 * MOST_BYTES


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


def _stretches(server: Server, conn: MonitoredConnection, format: str) -> tuple[list[FileRange], str]:
    """What there is to read, some bytes at most, and a note where something is not."""
    path = server_log.current_file(conn, format) or ""
    name = path.rpartition("/")[2]
    files = server_log.files(conn) if name else []
    current = next((file for file in files if file.name == name), None)
    if current is None:
        return [], "The server names no file of its log."
    known = LogPosition.objects.filter(server=server).first()
    if known is None:
        return [FileRange(path, current.size_bytes, current.size_bytes)], ""
    read_s_ago = (timezone.now() - known.read_at).total_seconds()
    position = Position(known.file.rpartition("/")[2], known.offset_bytes, read_s_ago)
    stretches, note = next_stretches(
        files, current, position, most_bytes=MOST_BYTES, most_behind_bytes=MOST_BEHIND_BYTES
    )
    folder = path.removesuffix(name)
    return [replace(stretch, file=f"{folder}{stretch.file}") for stretch in stretches], note


def _read(conn: MonitoredConnection, access: LogAccess, stretch: FileRange, totals: LogTotals) -> tuple[str, int]:
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
