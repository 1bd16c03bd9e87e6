"""Block accesses, I/O times and WAL of a node, as EXPLAIN (BUFFERS, WAL) counts them.

All are totals over loops and processes already: never multiply them by loops. A block touched twice counts
twice, so they are accesses, not a size. ``shared_read_blocks`` missed PostgreSQL's cache, which need not be
disk. Below a Gather, I/O times are summed over the processes and may exceed wall-clock time.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Buffers(NamedTuple):
    """``None``: not printed (no BUFFERS, no track_io_timing, no WAL, an older version)."""

    shared_hit_blocks: int | None = None
    shared_read_blocks: int | None = None
    shared_dirtied_blocks: int | None = None
    shared_written_blocks: int | None = None
    local_hit_blocks: int | None = None
    local_read_blocks: int | None = None
    local_dirtied_blocks: int | None = None
    local_written_blocks: int | None = None
    temp_read_blocks: int | None = None
    temp_written_blocks: int | None = None
    # needs track_io_timing; before 17 shared and local together under one name
    shared_read_time_ms: float | None = None
    shared_write_time_ms: float | None = None
    local_read_time_ms: float | None = None
    local_write_time_ms: float | None = None
    temp_read_time_ms: float | None = None  # 15+
    temp_write_time_ms: float | None = None
    wal_records: int | None = None
    wal_full_page_images: int | None = None
    wal_bytes: int | None = None
    wal_buffers_full: int | None = None  # 18+

    @property
    def shared_touched_blocks(self) -> int | None:
        """Accesses to shared blocks, found in the cache or not."""
        if self.shared_hit_blocks is None or self.shared_read_blocks is None:
            return None
        return self.shared_hit_blocks + self.shared_read_blocks

    @property
    def touched_blocks(self) -> int | None:
        """Accesses to blocks of tables and indexes, shared and temporary tables' (local); no temporary files."""
        shared = self.shared_touched_blocks
        return None if shared is None else shared + (self.local_hit_blocks or 0) + (self.local_read_blocks or 0)

    @property
    def temp_blocks(self) -> int | None:
        """Blocks of temporary files, written and read."""
        if self.temp_read_blocks is None or self.temp_written_blocks is None:
            return None
        return self.temp_read_blocks + self.temp_written_blocks

    @property
    def io_time_ms(self) -> float | None:
        """Reading and writing, of tables and temporary files; None without track_io_timing."""
        known = [self[position] for position in TIME_POSITIONS if self[position] is not None]
        return sum(time for time in known if time is not None) if known else None

    def less(self, others: Iterable["Buffers"]) -> "Buffers":
        """What is left after ``others``; it may fall below 0: counters are read at slightly different moments."""
        left: list[float | None] = list(self)
        for other in others:
            left = [a if a is None or b is None else a - b for a, b in zip(left, other, strict=True)]
        return Buffers(*left)  # type: ignore[arg-type]

    def not_negative(self) -> "Buffers":
        """With no counter below 0, times to the microsecond that EXPLAIN prints."""
        return Buffers(*(a if a is None else round(a, 3) if a > 0 else a * 0 for a in self))  # type: ignore[arg-type]

    def shared_with(self, other: "Buffers") -> "Buffers":
        """The smaller of both, counter by counter, not below 0."""
        pairs = zip(self, other, strict=True)
        return Buffers(*(None if a is None or b is None else max(0, min(a, b)) for a, b in pairs))  # type: ignore[arg-type]

    def covers(self, other: "Buffers") -> bool:
        """Whether ``other`` can be a part of this."""
        return all((other[at] or 0) <= max(0, self[at] or 0) for at in COUNT_POSITIONS)


FIELDS = Buffers._fields
BLOCK_FIELDS = tuple(name for name in FIELDS if name.endswith("_blocks"))
TIME_POSITIONS = frozenset(at for at, name in enumerate(FIELDS) if name.endswith("_ms"))
COUNT_POSITIONS = tuple(at for at, name in enumerate(FIELDS) if not name.endswith("_ms"))

# name here -> names in EXPLAIN's JSON, the newest first
PRINTED: Mapping[str, tuple[str, ...]] = {
    **{name: (name.replace("_", " ").title(),) for name in BLOCK_FIELDS},
    "shared_read_time_ms": ("Shared I/O Read Time", "I/O Read Time"),
    "shared_write_time_ms": ("Shared I/O Write Time", "I/O Write Time"),
    "local_read_time_ms": ("Local I/O Read Time",),
    "local_write_time_ms": ("Local I/O Write Time",),
    "temp_read_time_ms": ("Temp I/O Read Time",),
    "temp_write_time_ms": ("Temp I/O Write Time",),
    "wal_records": ("WAL Records",),
    "wal_full_page_images": ("WAL FPI",),
    "wal_bytes": ("WAL Bytes",),
    "wal_buffers_full": ("WAL Buffers Full",),
}
# name in the JSON and position here, older names first: a newer one wins
COUNTERS = tuple((printed, at) for at, name in enumerate(FIELDS) for printed in reversed(PRINTED[name]))
