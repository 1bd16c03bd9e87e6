"""Memoize that keeps rows which are hardly asked for again.

Memoize keeps the inner side's rows by key, in the hope that keys repeat. Where nearly every key is new, it only adds
work to the Nested Loop, and the planner chose that join because it counted on hits: it took the keys for few. To
verify, compare hits and misses, and count the distinct keys. To fix it, ANALYZE the table the keys come from, raise
the column's statistics target, or set the number by hand: ``ALTER TABLE ... ALTER COLUMN ... SET (n_distinct =
-0.5)`` (a share of the rows). Leave it alone where the statement is fast. The time is Memoize's own; where the join
itself was the wrong choice more can be saved.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.joins import side, tables_below
from analyzer.checks.node import own_time_ms, run_time_ms, shown_keys, time_evidence
from analyzer.checks.scan import table_sql
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import read_condition

check = Check(
    __name__,
    code="PL038",
    title="Memoize hardly finds a key again",
    severity=Severity.INFO,
    gives_way_to=("PL039",),
    hit_ratio=Threshold(0.30, "hits / lookups", "judgement: fewer hits hardly pay for the cache"),
    lookups=Threshold(1000, "lookups", "judgement: fewer cost little either way"),
)


@check.on(PlanNode, "Memoize")
def memoize_misses(node: PlanNode) -> Iterator[Finding]:
    caches = node.memoizes if node.loops else ()
    hits, misses = sum(cache.hits for cache in caches), sum(cache.misses for cache in caches)
    if hits + misses < check["lookups"] or hits >= (hits + misses) * check["hit_ratio"]:
        return
    time_ms = own_time_ms(node)
    keys = shown_keys(node, "Cache Key") or "its key"
    source = key_source(node)
    table = table_sql(source[0]) if source is not None else None
    fixes = (Fix("Statistics of the table the keys come from", "sql", f"ANALYZE {table};"),) if table else ()
    of = f" of {table}" if table else ""
    yield check.finding(
        subject=node.label,
        message=f"Memoize on {keys} was asked {hits + misses:,} times and found {hits:,} of the keys.",
        hint=(
            f"The planner takes {keys} for fewer different values than there are: ANALYZE the table{of}, or set the"
            " column's n_distinct (ALTER TABLE ... ALTER COLUMN ... SET (n_distinct = ...))."
        ),
        evidence={"cache_hits": hits, "cache_misses": misses, **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        fixes=fixes,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
    )


def key_source(node: PlanNode) -> tuple[PlanNode, str] | None:
    """The scan that the one cached key comes from, and its column; None where the plan does not tell."""
    keys = node.expression("Cache Key")
    condition = read_condition(keys) if keys else None
    if condition is None or len(condition.columns) != 1 or node.parent is None:
        return None
    column, outer = condition.columns[0], side(node.parent, "Outer")
    if outer is None:
        return None
    scans = [scan for scan in tables_below(outer) if column.alias in (scan.alias, None)]
    return (scans[0], column.name) if len(scans) == 1 else None
