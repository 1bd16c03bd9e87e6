"""Sort that did not fit into work_mem and went through temporary files.

Sorted runs are written and read back, which is slower than sorting in memory and shares the disk with everybody. An
index in the wanted order makes the sort go; else more work_mem for this statement alone. Each process of a parallel
plan sorts its own part in its own work_mem, so the size is per process. To verify, run the statement with
``SET LOCAL work_mem`` and look for "quicksort" in its plan. Leave it alone where the sort is a small part of a rare
report: work_mem counts for every sort of every session at once. Before 18 workers' sorts show only with VERBOSE.
"""

from collections.abc import Iterator

from pglast import ast

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms, shown_keys
from analyzer.checks.work_mem import as_sentence, work_mem_advice
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import PlanNode
from analyzer.statements.tree import Unparsable, name_parts, parse, walk
from analyzer.words.sizes import MB, size_words

MAKES_ROWS = frozenset({
    "Aggregate", "Group", "WindowAgg", "SetOp", "ProjectSet", "Function Scan", "Table Function Scan", "Values Scan",
    "CTE Scan", "Named Tuplestore Scan", "WorkTable Scan", "Recursive Union", "Foreign Scan",
})  # fmt: skip

check = Check(
    __name__,
    code="PL050",
    title="Sort spilled to disk",
    severity=Severity.WARNING,
    gives_way_to=(
        "PL051",
        "PL052",
        "PL054",
        "PL055",
        "PL056",
        "PL057",
        "PL058",
        "PL059",
        "PL060",
    ),  # why it is sorted at all
    disk=Threshold(1 * MB, "bytes", "judgement: less stays in the kernel's cache and costs under a millisecond"),
    memory_factor=Threshold(
        2.5, "memory / disk", "measured: 0.7 to 2.2 for six tables of 300,000 rows on PostgreSQL 18"
    ),
)


@check.on(PlanNode, "Sort", "Incremental Sort")
def sort_on_disk(node: PlanNode) -> Iterator[Finding]:
    on_disk = [sort for sort in node.sorts if sort.is_on_disk and sort.space_bytes]
    largest = max((sort.space_bytes or 0 for sort in on_disk), default=0)
    if not on_disk or largest < check["disk"]:
        return
    rows = node.total_actual_rows
    keys = shown_keys(node, "Sort Key") or "its key"
    processes = len(on_disk)
    per_process = " in each process" if processes > 1 else ""
    needed_bytes = max(1, round(largest * check["memory_factor"] / MB)) * MB
    evidence: dict[str, Quantity] = {
        "disk_bytes": largest,
        "spilling_processes": processes,
        "work_mem_needed_bytes": needed_bytes,
        "sorted_rows": None if rows is None else round(rows),
    }
    if node.exclusive_time_ms is not None:
        evidence["exclusive_time_ms"] = round(max(0.0, node.exclusive_time_ms), 3)
    advice, fixes = work_mem_advice(needed_bytes, node.plan)
    measure = f" (about {check['memory_factor']:g} times what it wrote{', for each process' if processes > 1 else ''})"
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label} by {keys} used up to {size_words(largest)} of temporary files{per_process}"
            f" ({on_disk[0].method})."
        ),
        hint=f"{_by_index(node, keys, advice, may_grow=bool(fixes))}{measure if fixes else ''}.",
        fixes=fixes,
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        time_ms=None if node.exclusive_time_ms is None else max(0.0, node.exclusive_time_ms),
        run_time_ms=run_time_ms(node),
    )


def _by_index(node: PlanNode, keys: str, advice: str, *, may_grow: bool) -> str:
    """The advice on memory, after an index where one can keep the order: none does of sums, or two tables' columns."""
    if _is_of_one_table(node):
        said = f"An index in the order of {keys} would make the sort unnecessary where it fits the conditions too."
        return f"{said} {f'Else {advice}' if may_grow else as_sentence(advice)}"
    return as_sentence(advice)


def _is_of_one_table(node: PlanNode) -> bool:
    """Whether each key is of columns, all of one table, whose rows come to the sort as they are."""
    keys = node.sort_keys
    if keys is None or any('"*SELECT*' in key for key in keys):
        return False  # of a set operation's arms
    if any(below.node_type in MAKES_ROWS for below in node.walk()):
        return False
    statements = [parse(f"SELECT ORDER BY {key}") for key in keys]
    columns = [
        [c for c in walk(s) if isinstance(c, ast.ColumnRef)] for s in statements if not isinstance(s, Unparsable)
    ]
    tables = {name_parts(column.fields)[:-1] for of_one in columns for column in of_one}
    return len(columns) == len(keys) and all(columns) and len(tables) == 1
