"""Time of the statement that none of its plan's nodes took.

Execution Time is more than the nodes: starting the plan up and shutting it down (many partitions, large memory to give
back, temporary files to delete), AFTER triggers, compiling with JIT for the first time in a session (LLVM is loaded),
sending the result. Triggers and serialization that EXPLAIN prints are taken off, and a data-modifying CTE that nobody
reads, which runs when the root is done. To verify, run the statement twice in one session: what is loaded or cached
then goes away. What helps depends on which it is: fewer partitions, a deferred trigger made cheaper, JIT switched off
for short statements, fewer columns sent. Leave it alone where a second run does not show it. The time is what is left
over: some of it may be unavoidable.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan
from analyzer.plans.outside import outside_nodes_time_ms
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="PL096",
    title="Time outside the plan's nodes",
    severity=Severity.WARNING,
    time=Threshold(10, "ms", "judgement: starting a plan and ending it takes less"),
    time_ratio=Threshold(0.20, "time / execution time", "judgement: less does not change where to look"),
    row_time=Threshold(0.0001, "ms / row", "measured: 0.03 us for each row the root gives, on PostgreSQL 15 and 18"),
    nodes=Threshold(100, "nodes", "judgement: from there starting a plan up is worth a word"),
)


@check.on(Plan)
def time_outside_nodes(plan: Plan) -> Iterator[Finding]:
    if plan.execution_time_ms is None:
        return
    outside_ms, after_ms = outside_nodes_time_ms(plan), plan.after_root_time_ms or 0.0
    if outside_ms is None:
        return
    least_ms = max(check["time"], plan.execution_time_ms * check["time_ratio"])
    if after_ms >= least_ms:
        yield _unread_cte(plan, after_ms)
    left_ms = outside_ms - (plan.root.total_actual_rows or 0) * check["row_time"]
    if left_ms < least_ms:
        return
    logged = " that auto_explain logged" if plan.is_time_logged else ""
    yield check.finding(
        node=plan.root,
        subject="Outside the nodes",
        message=(
            f"{time_words(outside_ms)} of the {time_words(plan.execution_time_ms)}{logged} lie in none of the plan's"
            f" nodes and in no trigger that {'it' if logged else 'EXPLAIN'} printed."
        ),
        hint=_hint(plan),
        evidence={"outside_nodes_ms": round(outside_ms, 3), "execution_time_ms": plan.execution_time_ms},
        level=EvidenceLevel.EXECUTED,
        time_ms=left_ms,
        run_time_ms=run_time_ms(plan.root),
    )


def _unread_cte(plan: Plan, after_ms: float) -> Finding:
    """Explains where the time is; nothing is wrong with it."""
    nodes = [node for node in plan if node.is_after_root and not (node.parent and node.parent.is_after_root)]
    names = ", ".join(dict.fromkeys((node.subplan_name or node.label) for node in nodes))
    return check.finding(
        node=nodes[0] if nodes else plan.root,
        subject=f"After the root: {names}",
        title="A data-modifying CTE runs after the plan's root",
        severity=Severity.INFO,
        message=(
            f"{names} is read by nobody, so it ran when the plan's root was done: {time_words(after_ms)} of the"
            f" {time_words(plan.execution_time_ms)} are not in the root's time."
        ),
        hint="Look for what is slow in its own nodes; the root's time says nothing of it.",
        evidence={"after_root_ms": round(after_ms, 3), "execution_time_ms": plan.execution_time_ms},
        level=EvidenceLevel.EXECUTED,
    )


def _hint(plan: Plan) -> str:
    if plan.jit:
        return (
            "The plan was compiled (JIT). The first time in a session LLVM is loaded, which counts here: run it twice"
            " in one session and judge the second run."
        )
    if len(plan.nodes) >= check["nodes"]:
        return (
            f"The plan has {len(plan.nodes):,} nodes to start up and shut down: see whether a condition on the"
            " partition key can leave out most partitions."
        )
    if any(node.node_type == "ModifyTable" for node in plan) and not plan.triggers:
        return (
            "A statement that writes runs its AFTER triggers (foreign keys' among them) there; auto_explain prints"
            " them with auto_explain.log_triggers."
        )
    if plan.is_time_logged and plan.root.total_actual_rows:
        return (
            "auto_explain's duration counts turning rows into text and sending them: a client that takes them slowly"
            " holds the statement up. EXPLAIN (ANALYZE) sends none: the difference to its time is the sending."
        )
    return (
        "Run it twice in one session: what was loaded for the first time is gone then. Else look at what its end has to"
        " give back: large hash tables and sorts, temporary files."
    )
