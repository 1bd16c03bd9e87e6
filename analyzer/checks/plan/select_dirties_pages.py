"""A statement that only reads, and leaves many pages changed.

The first reader of rows after they were written notes in the pages whether their transactions committed (hint bits) and
cleans out dead row versions it meets. That makes the read slower, and the pages have to be written. It is normal once,
after a bulk load or a large update. To verify, run the statement again: it dirties nothing any more. VACUUM straight
after a load does the same work before somebody waits for it. Leave it alone where it was a single run. What it cost of
the time is not printed.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Fix, Threshold
from analyzer.checks.node import run_time_ms
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.words.sizes import size_words

WRITES = ("ModifyTable", "LockRows")
SCANS = ("Seq Scan", "Index Scan", "Bitmap Heap Scan", "Index Only Scan", "Tid Range Scan", "Sample Scan")

check = Check(
    __name__,
    code="PL094",
    title="Reading left many pages changed",
    severity=Severity.INFO,
    blocks=Threshold(1_000, "blocks", "judgement: 8 MB; less is written without anybody noticing"),
)


@check.on(Plan)
def select_dirties_pages(plan: Plan) -> Iterator[Finding]:
    if plan.root.buffers is None or (plan.root.buffers.shared_dirtied_blocks or 0) < check["blocks"]:
        return
    if any(node.node_type in WRITES for node in plan):
        return
    node = max((n for n in plan if n.node_type in SCANS and n.loops), key=_dirtied, default=None)
    if node is None or _dirtied(node) < check["blocks"]:
        return  # a function it calls may write
    dirtied = _dirtied(node)
    touched = node.exclusive_buffers.shared_touched_blocks if node.exclusive_buffers is not None else None
    yield check.finding(
        node=node,
        subject=node.label,
        message=(
            f"{node.label} only reads, yet changed {dirtied:,} pages ({size_words(dirtied * PAGE_BYTES)}): it was the"
            " first to read rows that had been written, and noted there which transactions committed, or cleared out"
            " dead versions of rows."
        ),
        hint=(
            f"Vacuum {node.relation_name or 'the table'} straight after a load or a large update, before somebody reads"
            " it. A second run changes nothing more."
        ),
        evidence={"dirtied_blocks": dirtied, "touched_blocks": touched},
        level=EvidenceLevel.EXECUTED,
        run_time_ms=run_time_ms(node),
        table=node.table,
        fixes=()
        if not node.relation_name
        else (Fix("Straight after the load", "sql", f"VACUUM (ANALYZE) {_name(node)};"),),
    )


def _dirtied(node: PlanNode) -> int:
    own = node.exclusive_buffers
    return (own.shared_dirtied_blocks or 0) if own is not None else 0


def _name(node: PlanNode) -> str:
    name = node.relation_name or ""
    return qualified(node.schema, name) if node.schema else quote_identifier(name)
