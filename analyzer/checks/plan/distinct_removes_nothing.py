"""DISTINCT, or GROUP BY of all columns, that removed no row.

Sorting or hashing all rows to find repeated ones is wasted where none can repeat: the columns hold a table's primary
key or another unique key, and no join gives a row of that table twice. Often DISTINCT was added against a join that
repeats rows; EXISTS instead of that join asks only whether there is one. To verify, look for a unique key among the
columns, and compare the numbers of rows with and without DISTINCT. Leave it alone where only the data of today have no
repeated rows: with the schema known, nothing is said of columns that hold no unique key. Where LIMIT ends it early, all
rows were sorted by all columns to compare a few; without DISTINCT the sort needs the columns of ORDER BY alone and
keeps the first rows. It is told where the schema shows a unique key. Of the run's time the node's own is counted, with
the sort below it.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, place, run_time_ms, shown, shown_keys, time_evidence
from analyzer.checks.rewrites import rewrites
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.condition_tree import ColumnName
from analyzer.plans.conditions import read_sort_key
from analyzer.plans.unions import is_union
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents import DISTINCT_JOIN, LIST
from analyzer.statements.equivalents.scopes import key_among

DISTINCT = re.compile(r"\bselect\s+distinct\b(?!\s+on\b)", re.IGNORECASE)
DISTINCT_ON = re.compile(r"\bselect\s+distinct\s+on\b", re.IGNORECASE)
JOINS = ("Nested Loop", "Hash Join", "Merge Join", "Hash", "Memoize")
GATHERS = ("Gather", "Gather Merge")
PASS_ON = ("Sort", "Limit", "Gather", "Gather Merge", "Materialize", "Result")

check = Check(
    __name__,
    code="PL057",
    title="DISTINCT removes nothing",
    severity=Severity.WARNING,
    rows=Threshold(10_000, "rows", "measured: fewer are hashed in 2 ms on PostgreSQL 18"),
)


@check.on(PlanNode, "Unique", "Aggregate", "Group")
def distinct_removes_nothing(node: PlanNode, context: Context) -> Iterator[Finding]:
    rows_in, rows_out = _rows(node)
    if not node.loops or not node.inputs or rows_out < rows_in:
        return
    sort = _sort_below(node)
    rows_sorted = _rows_sorted(sort, rows_in) if context.facts is not None and rows_in > 1 else 0.0
    if max(rows_sorted, rows_in) < check["rows"]:
        return
    source = node.inputs[0] if sort is None else sort.inputs[0]
    if is_union(source) or not _is_distinct(node, context) or not _is_asked_for(node):
        return
    key = _unique_key(node, _columns(node, sort, context), context.facts) if context.facts is not None else None
    if context.facts is not None and key is None:
        return
    own = [node] if sort is None or sort.node_type != "Sort" else [node, sort]
    time_ms = own_time_ms(*own)
    columns = shown_keys(node, "Group Key") or (shown_keys(sort, "Sort Key") if len(own) == 2 and sort else None)
    joined = any(below.node_type in JOINS for below in node.walk())
    by = f" by {columns}" if columns else ""
    yield check.finding(
        subject=node.label,
        message=(
            f"{rows_sorted:,.0f} rows were sorted{by} for {node.label}, which ended after {rows_in:,.0f}: in this run"
            " none of those was there twice."
            if rows_sorted
            else f"{node.label}{by} took in {rows_in:,.0f} rows and gave all of them: in this run none was there twice."
        ),
        hint=_hint(key, joined),
        evidence={
            **({"sorted_rows": round(rows_sorted)} if rows_sorted else {}),
            "compared_rows": round(rows_in),
            **time_evidence(time_ms, node),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        fixes=rewrites(context, DISTINCT_JOIN, LIST),
        also_at=tuple(place(below) for below in own[1:]),
    )


def _hint(key: str | None, joined: bool) -> str:
    repeat = " and the joins give none of its rows twice (else use EXISTS instead of the join)" if joined else ""
    if key is not None and not joined:
        return f"{key} is unique: drop DISTINCT."
    if key is not None:
        return f"{key} is unique: drop DISTINCT where{repeat.removeprefix(' and')}."
    return f"Where the columns hold a unique key{repeat}, drop DISTINCT; leave it where rows may repeat one day."


def _rows(node: PlanNode) -> tuple[float, float]:
    """In, at most, and out, at least, which are the same for one run only; (0, 0) where that is not known."""
    below = node.inputs[0].total_actual_rows_bounds if len(node.inputs) == 1 else None
    own = node.total_actual_rows_bounds
    return (below[1], own[0]) if below is not None and own is not None else (0.0, 0.0)


def _sort_below(node: PlanNode) -> PlanNode | None:
    """Which brings equal rows together, in one process or in several whose rows are merged."""
    source = node.inputs[0]
    if source.node_type == "Gather Merge" and source.inputs:
        source = source.inputs[0]
    return source if source.node_type in ("Sort", "Incremental Sort") and source.inputs else None


def _rows_sorted(sort: PlanNode | None, rows_in: float) -> float:
    """Where a LIMIT ended it before all were compared; else, and where that is not known, 0."""
    below = sort.inputs[0] if sort is not None else None
    bounds = below.total_actual_rows_bounds if below is not None else None
    return below.total_actual_rows or 0.0 if below is not None and bounds is not None and bounds[0] > rows_in else 0.0


def _is_distinct(node: PlanNode, context: Context) -> bool:
    """Nothing but keys comes out; without VERBOSE the statement has to say DISTINCT for an Aggregate."""
    if node.has_grouping_sets or node.filter is not None:
        return False
    if node.node_type != "Aggregate":
        return True
    output, keys = node.output, node.group_keys
    if output is not None and keys is not None:
        return len(output) <= len(keys)
    return keys is not None and bool(context.normalized_sql and DISTINCT.search(context.normalized_sql))


def _is_asked_for(node: PlanNode) -> bool:
    """Not the planner's own: it removes what repeats before a join for IN (...), and in each process."""
    if any(above.node_type in GATHERS for above in node.ancestors()):
        return False
    child, above = node, node.parent
    while above is not None and above.node_type in PASS_ON and child.parent_relationship not in ("InitPlan", "SubPlan"):
        child, above = above, above.parent
    return above is None or child.parent_relationship in ("InitPlan", "SubPlan") or above.node_type not in JOINS


def _unique_key(node: PlanNode, columns: list[ColumnName], facts: SchemaFacts) -> str | None:
    """ "o.id": columns of a key without NULLs among those compared, that holds at any moment; None without one."""
    tables = {
        scan.alias or scan.relation_name: facts.find_table(scan.relation_name, scan.schema)
        for scan in node.walk()
        if scan.relation_name
    }
    for alias, table in tables.items():
        if table is None:
            continue
        names = {c.name for c in columns if c.alias == alias or (c.alias is None and len(tables) == 1)}
        key = key_among(names, table, facts)
        if key is not None:
            return shown(", ".join(f"{alias}.{name}" for name in key))
    return None


def _columns(node: PlanNode, sort: PlanNode | None, context: Context) -> list[ColumnName]:
    """That are compared. DISTINCT ON compares the first ones of its sort, at least one, and the plan does not say how
    many: where the text does not rule it out, the others are no evidence.
    """
    keys = node.group_keys
    if keys is None and sort is not None and sort.sort_keys is not None:
        text = context.normalized_sql or ""
        keys = sort.sort_keys if DISTINCT.search(text) and not DISTINCT_ON.search(text) else sort.sort_keys[:1]
    read = [read_sort_key(text) for text in keys or ()]
    return [key.column for key in read if key is not None and key.column is not None]
