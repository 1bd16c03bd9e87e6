"""How long work takes on a table of this size: an estimate from its bytes, told as one."""

from analyzer.review.effects import TableWork
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.words.durations import time_words
from analyzer.words.sizes import MB, size_words

# MB of the table a second. Measured: PostgreSQL 13, 15 and 18 on two cores, 1.5 million rows of 120 bytes in memory,
# about the slowest of the three; a server that reads them from disk, or does much beside, takes longer
SCAN_MB_S = 200
LOOKUP_MB_S = 60  # of a foreign key's rows
REWRITE_MB_S = 80
INDEX_MB_S = 30  # of one index: 66 of an integer column, 22 of a text of 64 characters
UPDATE_MB_S = 5  # with the indexes that a changed column is in


def work_seconds(work: TableWork, known: FactsAtStatement) -> float | None:
    """None where the table's size is not known."""
    size = known.size_bytes(work.relation)
    if size is None:
        return None
    if work.kind == "scan":
        return size / MB / (LOOKUP_MB_S if work.is_lookup else SCAN_MB_S)
    if work.kind == "index":
        return size / MB / INDEX_MB_S * max(1, work.indexes)
    return size / MB / REWRITE_MB_S + size / MB / INDEX_MB_S * _indexes(work, known)


def update_seconds(size_bytes: float) -> float:
    """Of an UPDATE of every row."""
    return size_bytes / MB / UPDATE_MB_S


def total_seconds(works: list[TableWork], known: FactsAtStatement) -> float | None:
    seconds = [work_seconds(work, known) for work in works]
    known_ones = [s for s in seconds if s is not None]
    return sum(known_ones) if len(known_ones) == len(seconds) else None


def seconds_words(seconds: float | None) -> str:
    """ "about 4 min 10 s, planned from its size"."""
    if seconds is None:
        return "how long, only its size would tell"
    return "less than a second" if seconds < 1 else f"about {time_words(round(seconds) * 1000)}, planned from its size"


def work_words(work: TableWork, known: FactsAtStatement) -> str:
    """ "rewrites public.t (12 GB)", "may rewrite public.t"."""
    size = known.size_bytes(work.relation)
    name = known.key(work.relation)
    of = f" ({size_words(size)})" if size is not None else ""
    if work.kind == "index":
        many = f"{work.indexes} indexes" if work.indexes > 1 else "an index"
        return f"{'builds' if work.is_certain else 'may build'} {many} of {name}{of}"
    certain, perhaps = ("rewrites", "may rewrite") if work.kind == "rewrite" else ("reads all of", "may read all of")
    return f"{certain if work.is_certain else perhaps} {name}{of}"


def _indexes(work: TableWork, known: FactsAtStatement) -> int:
    table = known.table(work.relation)
    return len(table.indexes) if table else 0
