"""The store's advisory locks, with all their numbers: two 32-bit keys each.

Those of a session go with its connection, so whoever dies lets go of them.
"""

import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

STORE = 7467  # of the store as a whole: (STORE, PARTITIONS) and so on
PARTITIONS, TIDYING, MIGRATION = 1, 2, 3
READING = 7468  # (READING, server id): one reading of a server is kept at a time
FINDINGS = 7469  # (FINDINGS, server id): two runs do not judge the same findings at once
ADVICE = 7470  # (ADVICE, machine): one database is advised on at a time


def wait_for(first: int, second: int) -> None:
    """Until others let go of it; it is ours until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s, %s)", [first, second])


@contextmanager
def held(step: str, server_id: int) -> Iterator[bool]:
    """One step of one server runs once at a time, on whichever worker: whether it is ours until the block ends."""
    name = zlib.crc32(f"pgloupe step {step}".encode()) - 2**31  # signed, as PostgreSQL's integer is
    with tried(name, server_id) as is_ours:
        yield is_ours


@contextmanager
def first_on_this_machine(lock: int) -> Iterator[bool]:
    """Whether nobody else holds it here; ours until the block ends. A container is a machine of its own."""
    with tried(lock, zlib.crc32(socket.gethostname().encode()) - 2**31) as is_ours:
        yield is_ours


@contextmanager
def tried(first: int, second: int, of: BaseDatabaseWrapper | None = None) -> Iterator[bool]:
    """Whether the lock was free and is now ours, until the block ends. ``of``: another connection than the thread's."""
    database = of or connection
    with database.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s, %s)", [first, second])
        row = cursor.fetchone()
    is_ours = bool(row and row[0])
    try:
        yield is_ours
    finally:
        if is_ours and database.is_usable():
            with database.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock(%s, %s)", [first, second])
