"""Which Append is of a UNION in the statement, and which of a partitioned table."""

from analyzer.plans.labels import GENERATED_SUFFIX
from analyzer.plans.node import PlanNode

ONE_TABLE = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan", "Sample Scan", "Foreign Scan")


def is_union(node: PlanNode) -> bool:
    """Whether an Append puts the arms of a UNION together.

    A table's partitions, or what inherits from it, are scanned under the alias of the query with a number each; arms
    that happen to look so (``t_1``, ``t_2``) are taken for partitions.
    """
    if node.node_type not in ("Append", "Merge Append"):
        return False
    scans = [_scan(child) for child in node.inputs]
    aliases = [scan.alias or "" for scan in scans if scan is not None]
    relations = {scan.relation_name for scan in scans if scan is not None}
    numbered = {GENERATED_SUFFIX.sub("", alias) for alias in aliases if GENERATED_SUFFIX.search(alias)}
    are_partitions = (
        len(aliases) == len(scans) == len(relations) and len(numbered) == 1 and len(set(aliases)) == len(aliases)
    )
    return not (are_partitions and all(GENERATED_SUFFIX.search(alias) for alias in aliases))


def _scan(node: PlanNode) -> PlanNode | None:
    while node.node_type in ("Sort", "Result", "Incremental Sort") and len(node.inputs) == 1:
        node = node.inputs[0]
    return node if node.node_type in ONE_TABLE else None
