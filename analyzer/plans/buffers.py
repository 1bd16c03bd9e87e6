"""Block accesses and I/O times of a node, as EXPLAIN (BUFFERS) counts them.

All are totals over loops and processes already: never multiply them by loops. A block touched twice counts
twice, so they are accesses, not a size. ``shared_read_blocks`` missed PostgreSQL's cache, which need not be
disk.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Buffers:
    """``None``: not printed (no BUFFERS, no track_io_timing, an older version)."""

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

    def less(self, others: Iterable["Buffers"]) -> "Buffers":
        """What is left after ``others``, never below 0: counters are read at slightly different moments."""
        left: dict[str, Any] = {name: getattr(self, name) for name in FIELDS}
        for other in others:
            for name in FIELDS:
                taken = getattr(other, name)
                if left[name] is not None and taken is not None:
                    left[name] -= taken
        return Buffers(**{name: value if value is None else max(0, value) for name, value in left.items()})

    def shared_with(self, other: "Buffers") -> "Buffers":
        """The smaller of both, counter by counter."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in FIELDS}
        return Buffers(**{name: None if None in pair else min(pair) for name, pair in pairs.items()})

    def covers(self, other: "Buffers") -> bool:
        """Whether ``other`` can be a part of this."""
        return all((getattr(other, name) or 0) <= (getattr(self, name) or 0) for name in BLOCK_FIELDS)


FIELDS = tuple(f.name for f in fields(Buffers))
BLOCK_FIELDS = tuple(name for name in FIELDS if name.endswith("_blocks"))

# name here -> names in EXPLAIN's JSON, the newest first
PRINTED: Mapping[str, tuple[str, ...]] = {
    **{name: (name.replace("_", " ").title(),) for name in BLOCK_FIELDS},
    "shared_read_time_ms": ("Shared I/O Read Time", "I/O Read Time"),
    "shared_write_time_ms": ("Shared I/O Write Time", "I/O Write Time"),
    "local_read_time_ms": ("Local I/O Read Time",),
    "local_write_time_ms": ("Local I/O Write Time",),
    "temp_read_time_ms": ("Temp I/O Read Time",),
    "temp_write_time_ms": ("Temp I/O Write Time",),
}
