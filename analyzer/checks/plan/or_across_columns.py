"""Sequential scan whose condition is an OR over several columns.

One index cannot serve ``a = 1 OR b = 2``: PostgreSQL can use indexes only when every arm of the OR has one, and then
joins their results in a BitmapOr. With one arm left without index it reads the whole table. To verify, look at the
arms in the condition and at the table's indexes. To fix it, give each arm an index of its own; or write one query for
each arm and join them by UNION (which also drops duplicates; UNION ALL needs ``AND NOT (first arm)`` in the second, and
care where a column can be NULL). Leave it alone where an arm keeps much of the table, or where the table is small.
Scans of one table are one finding. The time is the scans' own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded
from analyzer.checks.new_index import NewKey, key_of, new_index
from analyzer.checks.node import own_time_ms, place, run_time_ms, shown, time_evidence
from analyzer.checks.rewrites import rewrites
from analyzer.checks.scan import index_that_begins_with, table_of
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.conditions import Comparison, read_condition
from analyzer.plans.scans import partitioned_table, scans_like
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.equivalents import OR

INDEXABLE = frozenset(("=", "<", "<=", ">", ">=", "= ANY", "IS NULL", "~~"))
EQUAL = frozenset(("=", "= ANY"))


@dataclass(frozen=True, slots=True)
class _Suspect:
    node: PlanNode
    either: str  # the OR, redacted
    columns: tuple[str, ...]  # one for each arm
    keys: tuple[NewKey, ...]  # of indexes that serve the arms; () where not each arm is one comparison


check = Check(
    __name__,
    code="PL017",
    title="OR over several columns reads the whole table",
    severity=Severity.WARNING,
    gives_way_to=("PL041",),
    rows_read=Threshold(10_000, "rows", "measured: cached, 0.4 to 1.1 ms on PostgreSQL 15"),
    kept_ratio=Threshold(0.10, "kept / read", "judgement: above it the scan is often right"),
)


@check.on(Plan)
def or_across_columns(plan: Plan, context: Context) -> Iterator[Finding]:
    by_table: dict[str | None, list[_Suspect]] = {}
    for node in plan:
        if node.node_type == "Seq Scan" and (suspect := _suspect(node)) is not None:
            by_table.setdefault(_table(node, context.facts), []).append(suspect)
    for suspects in by_table.values():
        yield _finding(suspects, context)


def _suspect(node: PlanNode) -> _Suspect | None:
    filter_, kept, read = node.filter, node.total_actual_rows_bounds, node.total_rows_scanned_bounds
    if not node.loops or filter_ is None or " OR " not in filter_ or kept is None or read is None:
        return None
    if read[0] < check["rows_read"] or kept[1] > read[0] * check["kept_ratio"]:
        return None
    condition = read_condition(filter_)
    if condition is None or any(_is_served(c) and c.operator in EQUAL for c in condition.comparisons):
        return None
    choices = [c.text for c in condition.comparisons if c.operator == "OR" and not c.is_negated]
    beside = any(_is_served(c) for c in condition.comparisons)
    served = (
        (text, arms, _columns(arms))
        for text, arms in zip(choices, condition.alternatives, strict=False)
        if not beside or all(any(_is_served(c) and c.operator in EQUAL for c in arm) for arm in arms)
    )  # of ranges in the arms and one beside them nobody knows which keeps few
    return next((_Suspect(node, text, names, _keys(arms)) for text, arms, names in served if names), None)


def _keys(arms: tuple[tuple[Comparison, ...], ...]) -> tuple[NewKey, ...]:
    keys = [key_of(comparison) for arm in arms for comparison in arm]
    by_name = {key.name: key for key in keys if key is not None}
    return () if None in keys or len(keys) > len(arms) else tuple(by_name.values())


def _table(node: PlanNode, facts: SchemaFacts | None) -> str | None:
    """What the scans of a table and of its partitions share; without the schema, by what the plan tells."""
    top = partitioned_table(node, facts)
    if top is not None:
        return top.qualified_name
    same = scans_like(node)
    return table_of(same[0], facts) or same[0].relation_name


def _finding(suspects: list[_Suspect], context: Context) -> Finding:
    """One for all scans of a table: of the first, which is the same on every run."""
    first = suspects[0].node
    nodes = [suspect.node for suspect in suspects]
    columns = tuple(dict.fromkeys(column for suspect in suspects for column in suspect.columns))
    time_ms = own_time_ms(*nodes)
    name = first.relation_name or "the table"
    scanned = sum(node.total_rows_scanned or 0 for node in nodes)
    kept = sum(node.total_actual_rows or 0 for node in nodes)
    who = first.label if len(nodes) == 1 else f"{first.label} and {len(nodes) - 1} more like it"
    return check.finding(
        node=first,
        subject=first.label,
        message=(
            f"{who} read {scanned:,.0f} rows to keep {kept:,.0f}: no single index can serve"
            f" {shown(suspects[0].either)}."
        ),
        hint=(
            f"Give each arm of the OR an index: {', '.join(f'{name} ({column})' for column in columns)}. PostgreSQL"
            " joins them in a BitmapOr, but only if no arm is without one. Or write a query for each arm and join them"
            " by UNION."
        ),
        evidence={
            **rounded(rows_read=scanned, rows_kept=kept),
            "arms": len(columns),
            **time_evidence(time_ms, first),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(first),
        table=table_of(first, context.facts),
        fixes=rewrites(context, OR) or _indexes(suspects, context),
        also_at=tuple(place(node) for node in nodes[1:]),
    )


def _indexes(suspects: list[_Suspect], context: Context) -> tuple[Fix, ...]:
    """One for each arm that has none; () where an arm cannot get one, because then the others are of no use."""
    first = suspects[0]
    fixes: list[Fix] = []
    for key in first.keys if len(suspects) == 1 else ():
        made = new_index(first.node, [key], context)
        if not made and index_that_begins_with(first.node, [quote_identifier(key.name)], context.facts) is None:
            return ()
        fixes += made
    return tuple(fixes)


def _is_served(comparison: Comparison) -> bool:
    """Whether a B-tree on one column could serve it."""
    plain = comparison.column is not None and not comparison.is_negated and not comparison.leading_wildcard
    return plain and comparison.operator in INDEXABLE and comparison.other in ("constant", "parameter", "initplan",
                                                                               "nothing")  # fmt: skip


def _columns(arms: tuple[tuple[Comparison, ...], ...]) -> tuple[str, ...] | None:
    """For each arm the column an index could have; None where one arm has none, or all have the same."""
    names: list[str] = []
    of_arms = [{c.column.name for c in arm if c.column is not None and _is_served(c)} for arm in arms]
    if not all(of_arms) or set.intersection(*of_arms):
        return None
    for arm in arms:
        first = sorted((c for c in arm if _is_served(c)), key=lambda c: c.operator not in EQUAL)[0]
        if first.column is not None and first.column.name not in names:
            names.append(first.column.name)
    return tuple(names) if len(names) > 1 else None
