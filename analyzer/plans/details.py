"""What single node types print besides rows and times, typed: sorts, hashes, caches, bitmaps, WAL.

Sizes are bytes (EXPLAIN prints kB of 1,024). Counts are totals over all loops of one process, except where said.
A parallel plan prints the leader's values on the node and the workers' in ``Workers`` (VERBOSE): each process has its
own sort and its own hash table, so sizes are per process and none is the sum. Before 18 workers' heap blocks are lost.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SortSpace:
    """One process' sort; of an Incremental Sort the groups of one kind, with their peak."""

    method: str  # "quicksort", "top-N heapsort", "external merge", "external sort", "still in progress"
    is_on_disk: bool
    space_bytes: int | None
    worker: int | None = None  # None: the leader
    groups: int | None = None  # of an Incremental Sort


@dataclass(frozen=True, slots=True)
class HashTable:
    """Of a Hash node: more batches than one were written to temporary files."""

    buckets: int | None
    batches: int
    original_batches: int | None
    peak_memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class HashAggregate:
    """One process' hashed grouping; ``batches`` above 1 or ``disk_bytes`` above 0: it spilled."""

    batches: int
    disk_bytes: int
    peak_memory_bytes: int | None
    worker: int | None = None


@dataclass(frozen=True, slots=True)
class Memoize:
    """One process' cache; ``overflows``: entries that did not fit at all."""

    hits: int
    misses: int
    evictions: int
    overflows: int
    peak_memory_bytes: int | None
    worker: int | None = None


SORTED_GROUPS = ("Full-sort Groups", "Pre-sorted Groups")  # of an Incremental Sort
SORTED = frozenset(("Sort Method", *SORTED_GROUPS))


@dataclass(frozen=True, slots=True)
class HeapBlocks:
    """Of a Bitmap Heap Scan, summed over the processes that print them; all rows of a lossy block are rechecked."""

    exact: int
    lossy: int


@dataclass(frozen=True, slots=True)
class Wal:
    records: int
    full_page_images: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Storage:
    """Rows kept to be read again (18): of a Materialize, CTE Scan, WindowAgg, Table Function Scan."""

    is_on_disk: bool
    maximum_bytes: int | None


def texts(raw: Raw, name: str) -> tuple[str, ...] | None:
    """What EXPLAIN prints as a list of texts; None where it printed none."""
    printed = raw.get(name)
    return tuple(map(str, printed)) if isinstance(printed, list) else None


def sorts(raw: Raw, workers: tuple[Raw, ...]) -> tuple[SortSpace, ...]:
    """The leader's sort, if it took part, and each worker's."""
    if not workers and SORTED.isdisjoint(raw):
        return ()
    return tuple(space for worker, printed in _processes(raw, workers) for space in _sorts_of(printed, worker))


def _sorts_of(printed: Raw, worker: int | None) -> Iterator[SortSpace]:
    method = printed.get("Sort Method")
    if isinstance(method, str):
        is_on_disk = printed.get("Sort Space Type") == "Disk"
        yield SortSpace(method, is_on_disk, _bytes(printed.get("Sort Space Used")), worker)
    for name in SORTED_GROUPS:
        groups = printed.get(name)
        if not isinstance(groups, Mapping):
            continue
        methods = ", ".join(m for m in groups.get("Sort Methods Used", ()) if isinstance(m, str))
        for kind in ("Memory", "Disk"):
            space = groups.get(f"Sort Space {kind}")
            if isinstance(space, Mapping):
                peak = _bytes(space.get("Peak Sort Space Used"))
                yield SortSpace(methods, kind == "Disk", peak, worker, _count(groups.get("Group Count")))


def hash_table(raw: Raw) -> HashTable | None:
    batches = _count(raw.get("Hash Batches"))
    if batches is None:
        return None
    return HashTable(
        buckets=_count(raw.get("Hash Buckets")),
        batches=batches,
        original_batches=_count(raw.get("Original Hash Batches")),
        peak_memory_bytes=_bytes(raw.get("Peak Memory Usage")),
    )


def hash_aggregates(raw: Raw, workers: tuple[Raw, ...]) -> tuple[HashAggregate, ...]:
    if not workers and "HashAgg Batches" not in raw:
        return ()
    return tuple(
        HashAggregate(
            batches=batches,
            disk_bytes=_bytes(printed.get("Disk Usage")) or 0,
            peak_memory_bytes=_bytes(printed.get("Peak Memory Usage")),
            worker=worker,
        )
        for worker, printed in _processes(raw, workers)
        if (batches := _count(printed.get("HashAgg Batches"))) is not None
    )


def memoizes(raw: Raw, workers: tuple[Raw, ...]) -> tuple[Memoize, ...]:
    return tuple(
        Memoize(
            hits=_count(printed.get("Cache Hits")) or 0,
            misses=misses,
            evictions=_count(printed.get("Cache Evictions")) or 0,
            overflows=_count(printed.get("Cache Overflows")) or 0,
            peak_memory_bytes=_bytes(printed.get("Peak Memory Usage")),
            worker=worker,
        )
        for worker, printed in _processes(raw, workers)
        if (misses := _count(printed.get("Cache Misses"))) is not None
    )


def heap_blocks(raw: Raw, workers: tuple[Raw, ...]) -> HeapBlocks | None:
    printed = [p for _, p in _processes(raw, workers) if "Exact Heap Blocks" in p or "Lossy Heap Blocks" in p]
    if not printed:
        return None
    return HeapBlocks(
        exact=sum(_count(p.get("Exact Heap Blocks")) or 0 for p in printed),
        lossy=sum(_count(p.get("Lossy Heap Blocks")) or 0 for p in printed),
    )


def wal(raw: Raw) -> Wal | None:
    """Of the node and all below it; None without EXPLAIN's option WAL."""
    if "WAL Records" not in raw:
        return None
    return Wal(*(_count(raw.get(name)) or 0 for name in ("WAL Records", "WAL FPI", "WAL Bytes")))


def storage(raw: Raw) -> Storage | None:
    kind = raw.get("Storage")
    return Storage(kind == "Disk", _bytes(raw.get("Maximum Storage"))) if isinstance(kind, str) else None


def _processes(raw: Raw, workers: tuple[Raw, ...]) -> Iterator[tuple[int | None, Raw]]:
    yield None, raw
    for printed in workers:
        yield _count(printed.get("Worker Number")), printed


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _bytes(kilobytes: object) -> int | None:
    count = _count(kilobytes)
    return None if count is None else count * 1024
