"""pg_dump of schema and statistics, without rows, into a private file.

pg_dump takes ACCESS SHARE locks on the tables for as long as it reads the catalog, and waits for them no longer than
it is told. It sets its session up for itself, so it is not let through a connection pooler: there the settings (an
empty search_path among them) would stay behind in the application's sessions.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from analyzer.errors import MissingRight, MonitoredServerError, StatementCancelled, StatementFailed
from analyzer.monitored.connection import libpq_parameters
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.failures import quoted, redact_message, unreachable, without_password

ACTION = "dumping schema and statistics"
# large objects, rows and rights are not asked for; neither is what makes a server act
OPTIONS = (
    "--format=custom", "--compress=gzip:1", "--no-data", "--statistics", "--no-owner", "--no-privileges",
    "--no-comments", "--no-publications", "--no-subscriptions", "--no-security-labels", "--no-tablespaces",
    "--no-policies", "--no-sync",
)  # fmt: skip
USER_MAPPING = b"CREATE USER MAPPING FOR "
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

    Raises ServerUnreachable, MissingRight, StatementCancelled (a lock in the way, too slow) or StatementFailed.
    """
    filter_file = target.with_name(f"{target.name}.filter")
    with contextlib.ExitStack() as stack:
        stack.callback(filter_file.unlink, missing_ok=True)
        parameters = libpq_parameters(settings, connect_timeout_s, stack)
        parameters["options"] = SESSION
        del parameters["client_encoding"]
        password = parameters.pop("password", "")
        _private(filter_file, "".join(f"exclude table {_pattern(s)}.{_pattern(n)}\n" for s, n in excluded))
        _private(target, "")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}
        if password:
            environment["PGPASSWORD"] = str(password)
        command = [
            str(pg_dump), *OPTIONS, f"--lock-wait-timeout={lock_timeout_ms}", f"--filter={filter_file}",
            f"--file={target}", f"--dbname={make_conninfo(**parameters)}",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, check=False, timeout=timeout_s, cwd="/"
            )
        except subprocess.TimeoutExpired as error:  # the server notices at its next write that we are gone
            target.unlink(missing_ok=True)
            raise StatementCancelled(ACTION, f"it took longer than {timeout_s:.0f} s") from error
        if done.returncode:
            target.unlink(missing_ok=True)
            raise _our_error(done.stderr.decode("utf-8", "replace"), settings)
        _blank_user_mappings(target)


def _blank_user_mappings(archive: Path) -> None:
    """Spaces in the place of user mappings, which hold passwords where the login is a superuser's.

    pg_dump cannot leave them out. In a custom archive a text stands plainly behind its length: a sign byte and four
    bytes, the lowest first (pg_backup_archiver.c, WriteInt and WriteStr).
    """
    data = bytearray(archive.read_bytes())
    at = 0
    while (at := data.find(USER_MAPPING, at)) >= 0:
        length = int.from_bytes(data[at - 4 : at], "little")
        end = min(at + length, len(data)) if at >= 5 and data[at - 5] == 0 else at
        data[at:end] = b" " * (end - at)
        at = max(end, at + 1)
    with archive.open("r+b") as file:
        file.write(data)


def _our_error(text: str, settings: ConnectionSettings) -> MonitoredServerError:
    text = without_password(text, settings.password)
    if re.search(r"connection to server .* failed|could not translate host name", text):
        return unreachable(psycopg.OperationalError(text), settings.address, settings.password)
    denied = re.search(r"permission denied for (\w+(?: \w+)?) (\S+)", text)
    if denied:
        remedy = f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {quoted(settings.user)};"
        return MissingRight(f"read {denied[1]} {denied[2]}, which pg_dump needs", settings.user, remedy)
    if "statement timeout" in text or "lock timeout" in text:
        return StatementCancelled(ACTION, "a lock on a table was held by others for longer than we wait")
    errors = [line.partition("error: ")[2] for line in text.splitlines() if "error: " in line]
    reason = redact_message(errors[0], None)[:300] if errors else "pg_dump ended without a reason"
    return StatementFailed(ACTION, None, reason)


def _pattern(name: str) -> str:
    """A name in pg_dump's pattern language: quoted, so that nothing in it means anything."""
    return '"' + name.replace('"', '""') + '"'


def _private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
