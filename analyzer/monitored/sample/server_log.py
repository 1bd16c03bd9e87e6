"""Reads what was added to a server's log, where its login may read the files."""

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.logs.rotation import LogFile
from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.failures import quoted
from analyzer.monitored.readings import PreflightItem
from analyzer.schema.quoting import comment

CHUNK_BYTES = 1 << 20
MOST_FILES = 1_000  # judgement: far more than are written between two reads
FORMATS = ("jsonlog", "csvlog", "stderr")  # the first says most clearly what belongs together, and which database
NAME = "The server's log"
OPENS = (
    "With this right the login may read every file of the data directory: tables' data and the roles' password hashes,"
    " whatever other rights it has."
)


@dataclass(frozen=True, slots=True)
class LogAccess:
    """``format`` is None where the log is in no file that the server can show."""

    format: str | None
    line_prefix: str
    lacking: tuple[str, ...]  # functions that the login may not execute
    login: str
    dbname: str

    @property
    def grants(self) -> str:
        """In this database: each has its own functions."""
        grants = [f"GRANT EXECUTE ON FUNCTION pg_catalog.{each} TO {quoted(self.login)};" for each in self.lacking]
        return comment(f"in database {quoted(self.dbname)}") + "\n".join(grants)


def read_log_access(conn: MonitoredConnection) -> LogAccess:
    with conn.transaction_read_only():
        (row,) = conn.run("log_access", action="looking whether the log may be read")
    formats = {part.strip() for part in row.formats.split(",")} if row.is_collected else set()
    may = {
        "pg_current_logfile(text)": row.may_name_file,
        "pg_ls_logdir()": row.may_list_files,
        "pg_read_binary_file(text, bigint, bigint)": row.may_read_files,
    }
    lacking = tuple(function for function, is_allowed in may.items() if not is_allowed)
    format = next((each for each in FORMATS if each in formats), None)
    return LogAccess(format, row.line_prefix, lacking, row.login, conn.dbname)


def log_item(conn: MonitoredConnection) -> PreflightItem:
    """For the preflight of a server whose log is to be read."""
    access = read_log_access(conn)
    if access.format is None:
        return PreflightItem(NAME, "warning", no_file(access))
    if access.lacking:
        return PreflightItem(NAME, "warning", f"{may_not(access)} {OPENS}", access.grants)
    return PreflightItem(NAME, "ok", f"The login may read it ({access.format}).")


def no_file(access: LogAccess) -> str:
    return (
        "The server writes no log that it can show: logging_collector is off, or log_destination names neither"
        " stderr, csvlog nor jsonlog; manage.py read_log reads a file."
    )


def may_not(access: LogAccess) -> str:
    return f"The log is not read: the login may not execute {', '.join(access.lacking)}."


def current_file(conn: MonitoredConnection, format: str) -> str | None:
    """The file written to now; None where there is none."""
    with conn.transaction_read_only():
        (row,) = conn.run("log_current", {"format": format}, action="looking for the log's file")
    file: str | None = row.file
    return file


def files(conn: MonitoredConnection) -> list[LogFile]:
    """The newest of the folder of logs, in every format."""
    with conn.transaction_read_only():
        rows = conn.run("log_files", {"limit": MOST_FILES}, action="listing the files of the log")
    return [LogFile(row.name, row.size_bytes, row.written_s_ago) for row in rows]


def chunks(conn: MonitoredConnection, file: str, start: int, end: int) -> Iterator[bytes]:
    """The file's bytes from ``start`` to ``end``, some at a time."""
    at = start
    while at < end:
        with conn.transaction_read_only():
            (row,) = conn.run(
                "log_read",
                {"file": file, "offset": at, "length": min(CHUNK_BYTES, end - at)},
                action="reading the log",
            )
        if not row.block:
            return
        at += len(row.block)
        yield row.block
