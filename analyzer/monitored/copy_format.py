"""COPY's binary format (the manual, COPY): a header, then each row's number of fields and, per field, its length and
its bytes in network order; -1 is the length of a NULL and ends the rows.
"""

import selectors
from collections.abc import Callable

from psycopg import errors, pq

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
HEADER = SIGNATURE + bytes(8)  # no flags, no extension
TRAILER = b"\xff\xff"  # -1 as int2, where a row says how many fields it has
EPOCH_US = 946_684_800_000_000  # 2000-01-01 UTC, where PostgreSQL's timestamps begin, in Unix microseconds
ROWS_AT_ONCE = 512  # judgement: a tenth of a usual sample, so that little is left to do after the last row


def copied_rows(pgconn: pq.abc.PGconn, take: Callable[[list[bytes]], None]) -> None:
    """The rest of a running COPY TO, a message a row, some hundred rows at a time.

    psycopg's own loop waits anew for each row, which costs more than the rows.
    """
    rows: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ)
        while True:
            size, data = pgconn.get_copy_data(1)
            if size > 0:
                rows.append(bytes(data))
            elif size == 0:
                if len(rows) >= ROWS_AT_ONCE:  # the server is at work on the next meanwhile
                    take(rows)
                    rows = []
                selector.select()
                pgconn.consume_input()
            else:
                break
    while (result := pgconn.get_result()) is not None:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(result)
    take(rows)
