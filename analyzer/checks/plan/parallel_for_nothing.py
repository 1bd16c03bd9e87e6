"""A short statement that starts workers and would be quicker without.

Starting a parallel worker takes a millisecond or more, much more on a busy server; a small table is read in less. It is
said where the processes' own work, added up, is well below what the Gather took. The usual reason is a setting, such as
a parallel_setup_cost or a min_parallel_table_scan_size that was lowered, or an estimate of many rows where few came. To
verify, run the statement with max_parallel_workers_per_gather = 0. Leave it alone where the statement seldom runs: that
is not reported; where nobody knows how often it runs, the finding is informational. The time is what the Gather took
beyond the added-up work of its processes, without InitPlans that it computes first, and less what compiling (JIT) took.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Fix, Threshold
from analyzer.checks.node import jit_time_ms, run_time_ms
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.parallel import parallel_ms, work_ms
from analyzer.words.durations import time_words

LOWERED = ("parallel_setup_cost", "min_parallel_table_scan_size", "min_parallel_index_scan_size", "parallel_tuple_cost")

check = Check(
    __name__,
    code="PL083",
    title="Workers cost more than they save",
    severity=Severity.WARNING,
    run_time=Threshold(
        500, "ms", "judgement: what starting workers costs, up to 60 ms on a busy server, does not show in a longer one"
    ),
    wasted_ratio=Threshold(0.3, "wasted / execution time", "judgement: less is noise of a single run"),
    rows=Threshold(10_000, "rows", "judgement: from there passing the rows on costs more than the start, see PL082"),
    calls=Threshold(1_000, "calls a day", "judgement: rarer, a few milliseconds matter to nobody"),
)


@check.on(PlanNode, "Gather", "Gather Merge")
def parallel_for_nothing(node: PlanNode) -> Iterator[Finding]:
    launched, run_ms = node.count("Workers Launched"), run_time_ms(node)
    if not node.loops or not launched or run_ms is None or run_ms >= check["run_time"]:
        return
    if (node.total_actual_rows or 0) >= check["rows"]:
        return
    together_ms, total_ms = work_ms(node), parallel_ms(node)
    if together_ms is None or total_ms is None or node.plan is None:
        return
    wasted_ms = total_ms - together_ms - (jit_time_ms(node.plan) or 0.0)
    if wasted_ms < run_ms * check["wasted_ratio"]:
        return
    settings = node.plan.settings
    changed = [f"{name} = {settings[name]}" for name in LOWERED if name in settings]
    why = (
        f" The plan was made with {', '.join(changed)}: PostgreSQL's own values would hardly choose it."
        if changed
        else ""
    )
    workers = "1 worker" if launched == 1 else f"{launched:.0f} workers"
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} started {workers} and took {time_words(total_ms)}; the processes' own work adds up to"
            f" {time_words(together_ms)}."
        ),
        hint=(
            "Run it without workers: for this statement or its role, else by a larger parallel_setup_cost or"
            f" min_parallel_table_scan_size.{why}"
        ),
        evidence={
            "workers_launched": int(launched),
            "gather_time_ms": round(total_ms, 3),
            "added_up_work_ms": round(together_ms, 3),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=wasted_ms,
        run_time_ms=run_ms,
        needs_calls_per_day=check["calls"],
        fixes=(Fix("For this statement, in its transaction", "sql", "SET LOCAL max_parallel_workers_per_gather = 0;"),),
    )
