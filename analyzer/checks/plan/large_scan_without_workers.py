"""A gigabyte or more read by one process in a plan without workers.

PostgreSQL reads a large table with several processes where it may and where that is cheaper by its costs. It is said
where the plan's printed settings switch parallel query off, or where sharing the rows would be much cheaper by the
planner's own costs, so that something forbids it: max_parallel_workers_per_gather = 0, a function not marked PARALLEL
SAFE, a cursor, the table's parallel_workers = 0. To verify, set max_parallel_workers_per_gather = 2 in a session and
look at EXPLAIN. Leave it alone on a busy server whose cores serve other statements. Statements that write or lock rows
never run in parallel: nothing is said of them. It is a note, without a time: how far workers help depends on the disks.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Fix, Threshold
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.parallel import GATHERS, divisor
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.words.sizes import size_words

OFF = ("max_parallel_workers_per_gather", "max_parallel_workers")
NEVER_PARALLEL = ("ModifyTable", "LockRows")
USUAL_WORKERS = 2  # max_parallel_workers_per_gather
# PostgreSQL's own costs
SETUP, TUPLE, PAGE = 1000.0, 0.1, 1.0

check = Check(
    __name__,
    code="PL084",
    title="Large scan by one process",
    severity=Severity.INFO,
    blocks=Threshold(131_072, "blocks", "judgement: 1 GB; smaller tables are read in well under a second from memory"),
    margin=Threshold(2, "saved / extra cost", "judgement: closer, the planner's choice is a matter of rounding"),
)


@check.on(Plan)
def large_scan_without_workers(plan: Plan) -> Iterator[Finding]:
    if not plan.is_analyzed or any(n.node_type in GATHERS or n.node_type in NEVER_PARALLEL for n in plan):
        return
    scans = [n for n in plan if n.node_type == "Seq Scan" and n.loops == 1 and _blocks(n) >= check["blocks"]]
    if not scans:
        return
    node = max(scans, key=_blocks)
    off = next((name for name in OFF if plan.settings.get(name) == "0"), None)
    if off is None and not _would_pay(node, plan):
        return
    size_bytes = _blocks(node) * PAGE_BYTES
    if off is not None:
        why = f"Parallel query was switched off: {off} = 0."
        hint = "See whether the planner takes workers when they are allowed; it decides by cost."
    else:
        why = "By the planner's own costs two workers would make it cheaper, so something forbids them."
        hint = (
            "See whether max_parallel_workers_per_gather is 0, the statement runs through a cursor, it calls a function"
            " not marked PARALLEL SAFE, or the table's parallel_workers is 0."
        )
    yield check.finding(
        node=node,
        subject=node.label,
        message=f"One process read {size_words(size_bytes)} in {node.label}, and the plan has no workers. {why}",
        hint=hint,
        evidence={"scanned_bytes": size_bytes},
        level=EvidenceLevel.EXECUTED,
        fixes=(Fix("To compare, in a session of its own", "sql", "SET max_parallel_workers_per_gather = 2;"),),
    )


def _blocks(node: PlanNode) -> int:
    """Shared blocks only: temporary tables are never read in parallel."""
    own = node.exclusive_buffers
    return (own.shared_touched_blocks or 0) if own is not None else 0


def _would_pay(node: PlanNode, plan: Plan) -> bool:
    """Whether sharing the scan's computing saves clearly more than starting workers and passing on their rows costs."""
    changed = {"parallel_setup_cost", "parallel_tuple_cost", "seq_page_cost"} & set(plan.settings)
    if node.total_cost is None or changed:
        return False
    computing = node.total_cost - _blocks(node) * PAGE
    summed_up = node.parent is not None and node.parent.node_type == "Aggregate"
    passed_rows = 1.0 if summed_up else node.plan_rows or 0.0
    extra = SETUP + passed_rows * TUPLE
    return computing * (1 - 1 / divisor(USUAL_WORKERS)) >= extra * check["margin"]
