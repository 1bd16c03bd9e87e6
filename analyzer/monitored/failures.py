"""psycopg's errors in our words. Nothing here lets a password or a value of the data through."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg

from analyzer.errors import (
    ConnectionLost,
    MissingRight,
    MonitoredServerError,
    ServerUnreachable,
    StatementCancelled,
    StatementFailed,
)
from analyzer.statements.qualify import quoted as quoted  # from here for all that writes SQL for people

# What libpq or the server says at connection time, in the order to look for it -> what we say. libpq gives no
# SQLSTATE there, so the English texts (of the wheel's libpq, and of servers with English messages) decide;
# anything else is shown as it came, redacted.
_CONNECT_REASONS: tuple[tuple[str, str], ...] = (
    (r"could not translate host name|Name or service not known|nodename nor servname|"
     r"Temporary failure in name resolution|No address associated|failed to resolve host",
     "the host name is not known; check its spelling"),
    (r"channel binding (is )?required",
     "channel_binding=require, and the server logs in without; it takes TLS and a SCRAM password, and no pooler"),
    (r"does not match host name|server certificate for .* does not match",
     "the server's certificate is for another host name (sslmode=verify-full)"),
    (r"certificate verify failed|self-signed certificate|certificate has expired|root certificate",
     "the server's certificate cannot be verified; give its CA certificate (PEM) or the right one"),
    (r"server does not support SSL|server did not offer (SSL|TLS)",
     "the server offers no TLS, and pgLoupe does not send a password without it; turn on ssl on the server, or, in a"
     " network you trust, name it in PGLOUPE_ALLOW_PLAINTEXT_TO and take sslmode=prefer"),
    (r"SSL required|TLS required|connection requires a valid client certificate|"
     r"no pg_hba\.conf entry .*(SSL off|no encryption)",
     "the server takes no connection of this kind (pg_hba.conf), perhaps only with TLS; use sslmode=require"),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects",
     "pg_hba.conf on the server has no entry for this login, database and address"),
    (r"requested a cleartext password",
     "the server asks for the password in clear text; pgLoupe sends it so only with sslmode=verify-full"),
    (r"password authentication failed|SASL authentication failed|authentication failed for user|"
     r"wrong password",
     "the password or the login's name is wrong"),
    (r"no password supplied|no password was provided|empty password",
     "the server asks for a password and none was given"),
    (r"role \".*\" does not exist|no such user", "the login does not exist"),
    (r"is not permitted to log in", "the role may not log in; its owner can run: ALTER ROLE ... LOGIN"),
    (r"permission denied for database",
     "the login may not connect to this database; GRANT CONNECT is missing"),
    (r"database \".*\" does not exist|no such database", "the database does not exist"),
    (r"not currently accepting connections", "the database takes no connections"),
    (r"too many clients|remaining connection slots|too many connections|no more connections allowed|"
     r"max_client_conn|sorry, too many",
     "the server has no connection left for this login"),
    (r"starting up|in recovery mode|not yet accepting connections|consistent recovery state",
     "the server is starting up"),
    (r"shutting down", "the server is shutting down"),
    (r"unsupported startup parameter", "the connection pooler in between refuses our start-up parameters"),
    (r"server login failed|server_login_retry|cannot connect to server|query_wait_timeout",
     "the connection pooler cannot reach the database behind it"),
    (r"received invalid response|expected authentication request|invalid response to SSL|"
     r"unsupported frontend protocol|wrong version number",
     "what answers at this address is not PostgreSQL"),
    (r"Connection refused", "the connection was refused: no server listens there, or a firewall rejects it"),
    (r"Network is unreachable|No route to host|Host is down", "there is no way to this address from here"),
    (r"timeout expired|timed out|Connection timed out",
     "no answer in time: wrong address, a firewall, a server that hangs, or one that sleeps and takes longer to wake"),
    (r"No such file or directory|Permission denied", "there is no server's socket in this directory"),
    (r"closed the connection unexpectedly|Connection reset|EOF detected|unexpected eof|Broken pipe",
     "the connection was closed at once: the server stopped, or it is not PostgreSQL"),
)  # fmt: skip

FOREIGN_SERVER_AWAY = "08001"  # as an ERROR: of postgres_fdw or dblink, while our own connection lives on
# shutdown, crash, starting up, database dropped, idle_session_timeout; class 08 (also PgBouncer's own errors)
_LOST_SQLSTATES = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05"})


def unreachable(error: psycopg.Error, address: str, password: str) -> ServerUnreachable:
    text = without_password(str(error), password)
    if isinstance(error, pg.ConnectionTimeout):
        text = "timeout expired"
    for pattern, reason in _CONNECT_REASONS:
        if re.search(pattern, text, re.IGNORECASE | re.DOTALL):
            return ServerUnreachable(address, reason)
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "no reason given")
    return ServerUnreachable(address, redact_message(last.strip(), None)[:300])


@contextmanager
def our_errors(action: str, *, address: str, role: str, password: str = "", remedy_sql: str = "") -> Iterator[None]:
    """psycopg's errors inside become ours. ``action`` is what we were doing: "reading the catalog"."""
    try:
        yield
    except (psycopg.Error, UnicodeError, ValueError, OverflowError, NotImplementedError) as error:
        if isinstance(error, psycopg.Error):
            raise translate(error, action, address, role, password, remedy_sql) from error
        # what psycopg could not read: a date out of Python's range, bytes that are no text
        reason = f"the answer could not be read ({type(error).__name__})"
        raise StatementFailed(action, None, reason) from error


def translate(
    error: psycopg.Error, action: str, address: str, role: str, password: str = "", remedy_sql: str = ""
) -> MonitoredServerError:
    message = (error.diag.message_primary or "").strip()
    text = without_password(redact_message(message, error.sqlstate), password)
    if isinstance(error, pg.QueryCanceled):
        if "statement timeout" in message:
            return StatementCancelled(action, "it took longer than its statement_timeout")
        return StatementCancelled(action, text or "it was cancelled on the server")
    if isinstance(error, pg.LockNotAvailable):
        return StatementCancelled(action, "a lock held by others was in the way for longer than lock_timeout")
    if isinstance(error, pg.IdleInTransactionSessionTimeout):
        return StatementCancelled(action, "idle_in_transaction_session_timeout ended the session")
    if error.sqlstate == "25P04":
        return StatementCancelled(action, "transaction_timeout ended the session")
    if error.sqlstate in ("40001", "40P01"):
        return StatementCancelled(action, _conflict(message))
    if error.sqlstate == "53400":
        return StatementCancelled(action, "it needed more temporary files than temp_file_limit allows")
    if isinstance(error, pg.InsufficientPrivilege):
        return _missing_right(message, action, role, remedy_sql)
    if error.sqlstate == FOREIGN_SERVER_AWAY and error.diag.severity_nonlocalized == "ERROR":
        return StatementFailed(action, error.sqlstate, "a foreign server that it asks cannot be reached")
    no_answer = error.sqlstate is None and isinstance(error, psycopg.OperationalError)
    if no_answer or error.sqlstate in _LOST_SQLSTATES or (error.sqlstate or "").startswith("08"):
        return ConnectionLost(address, action)
    if "shared_preload_libraries" in message:
        return StatementFailed(
            action,
            error.sqlstate,
            "pg_stat_statements is not loaded; add it to shared_preload_libraries and restart the server",
        )
    if error.sqlstate is None:
        first_line = str(error).partition("\n")[0]
        text = redact_message(without_password(first_line, password), None)
    return StatementFailed(action, error.sqlstate, text or type(error).__name__)


def _conflict(message: str) -> str:
    """What a replica replays may take away what we read; elsewhere nothing that only reads meets these errors."""
    if "recovery" not in message:
        return "a conflict with others, or with recovery on a replica"
    return (
        "a conflict with recovery: the replica had to replay changes of the primary that took away what was being read"
        " (hot_standby_feedback = on there makes it rarer)"
    )


_GRANTS = {"schema": "USAGE ON SCHEMA", "function": "EXECUTE ON FUNCTION", "sequence": "SELECT ON SEQUENCE"}
_REFUSED = r"permission denied for (schema|function|sequence|(?:materialized )?view|(?:foreign )?table) (.+)"


def _missing_right(message: str, action: str, role: str, remedy_sql: str) -> MissingRight:
    """The server names the object without its schema; the GRANT does too. ``remedy_sql``: where it names none."""
    refused = re.match(_REFUSED, message)
    if refused is None:
        refused_at_all = re.match(r"permission denied (?:for|to) (.+)", message)
        what = f"use {refused_at_all[1]}" if refused_at_all else f"go on {action}"
        return MissingRight(what, role, remedy_sql or f"GRANT pg_monitor TO {quoted(role)};")
    grant = f"GRANT {_GRANTS.get(refused[1], 'SELECT ON')} {quoted(refused[2])} TO {quoted(role)};"
    return MissingRight(f"use {refused[1]} {refused[2]}", role, grant)


# The encoding's name is no data, the bytes behind it are.
_OF_AN_ENCODING = r'(?:invalid byte sequence for|character with byte sequence .* in) encoding "[A-Z0-9_]+"'


def redact_message(message: str, sqlstate: str | None) -> str:
    """A server's message without what may be somebody's data; names of objects stay.

    Values stand in double quotes in data and constraint errors (classes 22, 23) and in syntax errors, in
    single quotes elsewhere. P0 is text that a function raised: nothing is known about it.
    """
    code = sqlstate or ""
    if code in ("22021", "22P05") and (match := re.match(_OF_AN_ENCODING, message)):
        return f"{match[0]}: bytes in the database that are no text in it"
    if code.startswith("P0"):
        return "raised by a function; its text is left out because it may hold data"
    message = re.sub(r"'(?:[^']|'')*'", "'***'", message)
    if code[:2] in ("22", "23", "") or code in ("42601", "42P02", "XX000"):
        message = re.sub(r'"(?:[^"]|"")*"', '"***"', message)
    if code[:2] in ("22", "23"):
        message = re.sub(r"(?<![\w.])-?\d[\d.]*", "***", message)
    return message


def without_password(text: str, password: str) -> str:
    return text.replace(password, "***") if password else text
