"""COPY's binary format (the manual, COPY): a header, then each row's number of fields and, per field, its length and
its bytes in network order; -1 is the length of a NULL and ends the rows.
"""

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
HEADER = SIGNATURE + bytes(8)  # no flags, no extension
TRAILER = b"\xff\xff"  # -1 as int2, where a row says how many fields it has
EPOCH_US = 946_684_800_000_000  # 2000-01-01 UTC, where PostgreSQL's timestamps begin, in Unix microseconds
