"""Parallel processes that shared their work unevenly: one worked while the others waited.

Gather is done when the slowest of its processes is. Work is handed out in pieces: blocks of a table, whole inputs of a
Parallel Append, and a piece is never split again. One large partition beside small ones, or rows which are dear to
compute and stand close together, keep one process busy. To verify, compare the workers in EXPLAIN (ANALYZE, VERBOSE).
Partitions of like size, or an index that makes the large input cheap, help; so does a function that costs less. Leave
it alone where the slowest process is not much of the whole statement's time. Only plans made with VERBOSE show it. The
time is the slowest process' less what each would have taken with even shares.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.parallel import part_below, process_times_ms
from analyzer.words.durations import time_words

LEADER_WORKS = 0.2  # of the slowest's time; judgement: passing rows on alone takes less

check = Check(
    __name__,
    code="PL081",
    title="Parallel work is shared unevenly",
    severity=Severity.WARNING,
    factor=Threshold(2, "slowest / mean of the others", "judgement: whole inputs of an Append differ by more"),
    block_factor=Threshold(3, "slowest / mean of the others", "measured: 2.4 without a core of its own"),
    gap=Threshold(50, "ms", "judgement: less is the start of a process on a busy machine"),
    leader_rows=Threshold(10_000, "rows", "judgement: passing on more keeps the leader from working itself"),
)


@check.on(PlanNode, "Gather", "Gather Merge")
def skewed_workers(node: PlanNode) -> Iterator[Finding]:
    part = part_below(node)
    if not node.loops or part is None:
        return
    times = process_times_ms(part)
    if times is None:
        return
    leader_ms, processes = times
    # a leader that passes on many rows has no time for its share
    passes_few = (node.total_actual_rows or 0) < check["leader_rows"]
    takes_part = (part.loops or 0) > sum(1 for ms in processes if ms > 0)
    if takes_part and (passes_few or leader_ms >= max(processes) * LEADER_WORKS):
        processes = [leader_ms, *processes]
    slowest = max(processes)
    gap_ms = slowest - sum(processes) / len(processes)
    if len(processes) < 2 or gap_ms < check["gap"]:
        return
    others_ms = (sum(processes) - slowest) / (len(processes) - 1)
    is_of_inputs = any(below.node_type == "Append" and below.is_parallel_aware for below in part.walk())
    if slowest < others_ms * check["factor" if is_of_inputs else "block_factor"]:
        return
    run_ms = run_time_ms(node)
    large = _largest_input(part)
    yield check.finding(
        subject=node.label,
        title="One process worked while the others waited",
        message=(
            f"Of the {len(processes)} processes of {node.label} the slowest took {time_words(slowest)}, the others"
            f" {time_words(others_ms)} on average: shared evenly it would have been {time_words(gap_ms)} less."
        ),
        hint=(
            f"{large} A piece of work is never split: partitions of like size, or an index for the"
            " largest input, would share it better."
            if large
            else "See in EXPLAIN (ANALYZE, VERBOSE) which step of the slowest process takes its time: rows that"
            " are dear to compute and stand close together go to one process."
        ),
        evidence={
            "processes": len(processes),
            "slowest_process_ms": round(slowest, 3),
            "mean_of_others_ms": round(others_ms, 3),
            "estimated_saving_ms": round(gap_ms, 3),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=gap_ms if run_ms is None else min(gap_ms, run_ms),
        run_time_ms=run_ms,
    )


def _largest_input(part: PlanNode) -> str | None:
    """Of a Parallel Append below: the input that took most of its time, in a sentence."""
    append = next((n for n in part.walk() if n.node_type == "Append" and n.is_parallel_aware), None)
    if append is None:
        return None
    inputs = [(n.actual_total_time_ms or 0.0) * (n.loops or 0) for n in append.inputs]
    longest = max(inputs, default=0.0)
    if not sum(inputs) or longest < sum(inputs) / 2:
        return None
    name = append.inputs[inputs.index(longest)].label
    return (
        f"{name} took {longest / sum(inputs):.0%}".replace("%", " %") + " of the time of the Parallel Append's inputs."
    )
