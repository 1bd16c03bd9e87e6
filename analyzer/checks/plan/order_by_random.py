"""ORDER BY random() with LIMIT: all rows are read and sorted to draw a few of them.

TABLESAMPLE draws rows, or pages of rows, without sorting the table; the random order is then needed for the sample
alone. A random value of a dense key (``id >= floor(random() * max)``) finds neighbours by an index. To verify, look
at the rows below the Sort. Leave it alone on small tables, or where each row must have exactly the same chance on
every draw. Of the run's time the sort's own is counted and, of one table, its scan's.
"""

import math
import re
from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.checks.order import SCANS, is_limited
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import read_sort_key
from analyzer.schema.quoting import qualified, quote_identifier

RANDOM = re.compile(r"\b(random|gen_random_uuid|uuid_generate_v4)\(")
SAMPLE_FACTOR = 10  # rows drawn for each wanted: the sample's size varies

check = Check(
    __name__,
    code="PL060",
    title="ORDER BY random() sorts all rows to draw a few",
    severity=Severity.WARNING,
    rows=Threshold(1_000, "rows", "judgement: so few are sorted in a third of a millisecond"),
)


@check.on(PlanNode, "Sort")
def order_by_random(node: PlanNode) -> Iterator[Finding]:
    keys = node.sort_keys
    if not node.loops or not keys or not _is_random(keys[0]) or not is_limited(node):
        return
    below = node.inputs[0] if node.inputs else None
    rows, taken = below.total_actual_rows if below is not None else None, node.total_actual_rows
    if below is None or rows is None or taken is None or rows <= check["rows"]:
        return
    is_table = below.node_type in SCANS
    time_ms = own_time_ms(node, *([n for n in node.walk() if n is not node] if is_table else []))
    yield check.finding(
        subject=node.label,
        message=f"{rows:,.0f} rows were read and put in a random order to take {taken:,.0f} of them.",
        hint="Draw a sample first (TABLESAMPLE), or look up random values of the key.",
        evidence={"sorted_rows": round(rows), "returned_rows": round(taken), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        fixes=_fixes(below, rows, taken),
    )


def _is_random(key: str) -> bool:
    """A random value alone: with a column in it (a weight), rows have different chances, which no sample gives."""
    if not RANDOM.search(key):
        return False
    read = read_sort_key(key)
    return read is not None and not read.condition.columns


def _fixes(scan: PlanNode, rows: float, taken: float) -> tuple[Fix, ...]:
    """Of a whole table: with a condition, how large a sample is needed is not known."""
    percent = 100 * SAMPLE_FACTOR * taken / rows
    if scan.node_type != "Seq Scan" or scan.filter is not None or not scan.relation_name or not 0 < percent < 100:
        return ()
    table = qualified(scan.schema, scan.relation_name) if scan.schema else quote_identifier(scan.relation_name)
    rounded = round(percent, 1 - math.floor(math.log10(percent)))
    return (
        Fix(
            f"About {SAMPLE_FACTOR} times as many rows as wanted, drawn before they are put in a random order",
            "sql",
            f"SELECT ... FROM {table} TABLESAMPLE BERNOULLI ({rounded:f}".rstrip("0").rstrip(".")
            + f") ORDER BY random() LIMIT {taken:.0f};",
        ),
    )
