"""Nested Loop whose inner side ran far more often than planned.

A Nested Loop runs its inner side once for each row of its outer side: right for few rows, slow for many. Here many came
where the planner expected few, so another join may have been cheaper. To verify, compare rows and actual rows of the
outer side, and run the statement once with ``SET LOCAL enable_nestloop = off`` in a test session (never in production:
it switches off what is right elsewhere). To fix it, mend the estimate: ANALYZE; CREATE STATISTICS on columns that
depend on each other; ROWS of a function; where none of them helps, a subquery with OFFSET 0 around the inner table,
which is then read once. Leave it alone where the other plan is no faster. The time is that of all runs of the inner
side, without the subqueries of its conditions, less what reading the inner table once takes instead, where its rows are
known: nothing is said where that takes as long.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded, side, tables_below
from analyzer.checks.misestimated import mending, misestimates_of, other_join_ms
from analyzer.checks.node import place, run_time_ms, time_evidence, time_ratio
from analyzer.checks.scan import table_of, table_sql
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.conditions import read_condition
from analyzer.plans.cut_short import comparable
from analyzer.plans.estimates import Misestimate, estimate_of
from analyzer.plans.payers import without_subqueries_ms
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import cut_name, quote_identifier

check = Check(
    __name__,
    code="PL030",
    title="Nested Loop was planned for far fewer rows",
    severity=Severity.WARNING,
    reads_figures=True,
    gives_way_to=("PL019", "PL041", "PL071", "PL072", "PL107"),  # they know why, or of an index
    factor=Threshold(8, "actual / planned rows", "judgement: below ten, because both are drawn from a sample"),
    inner_runs=Threshold(1000, "runs", "judgement: fewer runs of an index scan take a millisecond or two"),
    time_ratio=Threshold(0.30, "what another join may save / execution time", "judgement"),
)


@check.on(Plan)
def nested_loop_underestimated(plan: Plan, context: Context) -> Iterator[Finding]:
    loops = [n for n in plan if n.node_type == "Nested Loop" and n.loops and _is_suspect(n)]
    if not loops:
        return
    known = comparable(plan)
    origins = misestimates_of(plan)
    for join in loops:
        outer, inner = side(join, "Outer"), side(join, "Inner")
        if outer is None or inner is None or not known.may_be_under(outer):
            continue
        once_ms = other_join_ms(inner, context.facts)
        if plan.has_timing and (time_ratio(_least_ms(inner, once_ms), join) or 0.0) < check["time_ratio"]:
            continue
        inner_ms = without_subqueries_ms(inner)
        time_ms = None if inner_ms is None else max(0.0, inner_ms - once_ms)
        estimate = estimate_of(outer)
        assert estimate is not None
        inside = {id(node) for node in outer.walk()}
        under = [m for m in origins if m.direction == "under"]
        wrong = next((m for m in under if id(m.node) in inside or any(s.node is join for s in m.sufferers)), None)
        origin = wrong.table_node if wrong is not None else outer
        fixes, hint = _mend(origin, wrong)
        if not fixes:
            hint += _once(inner, context.facts)
        yield check.finding(
            node=join,
            subject=join.label,
            message=(
                f"{join.label} was planned for {estimate.planned_rows:,.0f} rows of {outer.label} and got"
                f" {estimate.actual_rows:,.0f}, so {inner.label} ran {inner.loops or 0:,} times."
            ),
            hint=hint,
            evidence={
                **rounded(planned_rows=estimate.planned_rows, actual_rows=estimate.actual_rows, inner_runs=inner.loops),
                "estimate_factor": round(estimate.factor, 1),
                **time_evidence(time_ms, join),
            },
            level=EvidenceLevel.EXECUTED,
            fixes=fixes,
            time_ms=time_ms,
            run_time_ms=run_time_ms(join),
            table=table_of(origin, context.facts),
            also_at=(place(origin),),
        )


def _is_suspect(join: PlanNode) -> bool:
    outer, inner = side(join, "Outer"), side(join, "Inner")
    if outer is None or inner is None or (inner.loops or 0) < check["inner_runs"]:
        return False
    estimate = estimate_of(outer)
    return estimate is not None and estimate.direction == "under" and estimate.least_factor >= check["factor"]


def _least_ms(inner: PlanNode, once_ms: float) -> float | None:
    """Of all runs of the inner side, less what another join takes and what rounding a microsecond per run may add."""
    time_ms = without_subqueries_ms(inner)
    return None if time_ms is None else max(0.0, time_ms - once_ms - 0.0005 * (inner.loops or 0) / inner.processes)


def _once(inner: PlanNode, facts: SchemaFacts | None) -> str:
    """How this statement alone gets another join, where no statistics help."""
    scans = list(tables_below(inner))
    table = table_sql(scans[0], facts) if len(scans) == 1 else None
    if table is None:
        return ""
    alias = quote_identifier(scans[0].alias or scans[0].relation_name or "")
    return (
        f" For this statement alone, (SELECT * FROM {table} OFFSET 0) AS {alias} in FROM, its own conditions inside,"
        " keeps the planner from looking it up row by row: the subquery is read once."
    )


def _mend(origin: PlanNode, wrong: Misestimate | None) -> tuple[tuple[Fix, ...], str]:
    table = table_sql(origin)
    if table is None:
        if wrong is None:
            return (), f"Mend the estimate of {origin.label}, where it starts to be wrong."
        return (), f"{origin.label} is where it starts to be wrong. {mending(wrong)}"
    columns = _equal_columns(origin)
    analyze = Fix("Statistics of the table as it is now", "sql", f"ANALYZE {table};")
    if len(columns) < 2:
        return (analyze,), (
            f"The estimate of {origin.label} is wrong: ANALYZE {table}, and where that does not help, a higher"
            " statistics target for the column, or statistics on the expression compared."
        )
    names = ", ".join(quote_identifier(column) for column in columns)
    name = quote_identifier(cut_name(f"st_{'_'.join([origin.relation_name or '', *columns])}"))
    create = f"CREATE STATISTICS {name} (dependencies, mcv) ON {names} FROM {table}; ANALYZE {table};"
    return (analyze, Fix("Statistics on how the columns depend on each other", "sql", create)), (
        f"The estimate of {origin.label} is wrong: ANALYZE {table}; if {names} depend on each other, CREATE STATISTICS"
        " on them tells the planner."
    )


def _equal_columns(scan: PlanNode) -> tuple[str, ...]:
    """Columns of the scan's own table that are compared with values, at most eight (PostgreSQL's limit)."""
    names: dict[str, None] = {}
    for node in scan.walk():
        for text in node.conditions.values():
            condition = read_condition(text)
            for comparison in condition.comparisons if condition else ():
                is_equal = comparison.operator in ("=", "= ANY") and comparison.other in ("constant", "parameter")
                if comparison.column is not None and is_equal:
                    names[comparison.column.name] = None
    return tuple(names)[:8]
