"""Lends a session of ours to a client program: to pg_dump, which may be built without TLS (the one we bring is).

The program connects, without a password, to a Unix socket in a directory that only we may enter. What it asks is run
in a session that psycopg's libpq opened, so addresses, TLS, certificates, the login with its channel binding, and what
is said when they fail, are exactly those of our other sessions, and the program never holds the password. To hand on
bytes instead, all of that would have to be written once more in Python; and SCRAM-SHA-256-PLUS could not be handed on
at all, being bound to a TLS connection that the program knows nothing of.

It speaks the simple query half of the protocol, which is all that pg_dump uses (PQexec; no COPY with --no-data). Rows
go through in small pieces. Source: the manual, chapter "Frontend/Backend Protocol".
"""

import contextlib
import re
import selectors
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq

from analyzer.monitored.readings import OWN_MARKER

PROTOCOL_3_0 = 3 << 16
PORT = 5432  # of the socket's name alone
MOST_QUERY_BYTES = 64_000_000  # pg_dump lists the oids of all tables in one text; 10 bytes each
ROWS_AT_ONCE = 200  # judgement: some 10 kB of pg_attribute
CANCEL_TIMEOUT_S = 3.0
# what servers of 13 to 18 report of themselves; pg_dump reads the version, the encoding and is_superuser
REPORTED = (
    b"server_version", b"server_encoding", b"client_encoding", b"application_name", b"default_transaction_read_only",
    b"in_hot_standby", b"is_superuser", b"session_authorization", b"DateStyle", b"IntervalStyle", b"TimeZone",
    b"integer_datetimes", b"standard_conforming_strings",
)  # fmt: skip
STATUS = {pq.TransactionStatus.INTRANS: b"T", pq.TransactionStatus.INERROR: b"E"}
NULL = struct.pack("!i", -1)
_int32 = struct.Struct("!i").pack
_int16 = struct.Struct("!h").pack
_column = struct.Struct("!IhIhih").pack


class ClientGone(Exception):
    """The program is gone."""


@contextlib.contextmanager
def private_listener() -> Iterator[tuple[Path, socket.socket]]:
    """A socket directory for ``host`` (mode 0700, gone at the end) and what listens in it on ``PORT``."""
    with contextlib.ExitStack() as stack:
        # not below TMPDIR or our own directory: a socket's path has 103 bytes at most
        temporary = tempfile.TemporaryDirectory(prefix="pgloupe-", dir="/tmp", ignore_cleanup_errors=True)
        directory = Path(stack.enter_context(temporary))
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(str(directory / f".s.PGSQL.{PORT}"))
        listener.listen(1)
        yield directory, listener


def serve(
    raw: "psycopg.Connection[Any]", listener: socket.socket, program: "subprocess.Popen[Any]", timeout_s: float
) -> psycopg.Error | None:
    """Run what ``program`` asks on ``listener`` until it ends; the session's last error. TimeoutError after that long.

    ``raw`` is in autocommit and used by nobody else; whatever it is doing when the program goes away is cancelled.
    """
    deadline = time.monotonic() + timeout_s
    client = _accept(listener, program, deadline)
    if client is None:
        return None
    _take_down(listener)
    relay = SessionRelay(raw, client, deadline)
    try:
        with client, contextlib.suppress(ClientGone, BrokenPipeError, ConnectionResetError):
            relay.run()
    finally:
        if raw.info.transaction_status == pq.TransactionStatus.ACTIVE:
            with contextlib.suppress(psycopg.Error):
                raw.cancel_safe(timeout=CANCEL_TIMEOUT_S)
    return relay.error


def _take_down(listener: socket.socket) -> None:
    """One session, one program; and nothing is left behind when we are killed from here on."""
    path = Path(listener.getsockname())
    listener.close()
    path.unlink()
    path.parent.rmdir()


def _accept(listener: socket.socket, program: "subprocess.Popen[Any]", deadline: float) -> socket.socket | None:
    """None: the program ended without having connected."""
    listener.settimeout(0.05)
    while True:
        has_ended = program.poll() is not None
        try:
            return listener.accept()[0]
        except TimeoutError:
            if has_ended:
                return None
            if time.monotonic() > deadline:
                raise


class SessionRelay:
    """The server's side of one connection, answered from a session."""

    def __init__(self, raw: "psycopg.Connection[Any]", client: socket.socket, deadline: float) -> None:
        """``deadline``: on the monotonic clock; TimeoutError is raised then."""
        self.error: psycopg.Error | None = None  # the last one
        self._session, self._client, self._deadline = raw.pgconn, client, deadline
        self._received = bytearray()
        self._reported: dict[bytes, bytes] = {}

    def run(self) -> None:
        """Until the program takes its leave or is gone (ClientGone), or the session ends."""
        self._start()
        while self._session.status == pq.ConnStatus.OK:
            kind, length = struct.unpack("!ci", self._take(5))
            body = self._take(_checked(length) - 4)
            if kind == b"X":
                return
            if kind != b"Q":  # of the extended protocol, or COPY's
                self._send(_error(b"FATAL", b"0A000", b"pgLoupe's relay takes simple queries only"))
                return
            try:
                self._query(_marked(body.removesuffix(b"\0")))
            except psycopg.OperationalError as error:  # the session is lost, and the program with it
                self.error = error
                self._send(_error(b"FATAL", b"08006", b"the connection to the server was lost"))
                return

    # -- what the program is told -------------------------------------------------------------------------

    def _start(self) -> None:
        """The start-up, with an answer as of a server that trusts us."""
        (length,) = struct.unpack("!i", self._take(4))
        packet = self._take(_checked(length) - 4)
        (version,) = struct.unpack("!i", packet[:4])
        if version >> 16 != 3:
            self._send(_error(b"FATAL", b"08P01", b"pgLoupe's relay speaks protocol 3 only"))
            raise ClientGone
        newer = [name for name in packet[4:].split(b"\0")[::2] if name.startswith(b"_pq_.")]
        if version > PROTOCOL_3_0 or newer:
            names = b"".join(name + b"\0" for name in newer)
            self._send(_message(b"v", _int32(PROTOCOL_3_0) + _int32(len(newer)) + names))
        self._send(_message(b"R", _int32(0)) + self._changed_reports() + self._ready())

    def _query(self, text: bytes) -> None:
        session = self._session
        session.send_query(text)
        session.set_chunked_rows_mode(ROWS_AT_ONCE)
        self._finish_sending()
        is_described = False
        while (result := self._next_result()) is not None:
            status = result.status
            if status in (pq.ExecStatus.TUPLES_CHUNK, pq.ExecStatus.TUPLES_OK):
                self._send((b"" if is_described else _row_description(result)) + _data_rows(result))
                is_described = True
            if status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
                self._send(_message(b"C", (result.command_status or b"") + b"\0"))
                is_described = False
            elif status == pq.ExecStatus.EMPTY_QUERY:
                self._send(_message(b"I"))
            elif status == pq.ExecStatus.FATAL_ERROR:
                self._fail(result)
            elif status != pq.ExecStatus.TUPLES_CHUNK:  # COPY
                raise psycopg.OperationalError(f"the relay does not take {pq.ExecStatus(status).name}")
        self._send(self._changed_reports() + self._ready())

    def _fail(self, result: pq.abc.PGresult) -> None:
        if result.error_field(pq.DiagnosticField.SQLSTATE) is None:  # libpq's own words: the server is gone
            raise psycopg.OperationalError(result.error_message.decode("utf-8", "replace"))
        self.error = psycopg.errors.error_from_result(result)
        fields = [
            bytes([field.value]) + value + b"\0"
            for field in pq.DiagnosticField
            if (value := result.error_field(field)) is not None
        ]
        self._send(_message(b"E", b"".join(fields) + b"\0"))

    def _changed_reports(self) -> bytes:
        """ParameterStatus of what SET has changed since the last time, at first of all."""
        now = {name: value for name in REPORTED if (value := self._session.parameter_status(name)) is not None}
        changed = {name: value for name, value in now.items() if self._reported.get(name) != value}
        self._reported = now
        return b"".join(_message(b"S", name + b"\0" + value + b"\0") for name, value in changed.items())

    def _ready(self) -> bytes:
        return _message(b"Z", STATUS.get(pq.TransactionStatus(self._session.transaction_status), b"I"))

    # -- waiting ------------------------------------------------------------------------------------------

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._receive()
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _receive(self) -> None:
        self._client.settimeout(self._left_s())
        data = self._client.recv(65_536)
        if not data:
            raise ClientGone
        self._received += data

    def _send(self, data: bytes) -> None:
        self._client.settimeout(self._left_s())
        self._client.sendall(data)

    def _finish_sending(self) -> None:
        while self._session.flush():
            self._wait_for_server(selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _next_result(self) -> pq.abc.PGresult | None:
        while self._session.is_busy():
            self._wait_for_server(selectors.EVENT_READ)
        return self._session.get_result()

    def _wait_for_server(self, events: int) -> None:
        """Until there is something to read, which is read, or to write; ClientGone when the program no longer waits."""
        with selectors.DefaultSelector() as selector:
            server = selector.register(self._session.socket, events)
            selector.register(self._client, selectors.EVENT_READ)
            ready = selector.select(self._left_s())
        for key, happened in ready:
            if key is not server:
                self._receive()
            elif happened & selectors.EVENT_READ:
                self._session.consume_input()

    def _left_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


# -- messages ---------------------------------------------------------------------------------------------


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + _int32(len(body) + 4) + body


def _error(severity: bytes, sqlstate: bytes, text: bytes) -> bytes:
    return _message(b"E", b"S%b\0V%b\0C%b\0M%b\0\0" % (severity, severity, sqlstate, text))


def _row_description(result: pq.abc.PGresult) -> bytes:
    columns = [
        (result.fname(i) or b"") + b"\0" + _column(
            result.ftable(i), result.ftablecol(i), result.ftype(i), result.fsize(i), result.fmod(i), result.fformat(i)
        )
        for i in range(result.nfields)
    ]  # fmt: skip
    return _message(b"T", _int16(len(columns)) + b"".join(columns))


def _data_rows(result: pq.abc.PGresult) -> bytes:
    get_value, columns = result.get_value, range(result.nfields)
    count = _int16(len(columns))
    rows = []
    for row in range(result.ntuples):
        values = [get_value(row, column) for column in columns]
        body = b"".join([NULL if value is None else _int32(len(value)) + value for value in values])
        rows.append(b"D" + _int32(len(body) + 6) + count + body)
    return b"".join(rows)


def _marked(query: bytes) -> bytes:
    """With our marker behind its first word; in bytes, as pg_dump speaks the database's encoding."""
    return re.sub(rb"^\s*\w+", rb"\g<0> " + OWN_MARKER.encode(), query, count=1)


def _checked(length: int) -> int:
    """Of a message; what is no message is no reason to wait for gigabytes."""
    if not 4 <= length <= MOST_QUERY_BYTES:
        raise ClientGone
    return length
