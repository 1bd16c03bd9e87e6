"""Processor time of plans: read, measured and judged by every check; real plans put together to the wanted size."""

import json
from itertools import cycle
from pathlib import Path
from time import process_time
from typing import Any

from analyzer.checks import Context as CheckContext
from analyzer.checks import all_checks, run_checks
from analyzer.plans import Plan, PlanNode, parse_plan
from bench.results import Context, Result

PLANS = Path(__file__).parent.parent / "tests" / "plans" / "data"
RUNS = 5
_SCAN = """  ->  Seq Scan on orders_{0}  (cost=0.00..25.00 rows=1 width=36) (actual time=0.010..0.012 rows=1 loops=1)
        Filter: ((customer_id = 5) AND (status = 'paid'::text))
        Rows Removed by Filter: 1000
        Buffers: shared hit=12 read=3
"""
TEXT = "".join(
    (
        "Append  (cost=0.00..25.00 rows=1 width=36) (actual time=0.010..0.012 rows=1 loops=1)\n",
        *(_SCAN.format(number) for number in range(36_000)),
        "Planning Time: 1.0 ms\nExecution Time: 20.0 ms\n",
    )
)


def measure(_: Context) -> list[Result]:
    checks = all_checks()
    plans = [_of_size(15, start) for start in range(40)]
    parsed = [parse_plan(plan) for plan in plans]
    nodes = sum(len(plan.nodes) for plan in parsed) / len(parsed)
    judged_s = _fastest(lambda: [run_checks(plan, CheckContext(calls_per_day=1000.0)) for plan in parsed])
    small, large = _of_size(100), _of_size(10_000)
    return [
        Result("checks", len(checks), ""),
        Result("of them on plans", sum(check.kind.container in (Plan, PlanNode) for check in checks), ""),
        Result(f"1,000 plans of {nodes:.0f} nodes judged by all checks, CPU", judged_s * 1000 / len(parsed), "s", 2.0),
        Result("a plan of 100 nodes read, measured and judged, CPU", _fastest(lambda: _whole(small)) * 1000, "ms", 5.0),
        Result("a plan of 10,000 nodes likewise, CPU", _fastest(lambda: _whole(large)), "s", 1.0),
        Result("a plan of 10 MB as text read, CPU", _fastest(lambda: parse_plan(TEXT)), "s", 5.0),
    ]


def _whole(plan: list[dict[str, Any]]) -> None:
    run_checks(parse_plan(plan), CheckContext(calls_per_day=1000.0))


def _fastest(run: Any) -> float:
    times = []
    for _ in range(RUNS):
        began = process_time()
        run()
        times.append(process_time() - began)
    return min(times)


def _of_size(nodes: int, start: int = 0) -> list[dict[str, Any]]:
    """Real plans below one Append, the last one cut where there are enough nodes."""
    files = sorted(PLANS.glob("*.json"))
    members: list[dict[str, Any]] = []
    left = nodes - 1
    for file in cycle([*files[start:], *files[:start]]):
        if left <= 0:
            break
        read = json.loads(file.read_text())
        first = read[0] if isinstance(read, list) else read
        if "Plan" not in first:
            continue
        left = _cut(first["Plan"], left - 1)
        members.append({**first["Plan"], "Parent Relationship": "Member"})
    time_ms = sum(m.get("Actual Total Time", 0.0) * m.get("Actual Loops", 1) for m in members)
    rows = sum(m.get("Actual Rows", 0) * m.get("Actual Loops", 1) for m in members)
    append = {
        "Node Type": "Append", "Startup Cost": 0.0, "Total Cost": 1e6, "Plan Rows": rows, "Plan Width": 8,
        "Actual Startup Time": 0.01, "Actual Total Time": time_ms, "Actual Rows": rows, "Actual Loops": 1,
        "Plans": members,
    }  # fmt: skip
    return [{"Plan": append, "Planning Time": 0.5, "Execution Time": time_ms + 0.1}]


def _cut(node: dict[str, Any], left: int) -> int:
    """So many nodes below ``node`` at most; how many are left over."""
    kept = []
    for child in node.get("Plans", ()):
        if left <= 0:
            break
        left = _cut(child, left - 1)
        kept.append(child)
    if "Plans" in node:
        node["Plans"] = kept
    return left
