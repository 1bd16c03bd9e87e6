"""Which index would bring a node's rows in the order of its sort keys: of one table, whose columns come as they are."""

from dataclasses import dataclass

from analyzer.checks.scan import table_facts, table_sql
from analyzer.findings import Fix
from analyzer.plans import PlanNode
from analyzer.plans.conditions import SortKey, read_condition, read_sort_key
from analyzer.plans.scans import alias_in_query
from analyzer.plans.unions import is_union
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import quote_identifier

SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Sample Scan", "Tid Scan")
PASS_ON = ("Gather", "Gather Merge", "Hash", "Materialize", "Memoize", "Sort", "Incremental Sort")
LEAVE_ROWS = ("Gather", "Gather Merge", "LockRows", "Result")
CONDITIONS = ("Index Cond", "Filter")  # Recheck Cond repeats what its Bitmap Index Scans look for


@dataclass(frozen=True, slots=True)
class IndexInOrder:
    """An index whose rows come as they are to be sorted: first the columns that are equal in all of them."""

    scan: PlanNode  # of its table
    equal: tuple[str, ...]  # columns compared with = by the scan
    keys: tuple[SortKey, ...]
    is_certain: bool  # one table alone, and no condition but the equal ones
    of_partitions: bool = False  # ``scan`` is the first of them

    @property
    def table(self) -> str:
        name = self.scan.relation_name or ""
        return f"the partitioned table of {name}" if self.of_partitions else name

    @property
    def columns(self) -> str:
        """As CREATE INDEX takes them: ``status, created_at DESC``."""
        return ", ".join([*map(quote_identifier, self.equal), *map(_as_indexed, self.keys)])

    @property
    def fixes(self) -> tuple[Fix, ...]:
        if not self.is_certain or self.of_partitions:
            return ()
        code = f"CREATE INDEX CONCURRENTLY ON {table_sql(self.scan)} ({self.columns});"
        return (Fix(f"An index on {self.table} in the order that is asked for", "sql", code),)

    def exists(self, facts: SchemaFacts | None) -> bool:
        """Whether the table has it already, as far as the schema is known: then the planner had the choice."""
        table = table_facts(self.scan, facts)
        wanted = tuple(key.column.name for key in self.keys if key.column is not None)
        return table is not None and any(
            index.is_usable and index.predicate is None and _begins(index.columns, self.equal, wanted)
            for index in table.indexes
            if index.method == "btree"
        )


def index_in_order(node: PlanNode) -> IndexInOrder | None:
    """For a Sort or Incremental Sort; None where its keys are of several tables, computed, or of an aggregate."""
    texts = node.raw.get("Sort Key")
    keys = [read_sort_key(text) for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
    columns = [key.column for key in keys if key is not None and key.column is not None]
    if not keys or len(columns) < len(keys) or len({column.alias for column in columns}) > 1:
        return None
    scans = _scans(node)
    alias = columns[0].alias
    of_it = [scan for scan in scans or () if alias is None or alias in _aliases(scan)]
    if not scans or len(of_it) != 1 or (alias is None and len(scans) > 1):
        return None
    scan = of_it[0]
    equal, all_equal = _equal_columns(scan)
    names = {column.name for column in columns}
    return IndexInOrder(
        scan=scan,
        equal=tuple(name for name in equal if name not in names),
        keys=tuple(key for key in keys if key is not None),
        is_certain=len(scans) == 1 and all_equal,
        of_partitions=_is_partition(scan),
    )


def is_limited(node: PlanNode) -> bool:
    """Whether LIMIT takes the node's rows as they are."""
    above = node.parent if node.parent_relationship not in ("InitPlan", "SubPlan") else None
    while above is not None and above.node_type in LEAVE_ROWS:
        above = above.parent
    return above is not None and above.node_type == "Limit"


def _scans(node: PlanNode) -> list[PlanNode] | None:
    """The tables' scans whose rows reach the sort as they are; None where something else makes rows."""
    scans, waiting = [], list(node.inputs)
    while waiting:
        below = waiting.pop()
        if below.node_type in SCANS and below.relation_name:
            scans.append(below)
        elif below.node_type == "Append" and _are_partitions(below):
            scans.append(below.inputs[0])
        elif below.node_type in PASS_ON or (
            below.node_type in ("Nested Loop", "Hash Join", "Merge Join") and below.join_type in ("Inner", "Semi", None)
        ):
            waiting += below.inputs
        elif below.node_type in ("Nested Loop", "Hash Join", "Merge Join") and below.join_type in ("Left", "Anti"):
            waiting += [child for child in below.inputs if child.parent_relationship == "Outer"]
        else:
            return None
    return scans


def _are_partitions(append: PlanNode) -> bool:
    return bool(append.inputs) and not is_union(append) and all(c.node_type in SCANS for c in append.inputs)


def _is_partition(scan: PlanNode) -> bool:
    return scan.parent is not None and scan.parent.node_type == "Append"


def _aliases(scan: PlanNode) -> tuple[str, ...]:
    """Under which sort keys may name its columns: of partitions also that of the query, without their number."""
    alias = scan.alias or scan.relation_name or ""
    return (alias, alias_in_query(scan)) if _is_partition(scan) else (alias,)


def _equal_columns(scan: PlanNode) -> tuple[tuple[str, ...], bool]:
    """Columns that the scan wants equal to something known, and whether that is all it wants."""
    equal: dict[str, None] = {}
    complete = True
    bitmaps = [below for below in scan.walk() if below.node_type.startswith("Bitmap")]
    if any(bitmap.node_type == "BitmapOr" for bitmap in bitmaps):
        return (), False
    nodes = dict.fromkeys((scan, *bitmaps))
    for text in [text for of in nodes for key in CONDITIONS if (text := of.expression(key)) is not None]:
        condition = read_condition(text)
        for comparison in condition.comparisons if condition is not None else ():
            wanted = comparison.column if comparison.operator == "=" and not comparison.is_negated else None
            if wanted is not None and comparison.other in ("constant", "parameter", "initplan"):
                equal[wanted.name] = None
            else:
                complete = False
        complete = complete and condition is not None
    return tuple(equal), complete


def _as_indexed(key: SortKey) -> str:
    assert key.column is not None
    down = " DESC" if key.is_descending else ""
    nulls = "" if key.nulls_first == key.is_descending else f" NULLS {'FIRST' if key.nulls_first else 'LAST'}"
    return f"{quote_identifier(key.column.name)}{down}{nulls}"


def _begins(columns: tuple[str | None, ...], equal: tuple[str, ...], keys: tuple[str, ...]) -> bool:
    first, rest = columns[: len(equal)], columns[len(equal) : len(equal) + len(keys)]
    return set(first) == set(equal) and rest == keys
