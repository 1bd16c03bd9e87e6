"""What checks of scans share: a bitmap's index scans, an index's and a table's facts, names for sentences and SQL."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.plans import Plan, PlanNode
from analyzer.plans.conditions import Condition, read_condition
from analyzer.plans.indexable import of_table
from analyzer.plans.scans import (
    Scanned,
    alias_in_query,
    partition_scans,
    partitioned_table,
    scanned,
    scans_like,
    together,
)
from analyzer.schema import system_tables
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier

BITMAP_PARTS = ("BitmapAnd", "BitmapOr", "Bitmap Index Scan")
BRIN_ROWS_PER_PAGE = 10  # what a BRIN index scan counts for each page (brin.c, bringetbitmap())


@dataclass(frozen=True, slots=True)
class Scans:
    """One scan; of a partition all scans like it of its table's partitions, which are one thing to a reader."""

    subject: str
    table: str | None  # schema.table
    nodes: Sequence[PlanNode]

    @property
    def are_partitions(self) -> bool:
        return self.subject != self.nodes[0].label


@dataclass(frozen=True, slots=True)
class WholeScan:
    """A table's sequential scan, with its partitions'."""

    scans: Scans
    scan: Scanned


def whole_scan(node: PlanNode, facts: SchemaFacts | None, *, join_runs: float = float("inf")) -> WholeScan | None:
    """None where it never ran, of PostgreSQL's own tables, and of partitions but the first, which stands for all.

    ``join_runs``: see ``plans/scans.py``.
    """
    if not node.loops or is_system_table(node):
        return None
    partitions = with_partitions(node, facts)
    if partitions is None:
        return None
    scans = [scan for n in partitions.nodes if (scan := scanned(n, join_runs=join_runs)) is not None]
    return WholeScan(partitions, together(scans)) if scans else None


def with_partitions(node: PlanNode, facts: SchemaFacts | None) -> Scans | None:
    """Of an executed node; None where it is not the first of its table's partitions, which stands for all."""
    made = {} if node.plan is None else node.plan.once(_scans_made)
    if node not in made or made[node][0] is not facts:
        made[node] = facts, _with_partitions(node, facts)
    return made[node][1]


def _scans_made(_: Plan) -> dict[PlanNode, tuple[SchemaFacts | None, Scans | None]]:
    """Filled as they are asked for: several checks look at one scan."""
    return {}


def _with_partitions(node: PlanNode, facts: SchemaFacts | None) -> Scans | None:
    top = partitioned_table(node, facts)
    if top is not None and facts is not None:
        nodes = partition_scans(node, top, facts)
        if next(nodes) is not node:
            return None
        alias = alias_in_query(node)
        name = top.name if alias in ("", top.name) else f"{top.name} {alias}"
        return Scans(f"{node.node_type} on partitions of {name}", top.qualified_name, [node, *nodes])
    same = scans_like(node)
    if same[0] is not node:
        return None
    if len(same) > 1:
        return Scans(f"{node.node_type} on partitions of {alias_in_query(node)}", None, same)
    return Scans(node.label, table_of(node, facts), same)


def is_system_table(node: PlanNode) -> bool:
    return system_tables.is_system_table(node.schema, node.relation_name or "")


def table_node(node: PlanNode) -> PlanNode:
    """The node that names the table: of what builds a bitmap the Bitmap Heap Scan above, else itself."""
    if node.node_type not in BITMAP_PARTS:
        return node
    return next((a for a in node.ancestors() if a.node_type == "Bitmap Heap Scan"), node)


def bitmap_parts(heap: PlanNode) -> list[PlanNode]:
    """All that builds the bitmap of a Bitmap Heap Scan and ran."""
    return [node for child in heap.inputs for node in child.walk() if node.node_type in BITMAP_PARTS and node.loops]


def bitmap_index_scans(heap: PlanNode) -> list[PlanNode]:
    return [node for node in bitmap_parts(heap) if node.node_type == "Bitmap Index Scan"]


def table_facts(node: PlanNode, facts: SchemaFacts | None) -> TableFacts | None:
    named = table_node(node)
    if facts is None or named.relation_name is None:
        return None
    return facts.find_table(named.relation_name, named.schema)


def index_facts(node: PlanNode, facts: SchemaFacts | None) -> IndexFacts | None:
    """Of the index a node scans."""
    table = table_facts(node, facts)
    return None if table is None else next((i for i in table.indexes if i.name == node.index_name), None)


def index_that_begins_with(node: PlanNode, columns: Sequence[str], facts: SchemaFacts | None) -> str | None:
    """A usable B-tree of the table, of all its rows, that begins with these (quoted) columns in any order."""
    table = table_facts(node, facts)
    for index in table.indexes if table is not None else ():
        first = {quote_identifier(column) for column in index.columns[: len(columns)] if column is not None}
        if index.method == "btree" and index.is_usable and index.predicate is None and first == set(columns):
            return index.name
    return None


def table_of(node: PlanNode, facts: SchemaFacts | None) -> str | None:
    """schema.table for ``Finding.table``; None without the schema."""
    table = table_facts(node, facts)
    return table.qualified_name if table is not None else table_node(node).table


def table_sql(node: PlanNode, facts: SchemaFacts | None = None) -> str | None:
    """The table as SQL names it: with its schema where that is known."""
    named = table_node(node)
    if named.relation_name is None:
        return None
    table = table_facts(node, facts)
    schema = table.schema if table is not None else named.schema
    return qualified(schema, named.relation_name) if schema else quote_identifier(named.relation_name)


def is_brin(node: PlanNode, facts: SchemaFacts | None) -> bool:
    """Whether a Bitmap Index Scan reads a BRIN index: by the schema, else by its name or by how it counts rows.

    BRIN gives whole pages, counts ten rows for each, and leaves the heap scan no exact page.
    """
    index = index_facts(node, facts)
    if index is not None:
        return index.method == "brin"
    if "brin" in (node.index_name or "").lower():
        return True
    blocks, rows = table_node(node).heap_blocks, node.total_actual_rows
    if blocks is None or not rows or blocks.exact or rows % BRIN_ROWS_PER_PAGE:
        return False
    return blocks.lossy * BRIN_ROWS_PER_PAGE <= rows


def rows_removed(nodes: Sequence[PlanNode]) -> tuple[float, float, float]:
    """By Filter, of all together: least, as printed, and most rows that were kept."""
    removed = [node.total_rows_removed_by_filter_bounds or (0.0, 0.0) for node in nodes]
    kept = [node.total_actual_rows_bounds or (0.0, 0.0) for node in nodes]
    thrown = sum(node.total_rows_removed_by_filter or 0.0 for node in nodes)
    return sum(least for least, _ in removed), thrown, sum(most for _, most in kept)


def index_condition(node: PlanNode) -> Condition | None:
    """``Index Cond``; of a Bitmap Heap Scan the Recheck Cond, which says the same of all its indexes together."""
    return _read(node, "Recheck Cond" if node.node_type == "Bitmap Heap Scan" else "Index Cond")


def filter_condition(node: PlanNode) -> Condition | None:
    return _read(node, "Filter")


def _read(node: PlanNode, name: str) -> Condition | None:
    text = node.expression(name)
    read = None if text is None else read_condition(text)
    return None if read is None else of_table(read, table_node(node).alias)


def binds(condition: Condition | None) -> bool:
    """Whether an Index Cond narrows the scan at all: min() and max() put a bare IS NOT NULL there."""
    return condition is not None and any(c.operator != "IS NOT NULL" for c in condition.comparisons)


def share_ms(time_ms: float | None, part: float, whole: float) -> float | None:
    """``part`` of ``whole`` of a time."""
    return None if time_ms is None or whole <= 0 else time_ms * min(1.0, max(0.0, part / whole))
