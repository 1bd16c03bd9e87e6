"""A condition converts a column to another type for every row, so an index on the column cannot serve it.

Where a number is compared with a value of a wider type (an integer column with a numeric parameter), PostgreSQL turns
the column into that type, row by row, and no index on the column fits. The cure is the parameter's type: pass an
integer, or cast the value instead (``n = 4711.0::int``). ``t::date = d`` is better said as ``t >= d AND t < d + 1``,
``id::text = '5'`` as ``id = 5``. To verify, look for Index Cond in the plan after the change.

A cast of varchar to text is printed too, but computes nothing and does no harm; without the schema a cast to text is
not judged. It speaks only of sequential scans that read many rows and keep few. Leave it alone where the statement is a
rare report. The time is the scan's own, as much of it as the rows thrown away are of those read.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms, shown, time_evidence
from analyzer.checks.rewrites import rewrites
from analyzer.checks.scan import filter_condition, share_ms, table_facts, whole_scan
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import Comparison
from analyzer.plans.indexable import BTREE, RELABELLED, compares_own_columns
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.statements.equivalents import RANGE

check = Check(
    __name__,
    code="PL015",
    title="Condition casts a column to another type",
    severity=Severity.WARNING,
    gives_way_to=("PL014", "PL016", "PL041"),
    rows_read=Threshold(10_000, "rows", "measured: cached, 0.4 to 1.1 ms on PostgreSQL 15"),
    kept_ratio=Threshold(0.10, "kept / read", "judgement: above it the scan is often right"),
)

NUMBERS = ("numeric", "float8", "float4", "int8", "int4", "int2")
TEXTS = ("text", "character varying", "name", "citext")
# of these the stored value is the same: nothing is computed
SAME_BYTES = (*RELABELLED, "oid", "regclass", "regproc", "regprocedure", "regtype", "regrole", "regnamespace", "varbit")
SPOKEN = {
    "float8": "double precision", "float4": "real", "int8": "bigint", "int4": "integer", "int2": "smallint",
    "timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone",
}  # fmt: skip


@check.on(PlanNode, "Seq Scan")
def cast_on_column(node: PlanNode, context: Context) -> Iterator[Finding]:
    if node.filter is None or "::" not in node.filter or node.rows_removed_by_filter is None:
        return
    whole = whole_scan(node, context.facts)
    if whole is None or not whole.scan.keeps_few(check["rows_read"], check["kept_ratio"]):
        return
    read, table = filter_condition(node), table_facts(node, context.facts)
    cast = next((c for c in read.comparisons if _hinders(c, table)), None) if read is not None else None
    if cast is None:
        return
    scan, column, to = whole.scan, cast.columns[0].name, SPOKEN.get(cast.casts[0], cast.casts[0])
    time_ms = share_ms(scan.certain_time_ms, scan.read - scan.kept, scan.read)
    facts = table.column(column) if table is not None else None
    own_type = f", which is {facts.type_name}," if facts is not None else ""
    index = _index_on(column, table)
    cannot = f"so {index} cannot serve it" if index else f"so an index on {column} cannot serve it"
    yield check.finding(
        subject=whole.scans.subject,
        message=(
            f"{whole.scans.subject} read {scan.read:,.0f} rows to keep {scan.kept:,.0f}: {shown(cast.text, 200)} turns"
            f" {column}{own_type} into {to} for each of them, {cannot}."
        ),
        hint=_hint(cast, column, to, facts, index),
        evidence={"rows_read": round(scan.read), "rows_kept": round(scan.kept), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=whole.scans.table,
        fixes=rewrites(context, RANGE),
    )


def _hinders(comparison: Comparison, table: TableFacts | None) -> bool:
    if not comparison.casts or comparison.functions or comparison.operators or len(comparison.columns) != 1:
        return False
    if comparison.operator not in BTREE or comparison.operator in ("IS NULL", "IS NOT NULL"):
        return False
    if comparison.is_negated or comparison.other == "subplan" or compares_own_columns(comparison):
        return False
    if comparison.casts[0] not in SAME_BYTES:
        return True
    facts = table.column(comparison.columns[0].name) if table is not None else None
    if facts is None or comparison.casts[0] not in RELABELLED:
        return False
    return not (facts.declared_type or facts.type_name).startswith(TEXTS)


def _index_on(column: str, table: TableFacts | None) -> str | None:
    indexes = table.indexes if table is not None else ()
    return next((i.name for i in indexes if i.columns and i.columns[0] == column and i.is_usable), None)


def _hint(cast: Comparison, column: str, to: str, facts: ColumnFacts | None, index: str | None) -> str:
    served = f"{index} serves that" if index else f"an index on {column} serves that"
    if to == "date":
        return f"Say it as a range of the bare column: {column} >= day AND {column} < day + 1; {served}."
    if cast.casts[0] in NUMBERS:
        as_type = facts.type_name if facts is not None else "the column's own type"
        return (
            f"Pass the value as {as_type}, or cast the value instead of the column; {served}. Often a client binds"
            " every number as numeric or double precision."
        )
    if to == "text" and facts is not None:
        return f"Compare {column} with a value of its own type, {facts.type_name}, instead of its text; {served}."
    return (
        f"Compare {column} with a value of its own type; {served}. Where the conversion is wanted, an index on the"
        " expression serves it, if it is IMMUTABLE."
    )
