"""Two cumulative readings -> what happened between them. Pure numpy.

A counter is only ever compared with itself: same server run, same extension, same entry. Where that is in doubt
the interval (or the entry's part in it) is left out and said so; a delta is never negative and never a spike.
"""

import io
import json
import zlib
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from analyzer.monitored.readings import COUNTERS, KEY_DTYPE, ServerState, StatementReading
from analyzer.store.series.columns import COLUMNS, INDEX, N_SUMS, SCALE
from analyzer.store.series.visibility import change_of_visibility
from analyzer.words.durations import span_words

# Longer than this is no usual interval: the worker or Redis was down, or the server unreachable. It still counts.
LONG_INTERVAL_S = 15 * 60
LONG_INTERVAL_FACTOR = 5
# Judgement: of a longer one not even the day is known on which something ran.
LONGEST_INTERVAL_S = 86_400
# Entries new to us began, or began anew, in this interval: whose entries are hidden is known (visibility.py), and an
# evicted one that comes back counts from nothing. The one doubt left is a server that says nothing of both: more work
# than 1,000 backends can do in the interval is older than it. stats_since alone cannot tell: an entry is made when
# its first execution begins and shown when that ends, so a new one can have begun long before the last reading.
MOST_BACKENDS = 1000


@dataclass(frozen=True, slots=True)
class Cumulative:
    """One reading as it is kept to take the next delta from; ``entry_ids`` are StatementEntry's.

    ``hidden_roles`` and ``is_cut`` as in StatementReading.
    """

    state: ServerState
    keys: NDArray[np.void]
    counters: NDArray[np.float64]
    stats_since: NDArray[np.float64]
    entry_ids: NDArray[np.int64]
    hidden_roles: frozenset[int] | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Deltas:
    """``rows`` are indexes into the reading of the entries that changed, ``values`` their COLUMNS.

    ``gap_reason`` "" means that the interval counts; then ``interval_s`` is its length.
    """

    interval_s: float | None
    gap_reason: str
    rows: NDArray[np.int64]
    values: NDArray[np.int64]
    evicted_entries: int


def match(keys: NDArray[np.void], previous: NDArray[np.void]) -> NDArray[np.int64]:
    """For each key its index in ``previous``, -1 where it was not there."""
    places = {key: i for i, key in enumerate(_bytes_of(previous))}
    return np.fromiter((places.get(key, -1) for key in _bytes_of(keys)), np.int64, len(keys))


def _bytes_of(keys: NDArray[np.void]) -> list[bytes]:
    data, size = np.ascontiguousarray(keys, dtype=KEY_DTYPE).tobytes(), KEY_DTYPE.itemsize
    return [data[i : i + size] for i in range(0, len(data), size)]


def compute(
    previous: Cumulative | None,
    reading: StatementReading,
    at: NDArray[np.int64],
    interval_s: float | None,
    sample_interval_s: float,
) -> Deltas:
    """``at`` is ``match(reading.keys, previous.keys)``; ``interval_s`` by the store's clock (clock.py)."""
    if previous is None or interval_s is None:
        return _gap("the first reading of this server", None)
    now, then = reading.state, previous.state
    if now.statements_version != then.statements_version:
        return _gap(f"pg_stat_statements went from {then.statements_version} to {now.statements_version}", interval_s)
    restarted = now.started_at != then.started_at
    if now.stats_reset_at != then.stats_reset_at:
        return _gap(_lost(restarted), interval_s)
    changed = change_of_visibility(previous.keys, previous.hidden_roles, reading.keys, reading.hidden_roles)
    if changed:
        return _gap(changed, interval_s)
    if restarted and now.stats_reset_at is None:  # another machine may have taken over: only a reset's time tells
        return _gap("the server restarted, and its pg_stat_statements does not say since when it counts", interval_s)

    known = at >= 0
    delta = _moved(previous, reading, at)
    fell = known & (delta < 0).any(axis=1)
    if len(previous.keys) and (not known.any() or fell.sum() > known.sum() / 2):
        return _gap(_lost(restarted), interval_s)
    if doubt := _doubtful_length(interval_s, (now.taken_at - then.taken_at).total_seconds(), sample_interval_s):
        return _gap(doubt, interval_s)

    # compared with its own earlier value, not with the time: counters are read a moment after the clock is
    since_before = np.where(known, previous.stats_since[at] if len(previous.keys) else np.nan, np.nan)
    is_told = ~np.isnan(reading.stats_since) & ~np.isnan(since_before)
    reentered = fell | (is_told & (reading.stats_since != since_before))
    since_last_reading = reading.stats_since > then.taken_at.timestamp()
    doubtful = ~known & ~since_last_reading
    left_out = reentered | (doubtful if previous.is_cut else _became_visible(reading, doubtful, interval_s))
    vanished = len(previous.keys) - int(known.sum())
    rows = np.flatnonzero(~left_out & (delta > 0).any(axis=1))
    values = np.zeros((len(rows), len(COLUMNS)), dtype=np.int64)
    values[:, :N_SUMS] = delta[rows]
    _gauges(values, reading.counters[rows], _counters_before(previous, at[rows]))
    return Deltas(interval_s, "", rows, values, vanished + int(reentered.sum()))


def is_older(reading: StatementReading, previous: Cumulative, at: NDArray[np.int64]) -> bool:
    """Whether a reading was taken before ``previous`` and comes late: by its counters, since clocks jump.

    Ours among them: each reading is a statement that runs once more.
    """
    now, then = reading.state.stats_reset_at, previous.state.stats_reset_at
    if now != then and now is not None and then is not None:
        return now < then
    moved = _moved(previous, reading, at)[at >= 0]
    return bool((moved < 0).any() and not (moved > 0).any())


def _moved(previous: Cumulative, reading: StatementReading, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums now less sums then; in full where the entry was not there."""
    scaled = _scaled(reading.counters)
    before = np.zeros_like(scaled)
    before[at >= 0] = _scaled(previous.counters)[at[at >= 0]]
    moved: NDArray[np.int64] = scaled[:, :N_SUMS] - before[:, :N_SUMS]
    return moved


def is_long(interval_s: float, sample_interval_s: float) -> bool:
    return interval_s > max(LONG_INTERVAL_S, LONG_INTERVAL_FACTOR * sample_interval_s)


def _doubtful_length(interval_s: float, servers_s: float, sample_interval_s: float) -> str:
    """Why it is not known how long the interval was; "" where it is. ``servers_s``: by the server's clock."""
    if interval_s <= 0:
        return f"pgLoupe's clock went back by {span_words(max(servers_s, sample_interval_s) - interval_s)}"
    if is_long(interval_s, sample_interval_s) and 0 < servers_s < interval_s / 2:
        return f"pgLoupe's clock went ahead: {span_words(interval_s)} by it, {span_words(servers_s)} by the server's"
    if interval_s > max(LONGEST_INTERVAL_S, LONG_INTERVAL_FACTOR * sample_interval_s):
        return f"no reading for {span_words(interval_s)}"
    return ""


def _lost(restarted: bool) -> str:
    return "the server restarted and its counters began anew" if restarted else "the server's statistics were reset"


def _gap(reason: str, interval_s: float | None) -> Deltas:
    none = np.zeros(0, dtype=np.int64)
    return Deltas(interval_s, reason, none, np.zeros((0, len(COLUMNS)), dtype=np.int64), 0)


def _scaled(counters: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rounded before the subtraction, so that roundings do not add up over time. Not offered counts as 0."""
    whole: NDArray[np.int64] = np.rint(np.nan_to_num(counters * SCALE)).astype(np.int64)
    return whole


def _counters_before(previous: Cumulative, at: NDArray[np.int64]) -> NDArray[np.float64]:
    """NaN for entries that were not there."""
    before = np.full((len(at), len(COUNTERS)), np.nan)
    before[at >= 0] = previous.counters[at[at >= 0]]
    return before


def _became_visible(reading: StatementReading, new: NDArray[np.bool_], interval_s: float) -> NDArray[np.bool_]:
    exec_time_ms = float(np.nansum(reading.counters[new, COUNTERS.index("total_exec_time_ms")]))
    return new if exec_time_ms > interval_s * 1000 * MOST_BACKENDS else np.zeros(len(new), dtype=bool)


def _gauges(values: NDArray[np.int64], now: NDArray[np.float64], before: NDArray[np.float64]) -> None:
    """Fill in the interval's own standard deviation, and extremes where they moved."""
    for phase, count in (("plan", "plans"), ("exec", "calls")):
        n_now, n_before = (np.nan_to_num(c[:, COUNTERS.index(count)]) for c in (now, before))
        total = COUNTERS.index(f"total_{phase}_time_ms")
        sd = COUNTERS.index(f"stddev_{phase}_time_ms")
        n = n_now - n_before
        # Sums of squared deviations combine as Chan, Golub and LeVeque (1979) say; pgss keeps population deviations.
        mean_before = np.nan_to_num(before[:, total]) / np.maximum(n_before, 1)
        mean = (np.nan_to_num(now[:, total]) - np.nan_to_num(before[:, total])) / np.maximum(n, 1)
        m2 = np.nan_to_num(now[:, sd]) ** 2 * n_now - np.nan_to_num(before[:, sd]) ** 2 * n_before
        m2 -= (mean - mean_before) ** 2 * n * n_before / np.maximum(n_now, 1)
        deviation_ms = np.sqrt(np.maximum(m2, 0) / np.maximum(n, 1))
        values[:, INDEX[f"stddev_{phase}_time_us"]] = np.rint(np.where(n > 1, deviation_ms, 0) * 1000)
        for extreme in ("min", "max"):
            i = COUNTERS.index(f"{extreme}_{phase}_time_ms")
            moved = (n > 0) & ~np.isnan(now[:, i]) & (now[:, i] != before[:, i])
            in_us = np.maximum(np.rint(np.nan_to_num(now[:, i]) * 1000), 1)
            values[:, INDEX[f"{extreme}_{phase}_time_us"]] = np.where(moved, in_us, 0)


def dump(reading: StatementReading, entry_ids: NDArray[np.int64]) -> bytes:
    """For LastReading: numpy's npz, compressed lightly (it is written at every reading)."""
    state = reading.state
    meta = {
        "taken_at": state.taken_at.isoformat(),
        "server_version_num": state.server_version_num,
        "started_at": state.started_at.isoformat(),
        "statements_version": state.statements_version,
        "stats_reset_at": state.stats_reset_at.isoformat() if state.stats_reset_at else None,
        "deallocations": state.deallocations,
        "is_in_recovery": state.is_in_recovery,
    }
    buffer = io.BytesIO()
    np.savez(
        buffer,
        meta=np.frombuffer(json.dumps(meta).encode(), np.uint8),
        keys=reading.keys,
        counters=np.asfortranarray(reading.counters),  # column by column compresses better
        stats_since=reading.stats_since,
        entry_ids=entry_ids,
        names=np.array(COUNTERS),
        # beside ``meta``, whose names an older version takes as they come
        hidden_roles=np.array(sorted(reading.hidden_roles or ()), np.int64),
        is_visibility_known=np.array(reading.hidden_roles is not None),
        is_cut=np.array(reading.is_cut),
    )
    return zlib.compress(buffer.getvalue(), level=1)


def load(data: bytes) -> Cumulative | None:
    """None when it was written with other counters than today's: the next delta is then a gap."""
    with np.load(io.BytesIO(zlib.decompress(data)), allow_pickle=False) as kept:
        if tuple(kept["names"]) != COUNTERS:
            return None
        meta = json.loads(kept["meta"].tobytes())
        for name in ("taken_at", "started_at", "stats_reset_at"):
            meta[name] = datetime.fromisoformat(meta[name]) if meta[name] else None
        is_known = "hidden_roles" in kept and bool(kept["is_visibility_known"])
        return Cumulative(
            state=ServerState(**meta),
            keys=kept["keys"],
            counters=kept["counters"],
            stats_since=kept["stats_since"],
            entry_ids=kept["entry_ids"],
            hidden_roles=frozenset(kept["hidden_roles"].tolist()) if is_known else None,
            is_cut="is_cut" in kept and bool(kept["is_cut"]),
        )
