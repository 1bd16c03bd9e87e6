"""Conditions on columns that depend on each other, planned as if they did not.

The planner multiplies what share of the rows each condition keeps. Where one column tells the other (a city its
country, a model its maker), far more rows pass than it plans, or far fewer where the values exclude each other; joins
above are then chosen for the wrong number. Extended statistics tell it: dependencies for conditions with =, mcv for
ranges and common combinations, too. To verify, look at the estimate after CREATE STATISTICS and ANALYZE. Leave it
alone where no node above would be planned otherwise (the finding is then informational), and where such statistics
exist already (\\dX in psql). What suffering nodes took is counted of the run's time, as an upper bound.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.misestimated import (
    cost_ms,
    loops_that_suffer,
    misestimate_evidence,
    misestimates_of,
    rows_in_words,
    statement_parameters,
)
from analyzer.checks.node import run_time_ms
from analyzer.checks.scan import table_sql
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.conditions import read_condition
from analyzer.plans.estimates import Misestimate
from analyzer.schema.quoting import cut_name, quote_identifier
from analyzer.words.lists import and_list

SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")
PLAIN = ("=", "<", "<=", ">", ">=", "= ANY", "IS NULL", "IS NOT NULL", "IS TRUE", "IS FALSE", "")
MOST_COLUMNS = 8  # the manual, CREATE STATISTICS: STATS_MAX_DIMENSIONS

check = Check(
    __name__,
    code="PL071",
    title="Correlated columns planned as independent",
    severity=Severity.WARNING,
    gives_way_to=("PL072", "PL075"),
    factor=Threshold(10, "actual / planned rows, or the other way", "judgement: below it plans seldom change"),
    rows=Threshold(1_000, "rows", "judgement: of fewer no plan is wrong by much"),
)


@check.on(Plan)
def correlated_columns(plan: Plan) -> Iterator[Finding]:
    by_columns: dict[tuple[str, ...], list[Misestimate]] = {}
    for wrong in misestimates_of(plan):
        node = wrong.table_node
        most = max(wrong.estimate.planned_rows, wrong.estimate.actual_rows) * (node.loops or 0)
        if node.node_type not in SCANS or wrong.factor < check["factor"] or most < check["rows"]:
            continue
        columns = _columns(plan, node)
        if len(columns) >= 2:
            by_columns.setdefault((node.relation_name or "", *sorted(columns)), []).append(wrong)
    for wrongs in by_columns.values():
        yield _finding(plan, wrongs)


def _finding(plan: Plan, wrongs: list[Misestimate]) -> Finding:
    """One for all scans of a table by the same columns: of the one that costs most, else of the most wrong one."""
    wrong = max(wrongs, key=lambda w: (cost_ms(w.sufferers) or 0.0, w.factor))
    node = wrong.table_node
    columns = _columns(plan, node)
    time_ms = cost_ms(wrong.sufferers)
    more = f" {len(wrongs) - 1} more of its scans went wrong so." if len(wrongs) > 1 else ""
    return check.finding(
        node=node,
        subject=node.label,
        message=(
            f"{node.label} {rows_in_words(wrong)}. The planner takes its conditions on {and_list(columns)} for"
            f" independent of each other.{more}"
        ),
        hint=f"Give it statistics of {and_list(columns)} together: where values depend, it then estimates right.",
        evidence=misestimate_evidence(wrong, time_ms),
        level=EvidenceLevel.EXECUTED,
        severity=Severity.WARNING if wrong.sufferers else Severity.INFO,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=node.table,
        fixes=(_fix(node, columns),),
        also_at=loops_that_suffer(wrongs),
    )


def _columns(plan: Plan, node: PlanNode) -> list[str]:
    """Those compared as they are with something known, all by AND; none where anything else is asked as well."""
    columns: dict[str, None] = {}
    texts = [text for name, text in node.conditions.items() if name != "Order By"]
    for text in dict.fromkeys(texts):
        condition = read_condition(text)
        if condition is None or statement_parameters(plan, condition.parameters):
            return []
        for comparison in condition.comparisons:
            is_known = comparison.other in ("constant", "nothing")
            if comparison.column is None or comparison.operator not in PLAIN or not is_known or comparison.is_negated:
                return []
            columns[comparison.column.name] = None
    return list(columns)[:MOST_COLUMNS]


def _fix(node: PlanNode, columns: list[str]) -> Fix:
    name = cut_name("_".join(["st", node.relation_name or "", *columns]))
    schema = f"{quote_identifier(node.schema)}." if node.schema else ""
    on, table = ", ".join(map(quote_identifier, columns)), table_sql(node)
    return Fix(
        "Statistics of the columns together",
        "sql",
        f"CREATE STATISTICS {schema}{quote_identifier(name)} (dependencies, mcv) ON {on} FROM {table};\n"
        f"ANALYZE {table};",
    )
