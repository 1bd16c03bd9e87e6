"""The counters as the store keeps them: whole numbers, times in microseconds.

pg_stat_statements gives times as double precision milliseconds. Kept as integer microseconds they pack into few
bytes and come back exactly; sums over a window then lose nothing. A zero is kept as NULL (SQL) or left out
(packed): it costs nothing. What a version does not offer is told by ``Snapshot.statements_version``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analyzer.monitored.readings import COUNTERS, GAUGES, SUMS


def stored(name: str) -> str:
    """Name of a counter's column in the store: ``total_exec_time_ms`` is kept as ``total_exec_time_us``."""
    return f"{name[:-3]}_us" if name.endswith("_ms") else name


SUM_COLUMNS: tuple[str, ...] = tuple(stored(name) for name in SUMS)
# The interval's own standard deviation; extremes only in the interval in which they changed (and then at least 1).
GAUGE_COLUMNS: tuple[str, ...] = tuple(stored(name) for name in GAUGES)
COLUMNS: tuple[str, ...] = SUM_COLUMNS + GAUGE_COLUMNS

# COUNTERS (ms) * SCALE = COLUMNS (us)
SCALE = np.array([1000.0 if name.endswith("_ms") else 1.0 for name in COUNTERS])
INDEX: dict[str, int] = {name: i for i, name in enumerate(COLUMNS)}
N_SUMS = len(SUM_COLUMNS)


def without_calls(
    entry_ids: NDArray[np.int64], values: NDArray[np.int64], columns: Sequence[str], fetches: Sequence[int]
) -> None:
    """A cursor's FETCHes are no calls of its statement; ``values`` (entries x columns) are changed in place."""
    if fetches and "calls" in columns:
        values[np.isin(entry_ids, fetches), columns.index("calls")] = 0


def rollup_expressions(alias: str = "d") -> dict[str, str]:
    """Column -> SQL aggregate that makes one row of many; standard deviations through sums of squares."""
    out = {name: f"sum({alias}.{name})" for name in SUM_COLUMNS}
    for phase, count in (("plan", "plans"), ("exec", "calls")):
        total, sd, n = f"{alias}.total_{phase}_time_us", f"{alias}.stddev_{phase}_time_us", f"{alias}.{count}"
        squares = f"sum({n} * coalesce({sd}, 0)::float8 ^ 2 + coalesce({total}, 0)::float8 ^ 2 / nullif({n}, 0))"
        mean = f"(coalesce(sum({total}), 0)::float8 / nullif(sum({n}), 0))"
        out[f"min_{phase}_time_us"] = f"min({alias}.min_{phase}_time_us)"
        out[f"max_{phase}_time_us"] = f"max({alias}.max_{phase}_time_us)"
        out[f"stddev_{phase}_time_us"] = (
            f"nullif(round(sqrt(greatest(0, {squares} / nullif(sum({n}), 0) - {mean} ^ 2)))::bigint, 0)"
        )
    return {name: out[name] for name in COLUMNS}
