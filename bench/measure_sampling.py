"""Reading one sample of 5,000 statements, and making stored deltas of it."""

import resource
from time import perf_counter

import psycopg

from analyzer.models import Server
from analyzer.monitored.connection import connect
from analyzer.monitored.sample.statements import read_statement_counters, read_statement_texts
from analyzer.store.series.snapshots import keep_reading, keep_texts
from bench.results import Context, Result, median, times_ms

# The same columns without texts, as plainly as it goes: libpq alone, no conversion to Python's types.
BARE = """
select userid, dbid, queryid, toplevel, plans, total_plan_time, calls, total_exec_time, rows, shared_blks_hit,
    shared_blks_read, shared_blks_dirtied, shared_blks_written, local_blks_hit, local_blks_read, local_blks_dirtied,
    local_blks_written, temp_blks_read, temp_blks_written, shared_blk_read_time, shared_blk_write_time,
    local_blk_read_time, local_blk_write_time, temp_blk_read_time, temp_blk_write_time, wal_records, wal_fpi, wal_bytes,
    wal_buffers_full, jit_functions, jit_generation_time, jit_inlining_count, jit_inlining_time,
    jit_optimization_count, jit_optimization_time, jit_emission_count, jit_emission_time, jit_deform_count,
    jit_deform_time, parallel_workers_to_launch, parallel_workers_launched, min_plan_time, max_plan_time,
    stddev_plan_time, min_exec_time, max_exec_time, stddev_exec_time, stats_since
from pg_stat_statements(false)
"""
TIMES = 41


def measure(context: Context) -> list[Result]:
    monitored = context.monitored
    monitored.run_all()
    server = Server.objects.create(name="bench", slug="bench", host="/", user="postgres", dbname="shop")
    with connect(monitored.settings) as session, psycopg.connect(monitored.cluster.dsn("shop")) as bare:
        entries = len(read_statement_counters(session).keys)
        ours, theirs, python = [], [], []
        for _ in range(TIMES):  # in turn, so that the machine's other load hits all alike
            theirs += times_ms(lambda: bare.pgconn.exec_(BARE.encode()), 1, 0)
            ours += times_ms(lambda: read_statement_counters(session), 1, 0)
            python += times_ms(lambda: bare.execute(BARE).fetchall(), 1, 0)
        kept = keep_reading(server, read_statement_counters(session))
        began = perf_counter()
        texts = read_statement_texts(session, kept.unknown_keys)
        texts_s = perf_counter() - began
        keep_texts(server, texts)
        first_s = perf_counter() - began
        store_ms, cpu_ms, changed = [], [], 0
        for _ in range(7):
            monitored.run_all()
            reading = read_statement_counters(session)
            cpu = _cpu_s()
            store_ms += times_ms(lambda r=reading: context.shared.update(kept=keep_reading(server, r)), 1, 0)  # type: ignore[misc]
            cpu_ms.append((_cpu_s() - cpu) * 1000)
            changed = context.shared["kept"].changed
    return [
        Result("entries read", entries, ""),
        Result("reading one sample", median(ours), "ms"),
        Result("the bare select (libpq, text, not converted)", median(theirs), "ms"),
        Result("the bare select as Python rows (psycopg)", median(python), "ms"),
        Result("reading one sample / bare select, libpq alone", median(ours) / median(theirs), "x", 1.2),
        Result("  the fastest of each", min(ours) / min(theirs), "x"),
        Result("reading one sample / bare select as Python rows", median(ours) / median(python), "x"),
        Result("statements changed", changed, ""),
        Result("sample to stored deltas, median of 7", median(store_ms), "ms", 1000),
        Result("  of it our own processor time", median(cpu_ms), "ms"),
        Result("  slowest of 7", max(store_ms), "ms"),
        Result("texts of all statements, once: reading them", texts_s * 1000, "ms"),
        Result("texts of all statements, once: with fingerprints, stored", first_s * 1000, "ms"),
    ]


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
