"""Wrong number of rows planned on a table that changed much since it was last analysed.

The planner knows the table as it was at the last ANALYZE. After a load, or where autovacuum does not keep up, new
values are missing from its statistics and it plans for hardly any rows of them. ANALYZE takes seconds and blocks
nobody. To verify, look at last_analyze and n_mod_since_analyze in pg_stat_user_tables. For a table that changes in
bursts, let autovacuum analyse it sooner, or run ANALYZE at the end of the load. Leave it alone where the table is
emptied and filled all the time: then analyse it within the same job. What suffering nodes took is counted of the
run's time, as an upper bound; without any the finding is informational.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, NotRun, Threshold
from analyzer.checks.misestimated import cost_ms, loops_that_suffer, misestimates_of, rows_in_words
from analyzer.checks.node import run_time_ms
from analyzer.checks.scan import table_facts
from analyzer.findings import Finding, Fix, Quantity, Severity
from analyzer.plans import Plan
from analyzer.plans.estimates import Misestimate
from analyzer.plans.scans import partitioned_table
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified

check = Check(
    __name__,
    code="PL072",
    title="Planned with stale statistics",
    severity=Severity.WARNING,
    reads_figures=True,
    gives_way_to=("PL075",),
    factor=Threshold(10, "actual / planned rows, or the other way", "judgement: below it plans seldom change"),
    changed_ratio=Threshold(0.10, "rows changed / rows", "manual: autovacuum_analyze_scale_factor, its default"),
    changed_rows=Threshold(1_000, "rows", "judgement: a table of fewer is cheap in any plan"),
    rows=Threshold(1_000, "rows", "judgement: of fewer no plan is wrong by much"),
)
LIKELY_FACTOR = (
    100  # judgement: wrong by so much, old statistics are a likely cause, and it is said that they are unknown
)


@check.on(Plan)
def stale_statistics(plan: Plan, context: Context) -> Iterator[Finding]:
    by_table: dict[int, tuple[TableFacts, list[Misestimate]]] = {}
    for wrong in misestimates_of(plan):
        node = wrong.table_node
        most = max(wrong.estimate.planned_rows, wrong.estimate.actual_rows) * (node.loops or 0)
        if not node.relation_name or wrong.factor < check["factor"] or (most < check["rows"] and not wrong.sufferers):
            continue
        if context.facts is None:
            if wrong.factor >= LIKELY_FACTOR and wrong.sufferers:
                raise NotRun("needs the schema, to tell how much of the table changed since it was last analysed")
            continue
        table = table_facts(node, context.facts)
        if table is not None and _is_stale(table):
            whole = partitioned_table(node, context.facts) or table
            by_table.setdefault(whole.oid, (whole, []))[1].append(wrong)
    for table, wrongs in by_table.values():
        yield _finding(table, wrongs, context)


def _finding(table: TableFacts, wrongs: list[Misestimate], context: Context) -> Finding:
    """One for a table, or for all partitions of it: of the scan that costs most, else of the most wrong one."""
    wrong = max(wrongs, key=lambda w: (cost_ms(w.sufferers) or 0.0, w.factor))
    node = wrong.table_node
    scanned = table_facts(node, context.facts) or table
    costs = [ms for w in wrongs if (ms := cost_ms(w.sufferers)) is not None]
    time_ms = sum(costs) if costs else None
    others = len({w.table_node.relation_name for w in wrongs}) - 1
    more = f" {others} more partition{'s' if others > 1 else ''} of {table.name} are so, too." if others > 0 else ""
    evidence: dict[str, Quantity] = {
        "planned_rows": round(wrong.estimate.planned_rows),
        "actual_rows": round(wrong.estimate.actual_rows),
        "estimate_factor": round(wrong.factor, 1),
        "modified_since_analyze": scanned.activity.modified_since_analyze,
        "suffering_ms": None if time_ms is None else round(time_ms, 3),
    }
    sql = qualified(table.schema, table.name)
    one = qualified(scanned.schema, scanned.name)
    return check.finding(
        node=node,
        subject=node.label,
        message=f"{node.label} {rows_in_words(wrong)}. {_why(scanned)}{more}",
        hint="ANALYZE the table now, and after each load; or let autovacuum analyse it after fewer changes.",
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        severity=Severity.WARNING if costs else Severity.INFO,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table.qualified_name,
        also_at=loops_that_suffer(wrongs),
        fixes=(
            Fix("Fresh statistics", "sql", f"ANALYZE {sql};"),
            Fix(
                "Analyse it after 2 % of its rows changed, not 10 %",
                "sql",
                f"ALTER TABLE {one} SET (autovacuum_analyze_scale_factor = 0.02);",
            ),
        ),
    )


def _is_stale(table: TableFacts) -> bool:
    if table.rows is None:
        return True
    changed = table.activity.modified_since_analyze
    return changed >= check["changed_rows"] and changed >= table.rows * check["changed_ratio"]


def _why(table: TableFacts) -> str:
    if table.rows is None:
        return f"{table.qualified_name} was never analysed."
    then = f"when it had {table.rows:,.0f} rows" if table.rows else "when it was empty, or never analysed"
    return (
        f"{table.activity.modified_since_analyze:,} rows of {table.qualified_name} were inserted, updated or deleted"
        f" since its last ANALYZE, {then}."
    )
