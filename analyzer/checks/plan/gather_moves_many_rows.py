"""A Gather that passes nearly every row from the workers to the leader, and gains nothing by it.

Each row which a worker finds is copied through a queue to the leader, one at a time. That pays where the workers throw
most rows away or add them up; where they only hand them on, the copying costs what the sharing saves. It is said only
where the processes' own work, added up, is about what the Gather took: one process alone would have been as quick. To
verify, run the statement with max_parallel_workers_per_gather = 0. The fix is to filter or aggregate in the query,
below the Gather; else no parallelism for this statement, or a larger parallel_tuple_cost. Leave it alone where the
statement is rare and the cores are idle. The time is what the Gather took beyond the added-up work of its processes.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Fix, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence, time_ratio
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import PlanNode
from analyzer.plans.parallel import parallel_ms, work_ms
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="PL082",
    title="Gather passes on nearly all rows and gains nothing",
    severity=Severity.WARNING,
    rows=Threshold(10_000, "rows", "measured: 0.15 to 0.4 us a row on PostgreSQL 15 and 18, so 1.5 ms and more"),
    passed_ratio=Threshold(0.5, "passed on / scanned", "judgement: below it the workers sort out most rows"),
    own_time_ratio=Threshold(0.3, "own time / execution time", "judgement: less is not what the statement does"),
    gain_ratio=Threshold(0.8, "Gather's time / added-up work", "judgement: workers that save less than a fifth"),
)


@check.on(PlanNode, "Gather", "Gather Merge")
def gather_moves_many_rows(node: PlanNode) -> Iterator[Finding]:
    rows = node.total_actual_rows
    if not node.loops or node.count("Workers Launched") in (None, 0) or rows is None or rows < check["rows"]:
        return
    own_ms, together_ms, total_ms = own_time_ms(node), work_ms(node), parallel_ms(node)
    own_ratio = time_ratio(own_ms, node)
    if own_ratio is None or own_ratio < check["own_time_ratio"] or together_ms is None or total_ms is None:
        return
    if total_ms < together_ms * check["gain_ratio"]:
        return
    scanned = [n.total_rows_scanned for n in node.walk() if not n.inputs and n.loops]
    known = [rows_scanned for rows_scanned in scanned if rows_scanned is not None]
    if rows < sum(known) * check["passed_ratio"]:
        return
    processes = max(child.processes for child in node.inputs) / node.processes
    evidence: dict[str, Quantity] = {
        "passed_rows": round(rows),
        "scanned_rows": round(sum(known)),
        "added_up_work_ms": round(together_ms, 3),
        "gather_time_ms": round(total_ms, 3),
        **time_evidence(own_ms, node),
    }
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} passed {rows:,.0f} rows from {processes:.0f} processes to one, which took"
            f" {time_words(own_ms)}. With it the parallel part took {time_words(total_ms)}; the processes' own"
            f" work adds up to {time_words(together_ms)}, which one alone would have needed at most."
        ),
        hint=(
            "Fetch fewer rows: a narrower condition, or grouping in the query, is done by the workers. If every row is"
            " needed, run this statement without parallelism and compare, or raise parallel_tuple_cost."
        ),
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        time_ms=max(0.0, total_ms - together_ms),
        run_time_ms=run_time_ms(node),
        fixes=(Fix("For this statement, in its transaction", "sql", "SET LOCAL max_parallel_workers_per_gather = 0;"),),
    )
