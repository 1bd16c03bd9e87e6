"""Reading the clock for every row made this run slower than usual.

EXPLAIN ANALYZE takes the time before and after each row of each node. Over millions of rows through several nodes that
adds up to more than the work itself, and makes cheap nodes with many rows look dear. To verify, run ``EXPLAIN (ANALYZE,
TIMING OFF)``, which counts rows without it, and compare Execution Time; pg_test_timing tells what a clock reading costs
on the server. So compare the times of this plan with each other with care, and never with those of pg_stat_statements.
Nothing is wrong with the statement itself: leave it alone where no time of this plan is going to be compared with
others. Where its usual time is known, it is said only when this run took twice as long.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import Plan
from analyzer.words.durations import time_words

READING_MS = 0.00005  # measured: 50 ns for each row of a node on PostgreSQL 15 and 18, with the clock of the processor

check = Check(
    __name__,
    code="PL079",
    title="Timed rows make the run look slower",
    severity=Severity.INFO,
    timed_rows=Threshold(5_000_000, "rows of all nodes", "measured: a quarter of a second of clock readings"),
    ratio=Threshold(0.28, "clock readings / execution time", "judgement: less does not change what is dear"),
    usual_ratio=Threshold(2, "this run / mean time", "judgement: less is how runs vary"),
)


@check.on(Plan)
def timing_overhead(plan: Plan, context: Context) -> Iterator[Finding]:
    run_ms = run_time_ms(plan.root)
    if not plan.has_timing or not run_ms:
        return
    timed = sum((node.total_actual_rows or 0.0) + (node.loops or 0) for node in plan)
    if timed < check["timed_rows"]:
        return
    usual_ms = context.mean_exec_time_ms
    reading_ms = sum(
        ((node.total_actual_rows or 0.0) + (node.loops or 0)) / node.processes * READING_MS for node in plan
    )
    if usual_ms is not None and run_ms < usual_ms * check["usual_ratio"]:
        return
    if reading_ms < run_ms * check["ratio"]:
        return
    usually = f"; usually it takes {time_words(usual_ms)}" if usual_ms is not None else ""
    evidence: dict[str, Quantity] = {
        "timed_rows": round(timed),
        "assumed_clock_ms": round(min(reading_ms, run_ms), 3),
        "mean_exec_time_ms": usual_ms,
    }
    yield check.finding(
        subject="Timing",
        message=(
            f"The clock was read for {timed:,.0f} rows of all nodes, which takes about"
            f" {time_words(min(reading_ms, run_ms))} of the {time_words(run_ms)} shown{usually}."
        ),
        hint="Explain it with TIMING OFF to see its true time; look at rows and blocks more than at times.",
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        run_time_ms=run_ms,
    )
