"""A condition computes something of a column for every row, so an index on the column cannot serve it.

``lower(email) = 'x'``, ``date_trunc('day', t) = d``, ``a + 1 = 5``: an index holds the column's values, not what is
computed of them. Either say the condition of the bare column (``t >= d AND t < d + interval '1 day'``, ``a = 4``), or
index the expression itself, which PostgreSQL allows where all its functions are IMMUTABLE; what depends on the
session's time zone is not. To verify, look for Index Cond in the plan after the change.

It speaks only of sequential scans that read many rows and keep few, and of no filter that compares another column for
equality as it is: an index on that one may do. Leave it alone where the statement is a rare report. The time is the
scan's own, as much of it as the rows thrown away are of those read.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.new_index import NewKey, is_narrow, is_text, new_index
from analyzer.checks.node import run_time_ms, shown, time_evidence
from analyzer.checks.rewrites import otherwise
from analyzer.checks.scan import filter_condition, share_ms, whole_scan
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import Comparison, Condition
from analyzer.plans.indexable import BTREE, RELABELLED, compares_own_columns, indexable, wrapped_side
from analyzer.statements.equivalents import INTERVAL, RANGE

check = Check(
    __name__,
    code="PL014",
    title="Condition computes something of a column",
    severity=Severity.WARNING,
    gives_way_to=("PL016", "PL041"),
    rows_read=Threshold(10_000, "rows", "measured: cached, 0.4 to 1.1 ms on PostgreSQL 15"),
    kept_ratio=Threshold(0.10, "kept / read", "judgement: above it the scan is often right"),
)

ARITHMETIC = ("+", "-", "*", "/")
PARTS = ("date_part", "extract")
SPANS = ("date_trunc", "to_char", "date", *PARTS)
PREFIX = ("substring", "substr", "left")
NOT_INDEXABLE = ("random", "clock_timestamp", "now", "nextval")


@check.on(PlanNode, "Seq Scan")
def function_on_column(node: PlanNode, context: Context) -> Iterator[Finding]:
    if node.filter is None or node.rows_removed_by_filter is None:
        return
    whole = whole_scan(node, context.facts)
    if whole is None or not whole.scan.keeps_few(check["rows_read"], check["kept_ratio"]):
        return
    read = filter_condition(node)
    wrapped = next((c for c in read.comparisons if _is_wrapped(c)), None) if read is not None else None
    if read is None or wrapped is None or indexable(read).equal:  # an index on that column may be what is missing
        return
    scan = whole.scan
    time_ms = share_ms(scan.certain_time_ms, scan.read - scan.kept, scan.read)
    column, written = wrapped.columns[0].name, otherwise(context, INTERVAL, RANGE, condition=read)
    yield check.finding(
        subject=whole.scans.subject,
        message=(
            f"{whole.scans.subject} read {scan.read:,.0f} rows to keep {scan.kept:,.0f}: {shown(wrapped.text, 200)}"
            f" computes {wrapped_side(wrapped)} for each of them, so an index on {column} cannot serve it."
        ),
        hint=_hint(
            wrapped, (node.relation_name or "the table") if not whole.scans.are_partitions else "the partitioned table"
        )
        + written.why_not,
        evidence={"rows_read": round(scan.read), "rows_kept": round(scan.kept), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=whole.scans.table,
        fixes=written.fixes or (() if whole.scans.are_partitions else new_index(node, _keys(wrapped, read), context)),
    )


def _keys(wrapped: Comparison, read: Condition) -> tuple[NewKey, ...]:
    """lower() and upper() of a column that is compared by equality and by nothing else."""
    is_case = wrapped.functions in (("lower",), ("upper",)) and not wrapped.operators
    if not is_case or wrapped.operator not in ("=", "= ANY") or len(read.comparisons) > 1 or len(wrapped.columns) > 1:
        return ()
    if not RELABELLED.issuperset(wrapped.casts):
        return ()
    return (
        NewKey(
            wrapped.columns[0].name,
            is_equal=True,
            is_narrow=is_narrow(wrapped),
            is_text=is_text(wrapped),
            function=wrapped.functions[0],
        ),
    )


def _is_wrapped(comparison: Comparison) -> bool:
    if not (comparison.functions or comparison.operators) or not comparison.columns:
        return False
    if comparison.operator not in BTREE and not (comparison.operator == "~~" and not comparison.leading_wildcard):
        return False
    if comparison.operator in ("IS NULL", "IS NOT NULL") or set(comparison.functions) & set(NOT_INDEXABLE):
        return False
    return not comparison.is_negated and comparison.other != "subplan" and not compares_own_columns(comparison)


def _hint(wrapped: Comparison, table: str) -> str:
    column, side = wrapped.columns[0].name, wrapped_side(wrapped)
    functions, operators = set(wrapped.functions), wrapped.operators
    index = f"an index on {table} ({side if side.startswith('(') else f'({side})'})"
    if "timezone" in functions:
        return (
            f"Convert the value instead of the column: {column} compared with value AT TIME ZONE ... can use an index."
        )
    if functions & set(SPANS):
        span = f"a range of the bare column: {column} >= start AND {column} < end, which an index on {column} serves"
        if functions & set(PARTS):
            return (
                f"A year can be said as {span}. Of a part that comes again, as an hour, a weekday, {index} serves it,"
                f" where {column} has no time zone."
            )
        return f"Say it as {span}."
    if functions & set(PREFIX) and not operators:
        return (
            f"A prefix can be said as {column} LIKE 'abc%', which an index with text_pattern_ops serves; else {index}."
        )
    if "coalesce" in functions:
        return f"Where what is asked for is not the default, {column} = value says the same; else {index} serves it."
    if not functions and operators and set(operators) <= set(ARITHMETIC):
        return f"Move the arithmetic to the other side: an index on {column} serves it once the column stands alone."
    if "case" in functions:
        return f"Say which values of {column} are meant as a plain comparison, instead of CASE; else {index} serves it."
    if set(operators) & {"->>", "->", "#>>", "#>"}:
        return (
            f"{index[0].upper()}{index[1:]} serves it; of many keys of one document a GIN index with jsonb_path_ops"
            f" does, asked with {column} @> '{{...}}'."
        )
    if wrapped.operator == "~~":
        index = f"{index[:-1]} text_pattern_ops)"
    return f"{index[0].upper()}{index[1:]} serves it, where its functions are IMMUTABLE."
