"""The tables that a plan reads, and its conditions as trees."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pglast import ast

from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.tree import Node, Unparsable, parse, walk

SUBPLAN = "SubPlan"
# how 13 to 18 print subplans and InitPlans, the longest first
NO_SQL = (
    (re.compile(r"\(InitPlan \d+\)\.col\d+"), "$1"),
    (re.compile(r"\((?:ANY|ALL) \("), "(("),
    (re.compile(r"\((?:alternatives: )?(?:(?: or )?(?:hashed )?SubPlan \d+)+\)(?:\.col\d+)?"), f'("{SUBPLAN}")'),
    (re.compile(r"EXISTS\((?=\"|\()"), "("),
)


@dataclass(frozen=True, slots=True)
class Scan:
    """A node that reads a table. ``rows``: expected to come out of it, over all workers."""

    table: TableFacts
    alias: str
    node_type: str
    index: str | None
    rows: float
    cost: float
    filter: str

    @property
    def is_whole(self) -> bool:
        return self.index is None and "Seq Scan" in self.node_type


def table_scans(plan: Mapping[str, Any], facts: SchemaFacts) -> Iterator[Scan]:
    """Every node of an EXPLAIN's plan that reads a table of the facts."""
    for node, workers in _with_workers(plan, 0):
        name = node.get("Relation Name")
        table = facts.find_table(str(name), node.get("Schema")) if name else None
        if table is None:
            continue
        index = node.get("Index Name") or next((n["Index Name"] for n in nodes(node) if n.get("Index Name")), None)
        divisor = workers + max(0.0, 1 - 0.3 * workers) if node.get("Parallel Aware") and workers else 1.0
        yield Scan(
            table, str(node.get("Alias", name)), str(node.get("Node Type", "")), index,
            float(node.get("Plan Rows", 0)) * divisor, float(node.get("Total Cost", 0)), str(node.get("Filter", "")),
        )  # fmt: skip


def _with_workers(node: Mapping[str, Any], workers: int) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Source of the share that each takes: costsize.c, get_parallel_divisor()."""
    workers = int(node.get("Workers Planned", workers))
    if node:
        yield node, workers
    for child in node.get("Plans", ()):
        yield from _with_workers(child, workers)


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (node for node, _ in _with_workers(plan, 0))


def parsed_condition(condition: str) -> Node | None:
    """A subplan is a column called SubPlan there, since EXPLAIN prints no SQL for it."""
    if not condition:
        return None
    for written, readable in NO_SQL:
        condition = written.sub(readable, condition)
    statements = parse(f"SELECT WHERE {condition}")
    return None if isinstance(statements, Unparsable) else statements[0].stmt.whereClause


def aliases_in(node: Node) -> Iterator[str]:
    for part in walk(node):
        if isinstance(part, ast.ColumnRef) and len(part.fields) > 1 and isinstance(part.fields[-2], ast.String):
            yield part.fields[-2].sval
