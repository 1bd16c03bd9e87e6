"""What a statement locks, rewrites and reads on a server: by pg_locks, pg_relation_filenode, scans' rows."""

import contextlib
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.servers import ScratchDatabase

HERE = Path(__file__).parent
MODES = (
    "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock",
    "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
)  # fmt: skip
# relations that were there before, by oid: a rename or a drop changes nothing about what is locked
INDEXES = """
    select c.relname, i.indrelid::regclass::text from pg_locks as l
    join pg_class as c on c.oid = l.relation and c.relkind = 'i' and c.relnamespace <> 'pg_toast'::regnamespace
    join pg_index as i on i.indexrelid = c.oid
    where l.pid = pg_backend_pid() and l.mode = 'AccessExclusiveLock'
"""
RELATIONS = """
    select oid, relname, relkind::text, pg_relation_filenode(oid) from pg_class
    where relnamespace = 'public'::regnamespace and relname !~ '^pg_stat_statements' and relkind in ('r', 'p', 'm')
"""
HELD = "select relation, mode from pg_locks where pid = %s and locktype = 'relation' and database <> 0"
WAITS = "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s"
SCANS = "select relid, seq_tup_read from pg_stat_xact_all_tables where schemaname = 'public'"


@dataclass
class Observed:
    locks: dict[str, str] = field(default_factory=dict)  # relation -> the strongest mode
    rewritten: set[str] = field(default_factory=set)
    scanned: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)  # locked ACCESS EXCLUSIVE although their table is not


def statements(name: str) -> list[tuple[str, int, bool]]:
    """Of a file: each with the first version that knows it, and whether the server refuses it."""
    found = []
    for line in (HERE / name).read_text().splitlines():
        if line and not line.startswith("--"):
            sql, _, remark = line.partition("; -- ")
            since = re.search(r"from (\d+)", remark)
            found.append((sql.rstrip(";"), int(since[1]) if since else 13, "refused" in remark))
    return found


def observe_inside(database: ScratchDatabase, sql: str) -> Observed:
    """In a transaction that is rolled back."""
    with database.connect(autocommit=False) as connection:
        before = connection.execute(RELATIONS).fetchall()
        names = {oid: name for oid, name, _, _ in before}
        nodes = {oid: node for oid, _, _, node in before}
        connection.rollback()
        connection.execute("set local client_min_messages = error")
        scans = dict(connection.execute(SCANS).fetchall())
        indexes_before = {name for (name,) in connection.execute("select relname from pg_class where relkind = 'i'")}
        connection.execute(sql)  # type: ignore[call-overload]
        observed = Observed(held(connection, connection.info.backend_pid, names))
        for index, table in connection.execute(INDEXES).fetchall():
            if index in indexes_before and observed.locks.get(table) != "AccessExclusiveLock":
                observed.indexes.add(index)
        after = dict(connection.execute(SCANS).fetchall())
        observed.scanned = {names[oid] for oid, n in after.items() if oid in names and n > scans.get(oid, 0)}
        for oid, _, kind, node in connection.execute(RELATIONS).fetchall():
            if oid in nodes and node != nodes[oid] and kind != "p":
                observed.rewritten.add(names[oid])
        connection.rollback()
    return observed


def observe_outside(database: ScratchDatabase, sql: str, blocker: str) -> dict[str, str]:
    """Locks of a statement that no transaction may hold, held or waited for, while another session is in its way."""
    with database.connect(autocommit=False) as other, database.connect() as connection, database.connect() as looking:
        names = {oid: name for oid, name, _, _ in looking.execute(RELATIONS).fetchall()}
        other.execute(blocker)  # type: ignore[call-overload]
        thread = threading.Thread(target=_run, args=(connection, sql))
        thread.start()
        pid, found = connection.info.backend_pid, dict[str, str]()
        while not (looking.execute(WAITS, (pid,)).fetchone() or (False,))[0] and thread.is_alive():
            time.sleep(0.02)
        found = held(looking, pid, names)
        looking.execute("select pg_cancel_backend(%s)", (pid,))
        thread.join()
        other.rollback()
    return found


def _run(connection: psycopg.Connection[Any], sql: str) -> None:
    with contextlib.suppress(psycopg.errors.QueryCanceled):
        connection.execute(sql)  # type: ignore[call-overload]


def held(connection: psycopg.Connection[Any], pid: int, names: dict[int, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for oid, mode in connection.execute(HELD, (pid,)).fetchall():
        name = names.get(oid)
        if name is not None and (name not in found or MODES.index(mode) > MODES.index(found[name])):
            found[name] = mode
    return found
