"""Sums of a server's entries over a span of time, as compressed columns: written once, never changed.

| table | spans |
| --- | --- |
| statement_recent | a few minutes each: from one roll-up to the next, cut at full hours |
| statement_hour | an hour |
| statement_day | a day (UTC) |

A row holds up to CHUNK_ENTRIES entries, its columns as ``analyzer/store/series/packing.py`` encodes them (not deflated:
they are read whole, again and again). Reading a month of 5,000 statements so takes milliseconds; as rows it took
half a second.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from analyzer.store.series.columns import COLUMNS
from analyzer.store.series.copying import copy_rows, from_us, microseconds_sql
from analyzer.store.series.packing import decode, encode, joined
from analyzer.store.series.partitions import ensure_partition

CHUNK_ENTRIES = 4096  # fewer: a list of all statements gets slower; more: one statement's chart does
KNOWN_ARRAYS = 4  # of which a span remembers where its entries stand: a page asks for all, then for its own
Ints = NDArray[np.int64]
Where = slice | Ints  # numpy takes both


class Entries:
    """Ids of entries, ascending, each once. Most spans have the entries of the one before: they share these."""

    def __init__(self, ids: Ints) -> None:
        self.ids = ids
        self._found: dict[int, tuple[Ints, Where, Where]] = {}

    def find(self, ids: Ints) -> tuple[Where, Where]:
        """Where in ``ids`` (ascending) stands what is here, and where it stands here; the same array is known."""
        known = self._found.get(id(ids))  # what is in it keeps the array, so that nothing else gets its id
        if known is None:
            if len(self._found) >= KNOWN_ARRAYS:
                self._found.clear()
            known = self._found[id(ids)] = (ids, *self._find(ids))
        return known[1:]

    def _find(self, ids: Ints) -> tuple[Where, Where]:
        if not len(self.ids):
            return slice(0, 0), slice(0, 0)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        there = np.flatnonzero(self.ids[at] == ids)
        return _run(there), _run(at[there])


def _run(places: Ints) -> Where:
    """Neighbours as a slice: numpy copies those without looking at each."""
    if len(places) and places[-1] - places[0] == len(places) - 1:
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


@dataclass(frozen=True, slots=True)
class Chunk:
    """Sums of some entries over (starts_at, ends_at], of which ``covered_s`` were measured; decoded when asked for."""

    starts_at: datetime
    ends_at: datetime
    covered_s: float
    is_first: bool  # of its span's chunks: each span's covered_s counts once
    entries: Entries
    data: Mapping[str, bytes | None]

    def column(self, name: str) -> Ints:
        return decode(self.data[name], len(self.entries.ids))

    def pick(self, name: str, places: Where) -> Ints:
        """Numbers of some places, without decoding the others."""
        data, points = self.data[name], len(self.entries.ids)
        if data is None or data[0] & 128:
            values: Ints = self.column(name)[places]
            return values
        return joined(np.frombuffer(data, np.uint8, offset=1).reshape(data[0], points)[:, places])


class Accumulator:
    """Adds sums up per entry; deviations through sums of squares, extremes as extremes."""

    def __init__(self, entry_ids: Ints, columns: Sequence[str]) -> None:
        """``entry_ids`` ascending, each once: what is about other entries is left out."""
        self.entry_ids = entry_ids
        self.columns = tuple(columns)
        self._whole = {c: np.zeros(len(entry_ids), dtype=np.int64) for c in columns if not c.startswith("stddev")}
        self._squares = {c: np.zeros(len(entry_ids)) for c in columns if c.startswith("stddev")}

    def add(self, entries: Entries, pick: Callable[[str, Where], Ints]) -> None:
        """``pick``: a column's numbers at some places of ``entries``, as ``Chunk.pick``."""
        mine, at = entries.find(self.entry_ids)
        behind: dict[str, Ints] = {}  # what deviations need, decoded once
        for name, whole in self._whole.items():
            new = behind[name] = pick(name, at)
            old = whole[mine]
            if name.startswith("min"):
                new = np.where((new > 0) & ((old == 0) | (new < old)), new, old)
            elif name.startswith("max"):
                new = np.maximum(old, new)
            else:
                new = old + new
            whole[mine] = new
        for name, squares in self._squares.items():
            count, total = (behind[c].astype(np.float64) for c in _behind(name))
            squares[mine] += count * pick(name, at).astype(np.float64) ** 2 + total**2 / np.maximum(count, 1)

    def column(self, name: str) -> Ints:
        if name in self._whole:
            return self._whole[name]
        count, total = (self._whole[c] for c in _behind(name))
        n = np.maximum(count, 1)
        variance = np.maximum(self._squares[name] / n - (total / n) ** 2, 0)
        # what is left of two equal numbers is rounding, not spread
        variance[variance < 1e-12 * (total / n) ** 2] = 0
        deviation: Ints = np.rint(np.sqrt(variance)).astype(np.int64)
        return deviation


def _behind(deviation: str) -> tuple[str, str]:
    return ("plans", "total_plan_time_us") if "plan" in deviation else ("calls", "total_exec_time_us")


def needed(columns: Sequence[str]) -> tuple[str, ...]:
    """``columns`` and what their deviations are computed from."""
    behind = [c for name in columns if name.startswith("stddev") for c in _behind(name)]
    return tuple(dict.fromkeys([*columns, *behind]))


def write(
    table: str, server_id: int, starts_at: datetime, ends_at: datetime, covered_s: float, sums: Accumulator
) -> None:
    """One span's row, or rows; written again (after an interruption there is nothing to write again) it is replaced."""
    ensure_partition(table, starts_at)
    names = ("starts_at", "ends_at", "server_id", "first_entry", "last_entry", "covered_s", "points", "entry_ids")
    used = [(c, sums.column(c)) for c in COLUMNS if c in sums.columns]
    used = [(c, values) for c, values in used if values.any()]
    with connection.cursor() as cursor:
        cursor.execute(f"delete from {table} where server_id = %s and starts_at = %s", [server_id, starts_at])
        for i in range(0, max(1, len(sums.entry_ids)), CHUNK_ENTRIES):
            part = slice(i, i + CHUNK_ENTRIES)
            ids = sums.entry_ids[part]
            first, last = (int(ids[0]), int(ids[-1])) if len(ids) else (0, 0)
            about: list[Any] = [starts_at, ends_at, server_id, first, last, covered_s, len(ids)]
            data = [encode(np.diff(ids, prepend=ids[:1]), deflate=False) or b""]
            data += [encode(np.ascontiguousarray(values[part]), deflate=False) or b"" for _, values in used]
            cursor.execute(
                f"insert into {table} ({', '.join([*names, *(c for c, _ in used)])})"
                f" values ({', '.join(['%s'] * (len(about) + 1) + ['nullif(%s::bytea, $$$$)'] * len(used))})",
                [*about, *data],
            )


def read(
    table: str, where: str, params: Mapping[str, Any], columns: Sequence[str], entry_ids: Sequence[int] | None = None
) -> Iterator[Chunk]:
    """Chunks of ``table``, or those that may hold ``entry_ids``; ``where`` is ours."""
    if entry_ids is not None:
        where += " and exists (select from unnest(%(entries)s::bigint[]) e where e between first_entry and last_entry)"
        params = {**params, "entries": list(entry_ids)}
    about = (
        microseconds_sql("starts_at"),
        microseconds_sql("ends_at"),
        "(covered_s * 1000000)::bigint",
        "first_entry",
        "points::bigint",
    )
    before = None
    seen: dict[tuple[int, bytes], Entries] = {}
    for row in copy_rows(
        f"select {', '.join([*about, 'entry_ids', *columns])} from {table} where {where}"
        " order by starts_at, first_entry",
        params,
    ):
        starts_us, ends_us, covered_us, first, points = (int.from_bytes(f or b"", "big") for f in row[:5])
        known = (first, row[5] or b"")
        if known not in seen:
            seen[known] = Entries(first + np.cumsum(decode(row[5] or None, points)))
        data = dict(zip(columns, row[6:], strict=True))
        is_first = starts_us != before
        yield Chunk(from_us(starts_us), from_us(ends_us), covered_us / 1e6, is_first, seen[known], data)
        before = starts_us
