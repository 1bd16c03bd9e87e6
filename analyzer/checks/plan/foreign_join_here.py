"""Foreign table fetched whole to be joined on this server, where few of its rows are left.

Only a join of tables of one foreign server, under one user mapping and with conditions it can check, is sent there;
any other join fetches the rows and joins here. To verify, look at ``Remote SQL`` (EXPLAIN VERBOSE): it has no WHERE. To
fix it, bring both tables to one side; set ``use_remote_estimate`` so that the planner sees that asking for single keys
is cheaper; or send the keys, ``WHERE id = ANY (ARRAY(SELECT ...))``, which is a condition postgres_fdw sends. Leave it
alone where most fetched rows are wanted. The time is that of the foreign scan, in proportion to the rows that no row of
the result needed.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import below_same_rows, rounded
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.checks.scan import table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode

check = Check(
    __name__,
    code="PL022",
    title="Foreign table is fetched whole for a join",
    severity=Severity.WARNING,
    gives_way_to=("PL021",),
    rows_fetched=Threshold(1000, "rows", "judgement: ten fetches of postgres_fdw's default size"),
    fetched_ratio=Threshold(10, "fetched / joined", "judgement: below it most of the rows had to come anyway"),
)


@check.on(PlanNode, "Hash Join", "Merge Join", "Nested Loop")
def foreign_join_here(join: PlanNode, context: Context) -> Iterator[Finding]:
    joined = join.total_actual_rows_bounds
    if not join.loops or joined is None:
        return
    for child in join.children:
        scan = below_same_rows(child)
        fetched = scan.total_actual_rows_bounds
        if scan.node_type != "Foreign Scan" or fetched is None or not _is_whole(scan):
            continue
        if fetched[0] < check["rows_fetched"] or fetched[0] < max(1.0, joined[1]) * check["fetched_ratio"]:
            continue
        own_ms, rows = own_time_ms(scan), scan.total_actual_rows or 0.0
        left = join.total_actual_rows or 0.0
        time_ms = None if own_ms is None or not rows else own_ms * (1 - min(1.0, left / rows))
        yield check.finding(
            node=scan,
            subject=scan.label,
            message=f"{scan.label} fetched {rows:,.0f} rows for {join.label}, which gives {left:,.0f}.",
            hint=(
                "Let the other server choose the rows: send the keys, WHERE key = ANY (ARRAY(SELECT ...)), or set the"
                " foreign table's option use_remote_estimate, so that the planner may ask for single keys. A join of"
                " tables of one foreign server is done there."
            ),
            evidence={**rounded(rows_fetched=rows, rows_joined=left), **time_evidence(time_ms, scan)},
            level=EvidenceLevel.EXECUTED,
            time_ms=time_ms,
            run_time_ms=run_time_ms(scan),
            table=table_of(scan, context.facts),
        )


def _is_whole(scan: PlanNode) -> bool:
    """Nothing says that the other server filters or joins; without VERBOSE that may still be so."""
    remote = scan.expression("Remote SQL")
    if remote is not None:
        return " WHERE " not in remote and " LIMIT " not in remote and " JOIN " not in remote
    return scan.relation_name is not None and not any(name.startswith("Foreign ") for name in scan.raw)
