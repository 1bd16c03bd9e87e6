"""Advisory locks of the store: one step of one server runs once at a time, on whichever worker.

Held by the session, so a worker that dies lets go of it; losing the connection loses the lock with it.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def held(step: str, server_id: int) -> Iterator[bool]:
    """Whether the lock was free and is now ours until the block ends."""
    # Two 32-bit keys: the step's name, signed as PostgreSQL's integer is, and the server.
    name = zlib.crc32(f"pgloupe step {step}".encode()) - 2**31
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s, %s)", [name, server_id])
        row = cursor.fetchone()
    is_ours = bool(row and row[0])
    try:
        yield is_ours
    finally:
        if is_ours and connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock(%s, %s)", [name, server_id])
