"""Hash join that put the larger of its two sides into memory.

Building a hash table costs more than looking rows up in it, and takes memory, so the smaller side should be built.
The larger one is built when its rows were estimated too low, or when the kind of join leaves no choice: up to 15 an
anti join (NOT EXISTS) and up to 17 a semi join (EXISTS, IN) always hash the inner side. To verify, compare the rows
of both sides. To fix it, mend the estimate (ANALYZE, extended statistics, ROWS of a function); for a forced side, a
newer PostgreSQL, or an index on the larger side's key, so that a Nested Loop asks for the few keys. Leave it alone
where the build takes little of the statement. The time is the building, less what building the other side in
proportion would have taken.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import below_same_rows, rounded, side
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.checks.scan import table_of, table_sql
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.cut_short import comparable
from analyzer.plans.estimates import estimate_of

FORCED = {"Anti": "a newer PostgreSQL (16) may hash the other side", "Semi": "PostgreSQL 18 may hash the other side"}

check = Check(
    __name__,
    code="PL036",
    title="Hash join built its hash table on the larger side",
    severity=Severity.WARNING,
    gives_way_to=("PL105",),
    side_ratio=Threshold(5, "hashed / probing rows", "judgement: below it building and probing cost about the same"),
    rows=Threshold(100_000, "rows", "measured: 10 ms and more to build, on PostgreSQL 13 to 18"),
    misestimate=Threshold(3, "actual / planned rows", "judgement: less does not turn the sides around"),
)


@check.on(Plan)
def hash_on_larger_side(plan: Plan, context: Context) -> Iterator[Finding]:
    joins = [node for node in plan if node.node_type == "Hash Join" and node.loops and _is_larger(node)]
    if not joins:
        return
    known = comparable(plan)
    for join in joins:
        probing, hashed = side(join, "Outer"), side(join, "Inner")
        if probing is None or hashed is None or probing in known.stopped:
            continue
        built, estimate = below_same_rows(hashed), estimate_of(hashed)
        is_low = (
            estimate is not None and estimate.direction == "under" and estimate.least_factor >= check["misestimate"]
        )
        forced = FORCED.get(join.join_type or "")
        over = estimate_of(probing)
        is_high = over is not None and over.direction == "over" and over.least_factor >= check["misestimate"]
        if not (is_low or is_high or forced or join.join_type in ("Left", "Right", "Full")):
            continue  # as planned: a unique inner side or equal costs
        own_ms = own_time_ms(hashed)
        rows, few = _rows(hashed), _rows(probing)
        time_ms = None if own_ms is None else own_ms * (1 - few / rows)
        name = table_sql(built)
        fixes = (Fix("Statistics of the table as it is now", "sql", f"ANALYZE {name};"),) if is_low and name else ()
        if is_low:
            why = f"planned with {hashed.plan_rows:,.0f} rows, {built.label} gave {rows:,.0f}"
            hint = f"Mend the estimate of {built.label}: ANALYZE, extended statistics on dependent columns."
        elif is_high:
            why = f"the other side was planned with {probing.plan_rows:,.0f} rows and gave {few:,.0f}"
            hint = f"Mend the estimate of {probing.label}: ANALYZE, extended statistics on dependent columns."
        else:
            why = f"the join's kind ({join.join_type}) decided it" if forced else f"an outer join ({join.join_type})"
            hint = "An index on the key of the larger side lets a Nested Loop ask for the few keys instead" + (
                f"; {forced}." if forced else "."
            )
        yield check.finding(
            node=hashed,
            subject=hashed.label,
            message=(
                f"{join.label} hashed {rows:,.0f} rows of {built.label} to look up {few:,.0f} of the other side: {why}."
            ),
            hint=hint,
            evidence={
                **rounded(hashed_rows=rows, probing_rows=few, planned_hashed_rows=hashed.plan_rows),
                **time_evidence(time_ms, hashed),
            },
            level=EvidenceLevel.EXECUTED,
            fixes=fixes,
            time_ms=time_ms,
            run_time_ms=run_time_ms(hashed),
            table=table_of(built, context.facts),
        )


def _is_larger(join: PlanNode) -> bool:
    probing, hashed = side(join, "Outer"), side(join, "Inner")
    if probing is None or hashed is None or not hashed.loops or not probing.loops:
        return False
    rows = _rows(hashed)
    return rows >= check["rows"] and rows >= max(1.0, _rows(probing)) * check["side_ratio"]


def _rows(part: PlanNode) -> float:
    """Of one process, which builds its own table, or of all for a shared one, and for all lookups in it."""
    total = part.total_actual_rows or 0.0
    hashed = part if part.node_type == "Hash" else None
    join = part.parent
    if hashed is None and join is not None:
        hashed = side(join, "Inner")
    is_shared = hashed is not None and hashed.is_parallel_aware
    return total if is_shared else total / part.processes
