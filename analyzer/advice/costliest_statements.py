"""Which statements of a workload are advised on."""

from collections.abc import Iterable

from analyzer.advice.rules.suggest import WorkloadStatement

MOST_STATEMENTS = 1_000  # in one run


def dearest(workload: Iterable[WorkloadStatement], most: int | None = MOST_STATEMENTS) -> list[WorkloadStatement]:
    """Those that take most time, first; always in the same order."""
    return sorted(workload, key=lambda s: (-s.total_time_s_per_day, s.fingerprint))[:most]
