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
from analyzer.schema.quoting import cut_name, quote_identifier

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
    hint = (
        f"The planner takes {keys} for fewer different values than there are: ANALYZE the table{of}, or set the"
        " column's n_distinct (ALTER TABLE ... ALTER COLUMN ... SET (n_distinct = ...))."
    )
    if (several := _statistics_of_several(node)) is not None:
        fixes = (Fix("Statistics of the columns together", "sql", several),)
        hint = (
            "The planner takes several columns together for a tenth of the table's rows at most, or for as many values"
            " as one of them has, unless CREATE STATISTICS (ndistinct) on them tells it how many they have."
        )
    yield check.finding(
        subject=node.label,
        message=f"Memoize on {keys} was asked {hits + misses:,} times and found {hits:,} of the keys.",
        hint=hint,
        evidence={"cache_hits": hits, "cache_misses": misses, **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        fixes=fixes,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
    )


def key_source(node: PlanNode) -> tuple[PlanNode, str] | None:
    """The scan that the one cached key comes from, and its column; None where the plan does not tell."""
    source = _sources(node)
    return (source[0], source[1][0]) if source is not None and len(source[1]) == 1 else None


def _sources(node: PlanNode) -> tuple[PlanNode, tuple[str, ...]] | None:
    """The one scan that all cached keys come from, and their columns."""
    read = [read_condition(key) for key in (node.expression("Cache Key") or "").split(", ")]
    columns = [column for condition in read if condition is not None for column in condition.columns]
    outer = side(node.parent, "Outer") if node.parent is not None else None
    if outer is None or len(columns) != len(read) or len({column.alias for column in columns}) != 1:
        return None
    scans = [scan for scan in tables_below(outer) if columns[0].alias in (scan.alias, None)]
    return (scans[0], tuple(column.name for column in columns)) if len(scans) == 1 else None


def _statistics_of_several(node: PlanNode) -> str | None:
    source = _sources(node)
    if source is None or len(source[1]) == 1:
        return None
    scan, columns = source
    table, names = table_sql(scan), ", ".join(map(quote_identifier, columns))
    name = quote_identifier(cut_name(f"st_{scan.relation_name}_{'_'.join(columns)}"))
    return f"CREATE STATISTICS {name} (ndistinct) ON {names} FROM {table}; ANALYZE {table};"
