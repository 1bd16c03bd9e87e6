"""A write or a row lock that took far longer than its rows and blocks explain: it waited for somebody.

A row which another transaction has changed or locked makes this one wait until that transaction ends; so does a key
that another one is just inserting. The plan shows the wait as time of the node that locks (LockRows) or writes
(ModifyTable), with nothing read or computed for it. To verify, look with pg_blocking_pids() while it waits, or set
log_lock_waits = on. Shorter transactions on the other side help; SKIP LOCKED or NOWAIT where any free row will do
(queues); rows locked in one order everywhere avoid deadlocks. Leave it alone where it was a single wait in a single
run: see whether it happens again. The time is what is left when rows, blocks, reads from disk and BEFORE triggers are
taken off generously.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Fix, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.triggers import fired
from analyzer.words.durations import time_words

WAITING = """\
SELECT pid, pg_blocking_pids(pid) AS waits_for, wait_event, state, now() - xact_start AS transaction_age, query
FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0;"""

check = Check(
    __name__,
    code="PL095",
    title="Waited, most likely for a lock",
    severity=Severity.WARNING,
    waited=Threshold(50, "ms", "judgement: less can be a process that got no CPU"),
    waited_ratio=Threshold(0.5, "waited / execution time", "judgement: it is what the statement did"),
    row_time=Threshold(0.05, "ms / row", "measured: 0.0003 to 0.03 ms on PostgreSQL 13, 15 and 18, busy"),
    access_time=Threshold(0.01, "ms / block access", "measured: 0.0005 to 0.003 ms on PostgreSQL 13, 15 and 18, busy"),
    read_time=Threshold(10, "ms / block read", "judgement: a slow disk; used without track_io_timing"),
)


@check.on(PlanNode, "LockRows", "ModifyTable")
def waited_for_lock(node: PlanNode) -> Iterator[Finding]:
    own_ms, run_ms = own_time_ms(node), run_time_ms(node)
    if not node.loops or own_ms is None or not run_ms:
        return
    rows = sum(child.total_actual_rows or 0 for child in node.inputs)
    accesses = node.exclusive_buffers.shared_touched_blocks if node.exclusive_buffers is not None else None
    # a write that touches no block is one of a foreign table: its time is the other server's
    if not rows or (node.node_type == "ModifyTable" and not accesses):
        return
    explained_ms = (
        rows * check["row_time"] + (accesses or 0) * check["access_time"] + _reading_ms(node) + _before_ms(node)
    )
    waited_ms = own_ms - explained_ms
    if waited_ms < check["waited"] or waited_ms < run_ms * check["waited_ratio"]:
        return
    locks = node.node_type == "LockRows"
    touched = "" if accesses is None else f" and {accesses:,} block accesses"
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} took {time_words(own_ms)} itself, for {rows:,.0f}"
            f" row{'' if rows == 1 else 's'}{touched}: most"
            " likely it waited for another transaction's lock."
        ),
        hint=(
            "See which transaction holds the rows and why it is open so long."
            + (" If any free row will do, FOR UPDATE SKIP LOCKED does not wait." if locks else "")
        ),
        evidence={
            "waited_ms": round(waited_ms, 3),
            "rows": round(rows),
            "block_accesses": accesses,
            **time_evidence(own_ms, node),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=min(waited_ms, run_ms),
        run_time_ms=run_ms,
        table=node.table,
        fixes=(Fix("While it waits: who waits for whom", "sql", WAITING),),
    )


def _reading_ms(node: PlanNode) -> float:
    """Of blocks it had to read and write, as measured or, without track_io_timing, at a slow disk's pace."""
    own = node.exclusive_buffers
    if own is None:
        return 0.0
    blocks = (own.shared_read_blocks or 0) + (own.shared_written_blocks or 0)
    measured = (own.shared_read_time_ms or 0.0) + (own.shared_write_time_ms or 0.0)
    return measured or blocks * check["read_time"]


def _before_ms(node: PlanNode) -> float:
    if node.plan is None:
        return 0.0
    return sum(trigger.time_ms or 0.0 for trigger in fired(node.plan) if not trigger.is_after)
