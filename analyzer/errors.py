"""What can go wrong, each said in one sentence: what happened, to what, what to do.

psycopg's errors become these in ``analyzer/monitored/`` alone. No message holds a password.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

# Python's own, as a fault of ours raises them: a time limit, a server that is gone and what people are told are others
FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class PgLoupeError(Exception):
    """Anything a person can be told about; its text is shown as it is."""


class BadInput(PgLoupeError):
    """What a person typed cannot be used."""


class MonitoredServerError(PgLoupeError):
    """Something about a monitored server; costs one step, not the run."""


class ServerUnreachable(MonitoredServerError):
    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address, self.reason = address, reason

    def __str__(self) -> str:
        return f"Cannot connect to {self.address}: {self.reason}"


class ConnectionLost(MonitoredServerError):
    def __init__(self, address: str, while_doing: str) -> None:
        super().__init__(address, while_doing)
        self.address, self.while_doing = address, while_doing

    def __str__(self) -> str:
        return f"The connection to {self.address} was lost while {self.while_doing}; the next round tries again"


class SessionsNotSeen(MonitoredServerError):
    def __init__(self, waited_s: float) -> None:
        super().__init__(waited_s)
        self.waited_s = waited_s

    def __str__(self) -> str:
        return (
            f"A look at the sessions began {self.waited_s:.0f} s ago and has not ended: the server's name or its login"
            " may hang. Other servers are looked at meanwhile."
        )


class MissingExtension(MonitoredServerError):
    def __init__(self, extension: str, database: str) -> None:
        super().__init__(extension, database)
        self.extension, self.database = extension, database

    def __str__(self) -> str:
        return (
            f"{self.extension} is not installed in database {self.database!r};"
            f" a superuser can run: CREATE EXTENSION {self.extension}"
        )


class MissingRight(MonitoredServerError):
    def __init__(self, action: str, role: str, remedy_sql: str) -> None:
        super().__init__(action, role, remedy_sql)
        self.action, self.role, self.remedy_sql = action, role, remedy_sql

    def __str__(self) -> str:
        return f"Role {self.role!r} may not {self.action}; its owner can run: {self.remedy_sql}"


class StatementCancelled(MonitoredServerError):
    def __init__(self, action: str, reason: str) -> None:
        super().__init__(action, reason)
        self.action, self.reason = action, reason

    def __str__(self) -> str:
        return f"{self.action} was stopped: {self.reason}"


class UnsupportedVersion(MonitoredServerError):
    def __init__(self, product: str, version: str, needed: str) -> None:
        super().__init__(product, version, needed)
        self.product, self.version, self.needed = product, version, needed

    def __str__(self) -> str:
        return f"{self.product} {self.version} is not supported; pgLoupe needs {self.needed}"


class StatementFailed(MonitoredServerError):
    """The server refused one of our statements. ``sqlstate`` and a text without values."""

    def __init__(self, action: str, sqlstate: str | None, text: str) -> None:
        super().__init__(action, sqlstate, text)
        self.action, self.sqlstate, self.text = action, sqlstate, text

    def __str__(self) -> str:
        return f"{self.action} failed ({self.sqlstate or 'no SQLSTATE'}): {self.text}"


COULD_NOT = "pgLoupe could not work on this "
STATEMENT_FAULT = f"{COULD_NOT}statement ("


def fault_reason(error: Exception, thing: str = "statement") -> str:
    """A fault of ours over one thing, for its page: the error's own text may hold anything, so its kind alone."""
    return f"{COULD_NOT}{thing} ({type(error).__name__})."


@contextmanager
def costing_only(key: str, reasons: dict[str, str], thing: str = "statement") -> Iterator[None]:
    """A fault of ours over one thing ends the work on it alone; ``reasons`` gets why, under its ``key``."""
    try:
        yield
    except FAULTS as error:
        logger.exception("Work on %s %s failed", thing, key)
        reasons[key] = fault_reason(error, thing)


UNTRANSLATABLE = ("22P05", "42883")  # the second where PostgreSQL has no conversion, as between LATIN1 and WIN1252


class UnreadableTexts(StatementFailed):
    """pg_stat_statements gives the texts of all databases or none, and one is no text in this database's encoding."""

    def __str__(self) -> str:
        if self.sqlstate in UNTRANSLATABLE:
            return (
                "The statements' texts cannot be read here: another database of this server ran one that cannot be"
                " written in this database's encoding. Figures go on by queryid. Watch the server through a database in"
                " UTF8, or let the databases of other encodings forget their statements:"
                " SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE encoding <>"
                " (SELECT encoding FROM pg_database WHERE datname = current_database());"
            )
        return (
            "The statements' texts cannot be read here: a database of this server without an encoding (SQL_ASCII) ran"
            " one with bytes that are no text in this database's. Figures go on by queryid. Watch the server through"
            " that database, or let it forget its statements:"
            " SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE encoding = 0;"
        )
