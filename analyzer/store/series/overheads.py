"""What statements take beside running: planning and JIT compilation, over a window."""

from dataclasses import dataclass

import numpy as np

from analyzer.models import Server
from analyzer.store.series.spans import entry_sums
from analyzer.store.series.windows import Window
from analyzer.words.durations import DAY_S

JIT_TIMES = tuple(f"jit_{part}_time_us" for part in ("generation", "inlining", "optimization", "emission"))
JIT_COUNTED_FROM = 150_000


@dataclass(frozen=True, slots=True)
class StatementOverhead:
    """What a statement takes beside running; None where the server does not measure it."""

    plan_time_s_per_day: float | None
    jit_time_s_per_day: float | None


def overheads(server: Server, window: Window) -> dict[int, StatementOverhead]:
    """Per Statement id, per day of measured time. Planning takes some time of some statement where it is measured."""
    totals = entry_sums(server, window, ("total_exec_time_us", "total_plan_time_us", *JIT_TIMES))
    if not totals.covered_s:
        return {}
    measures_planning = bool((totals.column("total_plan_time_us") > 0).any())
    measures_jit = (server.server_version_num or 0) >= JIT_COUNTED_FROM
    statement_ids, sums = totals.by_statement(totals.column("total_exec_time_us") > 0)
    per_day = DAY_S / 1e6 / totals.covered_s
    jit_us = np.sum([sums[name] for name in JIT_TIMES], axis=0)
    return {
        statement_id: StatementOverhead(
            plan_us * per_day if measures_planning else None, jit * per_day if measures_jit else None
        )
        for statement_id, plan_us, jit in zip(
            statement_ids.tolist(), sums["total_plan_time_us"].tolist(), jit_us.tolist(), strict=True
        )
    }
