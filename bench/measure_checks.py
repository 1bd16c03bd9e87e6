"""Processor time of plans: read, measured and judged by every check; real plans put together to the wanted size.

Judged as in production: with facts of every table in them, statistics included, and the statement's text. Both are
made of what the plans name, since the databases they are from are not at hand.
"""

import json
from itertools import cycle
from pathlib import Path
from time import process_time
from typing import Any

from analyzer.checks import Context as CheckContext
from analyzer.checks import all_checks, run_checks
from analyzer.plans import Plan, PlanNode, parse_plan
from analyzer.plans.conditions import read_condition
from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableFacts, packed_freqs
from bench.results import Context, Result

PLANS = Path(__file__).parent.parent / "tests" / "plans" / "data"
RUNS = 5
OF_MILLISECONDS = 100  # runs of what takes few: one that nothing interrupts is among them
CONDITIONS = ("Filter", "Index Cond", "Recheck Cond")
MOST_READ = 12  # tables in the statement's text
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
    small = _of_size(100)
    of_small = _context(parse_plan(small))
    small_s = _fastest(lambda: _whole(small, of_small), OF_MILLISECONDS)
    text_s = _fastest(lambda: parse_plan(TEXT))
    plans = [_of_size(15, start) for start in range(40)]
    parsed = [parse_plan(plan) for plan in plans]
    nodes = sum(len(plan.nodes) for plan in parsed) / len(parsed)
    known = [(plan, _context(plan)) for plan in parsed]
    judged_s = _fastest(lambda: [run_checks(plan, context) for plan, context in known])
    large = _of_size(10_000)
    of_large = _context(parse_plan(large))
    return [
        Result("checks", len(checks), ""),
        Result("of them on plans", sum(check.kind.container in (Plan, PlanNode) for check in checks), ""),
        Result(f"1,000 plans of {nodes:.0f} nodes judged by all checks, CPU", judged_s * 1000 / len(parsed), "s", 2.0),
        Result(
            "a plan of 100 nodes read, measured and judged, CPU",
            small_s * 1000,
            "ms",
            5.0,
        ),
        Result("a plan of 10,000 nodes likewise, CPU", _fastest(lambda: _whole(large, of_large)), "s", 1.0),
        Result("a plan of 10 MB as text read, CPU", text_s, "s", 5.0),
    ]


def _whole(plan: list[dict[str, Any]], context: CheckContext) -> None:
    run_checks(parse_plan(plan), context)


def _context(plan: Plan) -> CheckContext:
    """Facts of the plan's tables, with the columns that its conditions name, and a text that reads the tables."""
    columns: dict[str, dict[str, None]] = {}
    for node in plan.nodes:
        if node.relation_name:
            mine = columns.setdefault(node.relation_name, {"id": None})
            read = [read_condition(text) for key in CONDITIONS if (text := node.expression(key)) is not None]
            mine |= {c.name: None for each in read if each for part in each.comparisons for c in part.columns}
    facts = SchemaFacts("shop", 180_000, tuple(_table(n, *each) for n, each in enumerate(columns.items(), 1)))
    names = list(columns)[:MOST_READ]
    joins = "".join(f" join {name} t{n} on t{n}.id = t{n - 1}.id" for n, name in enumerate(names[1:], 1))
    wheres = [f"t{n}.{column} = ${n + 1}" for n, name in enumerate(names) for column in [*columns[name]][-1:]]
    sql = f"select t0.*, count(*) from {names[0]} t0{joins} where {' and '.join(wheres)} group by t0.id limit 20"
    return CheckContext(
        facts=facts, normalized_sql=sql, calls_per_day=1000.0, mean_exec_time_ms=plan.execution_time_ms,
        watched_s=86_400.0,
    )  # fmt: skip


def _table(number: int, name: str, columns: dict[str, None]) -> TableFacts:
    index = IndexFacts(10_000 + number, "public", f"{name}_pkey", "btree", ("id",), is_unique=True, is_primary=True)
    return TableFacts(
        oid=number, schema="public", name=name, kind="r", rows=1e6, size_bytes=10**8,
        columns=tuple(
            ColumnFacts(
                column, n, "integer", 23, True, 1e6, n_distinct=-0.5, null_frac=0.0, avg_width_bytes=4, correlation=0.3,
                common_freqs=packed_freqs(0.1 / (i + 1) for i in range(100)),
            )
            for n, column in enumerate(columns, 1)
        ),
        indexes=(index,), primary_key=("id",), unique_keys=(("id",),), constraints=(), triggers=(), policies=(),
    )  # fmt: skip


def _fastest(run: Any, runs: int = RUNS) -> float:
    times = []
    for _ in range(runs):
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
