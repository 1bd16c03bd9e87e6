"""Which index would bring a node's rows in the order of its sort keys: of one table, whose columns come as they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.checks.engine import Context
from analyzer.checks.new_index import NewKey, new_index
from analyzer.checks.scan import table_facts
from analyzer.findings import Fix
from analyzer.plans import PlanNode
from analyzer.plans.conditions import SortKey, read_condition, read_sort_key
from analyzer.plans.labels import JOINS
from analyzer.plans.scans import alias_in_query
from analyzer.plans.unions import is_union
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.schema.system_columns import SYSTEM_COLUMNS

SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Sample Scan", "Tid Scan")
PASS_ON = ("Gather", "Gather Merge", "Hash", "Materialize", "Memoize", "Sort", "Incremental Sort")
LEAVE_ROWS = ("Gather", "Gather Merge", "LockRows", "Result", "Subquery Scan", "Append", "Merge Append")
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
        return ", ".join([*map(quote_identifier, self.equal), *map(as_indexed, self.keys)])

    def fixes(self, context: Context) -> tuple[Fix, ...]:
        if not self.is_certain or self.of_partitions:
            return ()
        equal = tuple(NewKey(name, is_equal=True) for name in self.equal)
        return new_index(self.scan, (*equal, *map(_new_key, self.keys)), context)

    def exists(self, facts: SchemaFacts | None) -> bool:
        """Whether the table has it already, as far as the schema is known: then the planner had the choice."""
        table = table_facts(self.scan, facts)
        wanted = tuple(key.column.name for key in self.keys if key.column is not None)
        return table is not None and any(
            index.is_usable and index.predicate is None and _begins(index.columns, self.equal, wanted)
            for index in table.indexes
            if index.method == "btree"
        )


@dataclass(frozen=True, slots=True)
class SortInput:
    """Scans whose tables' rows reach a sort as they are; ``maker``: what makes its rows instead, where none does."""

    scans: tuple[PlanNode, ...]
    maker: PlanNode | None = None


def index_in_order(node: PlanNode) -> IndexInOrder | None:
    """For a Sort or Incremental Sort; None where its keys are of several tables, computed, or of an aggregate."""
    keys = sort_keys(node)
    columns = [key.column for key in keys or () if key.column is not None]
    if not keys or len(columns) < len(keys) or len({column.alias for column in columns}) > 1:
        return None
    if any(column.name in SYSTEM_COLUMNS for column in columns):
        return None
    scans = rows_below(node).scans
    scan = scan_of(columns[0].alias, scans)
    if scan is None:
        return None
    equal, all_equal = equal_columns(scan)
    names = {column.name for column in columns}
    return IndexInOrder(
        scan=scan,
        equal=tuple(name for name in equal if name not in names),
        keys=tuple(keys),
        is_certain=len(scans) == 1 and all_equal,
        of_partitions=_is_partition(scan),
    )


def sort_keys(node: PlanNode) -> list[SortKey] | None:
    """None where one cannot be read."""
    keys = [read_sort_key(text) for text in node.sort_keys or ()]
    return None if None in keys else [key for key in keys if key is not None]


def is_limited(node: PlanNode) -> bool:
    """Whether LIMIT takes the node's rows as they are."""
    above = node.parent if node.parent_relationship not in ("InitPlan", "SubPlan") else None
    while above is not None and above.node_type in LEAVE_ROWS and above.filter is None:
        above = above.parent if above.parent_relationship not in ("InitPlan", "SubPlan") else None
    return above is not None and above.node_type == "Limit"


def sorts_of_partitions(node: PlanNode) -> list[PlanNode]:
    """Those that sort a table's partitions one by one and ran: ``node`` and those like it."""
    above = node.parent
    if above is None or above.node_type not in ("Append", "Merge Append") or is_union(above):
        return [node]
    return [child for child in above.inputs if child.node_type == node.node_type and child.loops]


def scan_of(alias: str | None, scans: Sequence[PlanNode]) -> PlanNode | None:
    """The one whose columns a key names so; a key without a table's name is of the only one."""
    of_it = [scan for scan in scans if alias is None or alias in _aliases(scan)]
    return of_it[0] if len(of_it) == 1 and (alias is not None or len(scans) == 1) else None


def rows_below(node: PlanNode) -> SortInput:
    scans, waiting = [], list(node.inputs)
    while waiting:
        below = waiting.pop()
        if below.node_type in SCANS and below.relation_name:
            scans.append(below)
        elif below.node_type == "Append" and _are_partitions(below):
            scans.append(below.inputs[0])
        elif below.node_type in PASS_ON or (
            below.node_type in JOINS and below.join_type in ("Inner", "Semi", "Right Semi", None)
        ):
            waiting += below.inputs
        elif below.node_type in JOINS and below.join_type in ("Left", "Anti"):
            waiting += [child for child in below.inputs if child.parent_relationship == "Outer"]
        elif below.node_type in JOINS and below.join_type in ("Right", "Right Anti"):
            waiting += [child for child in below.inputs if child.parent_relationship == "Inner"]
        else:
            return SortInput((), below)
    return SortInput(tuple(scans))


def _are_partitions(append: PlanNode) -> bool:
    return bool(append.inputs) and not is_union(append) and all(c.node_type in SCANS for c in append.inputs)


def _is_partition(scan: PlanNode) -> bool:
    above = scan.parent
    if above is not None and above.node_type == "Sort":  # of each partition's own
        return len(sorts_of_partitions(above)) > 1
    return above is not None and above.node_type == "Append"


def _aliases(scan: PlanNode) -> tuple[str, ...]:
    """Under which sort keys may name its columns: of partitions also that of the query, without their number."""
    alias = scan.alias or scan.relation_name or ""
    return (alias, alias_in_query(scan)) if _is_partition(scan) else (alias,)


def equal_columns(scan: PlanNode) -> tuple[tuple[str, ...], bool]:
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
            is_known = comparison.other in ("constant", "parameter", "initplan")
            if wanted is not None and is_known and not comparison.names_collation:
                equal[wanted.name] = None
            else:
                complete = False
        complete = complete and condition is not None
    return tuple(equal), complete


def as_indexed(key: SortKey) -> str:
    """A key as CREATE INDEX takes it."""
    return _new_key(key).sql


def _new_key(key: SortKey) -> NewKey:
    assert key.column is not None
    return NewKey(key.column.name, direction(key))


def direction(key: SortKey) -> str:
    down = " DESC" if key.is_descending else ""
    nulls = "" if key.nulls_first == key.is_descending else f" NULLS {'FIRST' if key.nulls_first else 'LAST'}"
    return f"{down}{nulls}"


def _begins(columns: tuple[str | None, ...], equal: tuple[str, ...], keys: tuple[str, ...]) -> bool:
    first, rest = columns[: len(equal)], columns[len(equal) : len(equal) + len(keys)]
    return set(first) == set(equal) and rest == keys
