"""What a measurement gives, and what it is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time
from types import TracebackType
from typing import Any, Self

import psutil

from analyzer.runtime.postgres import PostgresCluster
from bench.monitored import MonitoredServer


@dataclass(frozen=True, slots=True)
class Result:
    """One figure beside its limit, or beside the ``least`` it has to be; neither: for information only."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    least: float | None = None

    @property
    def holds(self) -> bool | None:
        if self.least is not None:
            return self.value >= self.least
        return None if self.limit is None else self.value <= self.limit


def table(results: Sequence[Result]) -> str:
    lines = []
    for r in results:
        limit = f"least {r.least:g}" if r.least is not None else "" if r.limit is None else f"limit {r.limit:g}"
        verdict = "" if r.holds is None else "pass" if r.holds else "FAIL"
        lines.append(f"  {r.what:<74} {r.value:>10.2f} {r.unit:<8} {limit:<12} {verdict}")
    return "\n".join(lines)


@dataclass
class Context:
    """What measurements share; the monitored server starts when the first one asks for it."""

    place: Path
    store: PostgresCluster
    shared: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def monitored(self) -> MonitoredServer:
        return MonitoredServer(self.place / "monitored")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if "monitored" in self.__dict__:
            self.monitored.stop()


def times_ms(work: Callable[[], object], times: int, warm_up: int = 1) -> list[float]:
    for _ in range(warm_up):
        work()
    found = []
    for _ in range(times):
        began = perf_counter()
        work()
        found.append((perf_counter() - began) * 1000)
    return found


def cpu_ms(work: Callable[[], object], times: int = 5) -> float:
    """Processor time of one run, ours and the store's: what remains when others keep the machine busy."""
    from django.db import connection

    work()
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        backend = psutil.Process(cursor.fetchone()[0])
    began = process_time() + sum(backend.cpu_times()[:2])
    for _ in range(times):
        work()
    return (process_time() + sum(backend.cpu_times()[:2]) - began) / times * 1000


def p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


__all__ = ["Context", "Result", "cpu_ms", "median", "p95", "table", "times_ms"]
