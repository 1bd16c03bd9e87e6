"""Processor time, per GB, and memory of reading a real server's log in each format; one run in twenty has a plan."""

from collections.abc import Iterator
from pathlib import Path
from time import process_time

import psutil

from analyzer.logs.entries import CHUNK_BYTES
from analyzer.logs.read_log import LogReading
from analyzer.reports.log_report import log_report
from bench.monitored import MonitoredServer
from bench.results import Context, Result

GB = 1_000_000_000
READ_BYTES = 200_000_000
MB = 1_000_000
STATEMENTS, RUNS = 1_000, 5
LOGGING: dict[str, str | int] = {
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql.log",
    "log_rotation_size": 0,
    "log_destination": "stderr,csvlog,jsonlog",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_duration_statement": 0,
    "auto_explain.log_min_duration": 0,
    "auto_explain.sample_rate": 0.05,
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
}


def measure(context: Context) -> list[Result]:
    results = []
    for plan_format in ("json", "text"):
        folder = _logs(context.place / f"logging-{plan_format}", plan_format)
        for name, suffix in (("stderr", ".log"), ("csvlog", ".csv"), ("jsonlog", ".json")):
            data = (folder / f"postgresql{suffix}").read_bytes()
            cpu_s, more_bytes, reading = _read(data)
            what = f"1 GB of {name}, plans as {plan_format}, {GB / len(data) * reading[0] / 1e6:.1f} million runs"
            results.append(Result(f"{what}, CPU", cpu_s, "s", 60.0))
            results.append(Result("  memory it took", more_bytes / MB, "MB", 200.0))
    return results


def _logs(place: Path, plan_format: str) -> Path:
    """Of an application that sends half of its statements in the extended protocol: three entries each."""
    server = MonitoredServer(place, STATEMENTS, **{**LOGGING, "auto_explain.log_format": plan_format})
    try:
        for _ in range(RUNS):
            server.run_all()
            for statement in server.statements:
                server.connection.execute(statement)  # type: ignore[call-overload]
    finally:
        server.stop()
    return place / "log"


def _read(data: bytes) -> tuple[float, int, tuple[int, int]]:
    """Processor time of 1 GB, and memory; runs and plans in ``data``, which is read again and again."""
    process = psutil.Process()
    before = most = process.memory_info().rss
    reading = LogReading()
    began = process_time()
    for number, block in enumerate(_blocks(data)):
        reading.add(block)
        if number % 50 == 0:
            most = max(most, process.memory_info().rss)
    totals = reading.finish()
    log_report(totals, 10)
    took_s = process_time() - began
    times = reading.read_bytes / len(data)
    return (
        took_s * GB / reading.read_bytes,
        max(most, process.memory_info().rss) - before,
        (round(totals.entries / times), totals.plans),
    )


def _blocks(data: bytes) -> Iterator[bytes]:
    read_bytes = 0
    while read_bytes < READ_BYTES:
        for at in range(0, len(data), CHUNK_BYTES):
            block = data[at : at + CHUNK_BYTES]
            read_bytes += len(block)
            yield block
