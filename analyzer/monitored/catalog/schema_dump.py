"""pg_dump of schema and statistics, without rows, into a private file.

pg_dump takes ACCESS SHARE locks on the tables for as long as it reads the catalog, and waits for them no longer than
it is told. It sets its session up for itself, so it is not let through a connection pooler: there the settings (an
empty search_path among them) would stay behind in the application's sessions. It asks in a session that we have opened
(session_relay.py): it may be built without TLS, and is given no password.
"""

import contextlib
import mmap
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import make_conninfo

from analyzer.errors import MissingRight, MonitoredServerError, StatementCancelled
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.failures import translate
from analyzer.monitored.login import ODD_BYTE, libpq_parameters, log_in
from analyzer.monitored.session_relay import PORT, private_listener, serve

ACTION = "dumping schema and statistics"
# large objects, rows and rights are not asked for; neither is what makes a server act
OPTIONS = (
    "--format=custom", "--compress=gzip:1", "--no-data", "--statistics", "--no-owner", "--no-privileges",
    "--no-comments", "--no-publications", "--no-subscriptions", "--no-security-labels", "--no-tablespaces",
    "--no-policies", "--no-sync",
)  # fmt: skip
# Of a column's options the newest minor releases keep more (pg_attver), which an older server refuses with all else
# that stands in the table's entry: every table would have to be restored by itself.
COLUMN_OPTIONS = re.compile(
    rb'ALTER (?:FOREIGN )?TABLE ONLY [^;\n]+ ALTER COLUMN (?:"(?:[^"\n]|"")+"|[^\s"]+) SET \((?P<options>[^)\n]*)\);'
)
KNOWN_OPTIONS = (b"n_distinct=", b"n_distinct_inherited=")
USER_MAPPING = b"CREATE USER MAPPING FOR "
PATIENCE_S = 20.0  # for pg_dump to end once it has hung up: it has written all but the archive's head
SESSION = "-c jit=off -c max_parallel_workers_per_gather=0 -c default_transaction_read_only=on"


def dump_schema(
    settings: ConnectionSettings,
    target: Path,
    *,
    pg_dump: Path,
    excluded: Sequence[tuple[str, str]] = (),
    lock_timeout_ms: int = 2_000,
    timeout_s: float = 300,
    connect_timeout_s: int = 5,
) -> None:
    """Write the custom-format archive to ``target``, mode 0600. ``excluded``: (schema, table) to leave out.

    Raises ServerUnreachable, ConnectionLost, MissingRight, StatementCancelled (a lock in the way, too slow) or
    another MonitoredServerError.
    """
    filter_file = target.with_name(f"{target.name}.filter")
    with contextlib.ExitStack() as stack:
        stack.callback(filter_file.unlink, missing_ok=True)
        parameters = libpq_parameters(settings, connect_timeout_s, stack)
        # the encoding is the database's own: pg_dump writes texts as they come
        session = log_in(settings, {**parameters, "options": SESSION, "client_encoding": ""})
        stack.callback(session.close)
        socket_dir, listener = stack.enter_context(private_listener())
        _private(filter_file, "".join(f"exclude table {_pattern(s)}.{_pattern(n)}\n" for s, n in excluded))
        _private(target, "")
        command = [
            str(pg_dump), *OPTIONS, f"--lock-wait-timeout={lock_timeout_ms}", f"--filter={filter_file}",
            f"--file={target}", f"--dbname={_relay_conninfo(settings, socket_dir)}",
        ]  # fmt: skip
        said = stack.enter_context(tempfile.TemporaryFile())
        program = stack.enter_context(_running(command, said.fileno()))
        try:
            error = serve(session, listener, program, timeout_s)
            returncode = program.wait(PATIENCE_S)
        except (TimeoutError, subprocess.TimeoutExpired) as late:
            target.unlink(missing_ok=True)
            raise StatementCancelled(ACTION, f"it took longer than {timeout_s:.0f} s") from late
        if returncode:
            target.unlink(missing_ok=True)
            said.seek(0)
            raise _our_error(error, said.read().decode("utf-8", "replace"), settings) from error
        _blank_user_mappings(target)
        _blank_unknown_options(target)


def _relay_conninfo(settings: ConnectionSettings, socket_dir: Path) -> str:
    return make_conninfo(
        host=str(socket_dir), port=PORT, user=settings.user, dbname=settings.dbname, gssencmode="disable",
        passfile=f"{os.devnull}/none",  # about one that is no plain file libpq warns on stderr
    )  # fmt: skip


@contextlib.contextmanager
def _running(command: list[str], stderr: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The program, killed at the end where it still runs."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}
    program = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, cwd="/"
    )
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def _blank_user_mappings(archive: Path) -> None:
    """Spaces in the place of user mappings, which hold passwords where the login is a superuser's.

    pg_dump cannot leave them out. In a custom archive a text stands plainly behind its length: a sign byte and four
    bytes, the lowest first (pg_backup_archiver.c, WriteInt and WriteStr).
    """
    with archive.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:  # an archive can have 100 MB
        at = 0
        while (at := data.find(USER_MAPPING, at)) >= 0:
            length = int.from_bytes(data[at - 4 : at], "little")
            end = min(at + length, len(data)) if at >= 5 and data[at - 5] == 0 else at
            data[at:end] = b" " * (end - at)
            at = max(end, at + 1)


def _blank_unknown_options(archive: Path) -> None:
    """Spaces in the place of options of columns that no planner reads; texts stand in the archive as they are."""
    with archive.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        for match in COLUMN_OPTIONS.finditer(data):
            options = match["options"].split(b", ")
            kept = [option for option in options if option.startswith(KNOWN_OPTIONS)]
            if len(kept) < len(options):
                (begin, end), text = match.span("options") if kept else match.span(), b", ".join(kept)
                data[begin:end] = text.ljust(end - begin)


def _our_error(error: psycopg.Error | None, output: str, settings: ConnectionSettings) -> MonitoredServerError:
    """``error``: the session's last; without one pg_dump gave up for a reason of its own."""
    if error is None:
        reasons = [line.partition("error: ")[2] for line in output.splitlines() if "error: " in line]
        output = f"pg_dump says: {reasons[0][:300]}" if reasons else "pg_dump gave no reason"
        return MonitoredServerError(f"{ACTION} failed; {output}")
    message = error.diag.message_primary or ""
    # pg_dump waits for locks by a statement_timeout, and sets none elsewhere
    is_timeout = isinstance(error, pg.QueryCanceled) and "user request" not in message
    if is_timeout or isinstance(error, pg.LockNotAvailable):
        return StatementCancelled(ACTION, "a lock on a table was held by others for longer than we wait")
    ours = translate(error, ACTION, settings.address, settings.user, settings.password)
    if isinstance(ours, MissingRight):
        return MissingRight(f"{ours.action}, which pg_dump needs", settings.user, ours.remedy_sql)
    return ours


def _pattern(name: str) -> str:
    """A name in pg_dump's pattern language: quoted, so that nothing in it means anything; bytes not read are any."""
    return '"' + name.replace('"', '""').replace(ODD_BYTE, '"*"') + '"'


def _private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
