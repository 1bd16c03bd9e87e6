"""Planning takes longer than running the statement.

Planning pays for each table, index and partition that the statement might touch, and grows fast with the number of
joins. A prepared statement is planned a few times and then keeps its plan; conditions on the partition key, fewer
partitions and fewer indexes shorten each planning. A session's first plan on a table also reads the catalog into its
own cache: blocks counted under "Planning" tell so, and a connection pool pays that once. To verify, run EXPLAIN twice
in one session: the second time is what remains. Leave it alone for rare statements. All of the planning time is
counted where the session had planned on these tables before; a new session's says nothing of those of the application,
so it is a note without a time. It is never critical, for most of it is gone once a plan or the catalog's cache is kept.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import Plan
from analyzer.words.durations import time_words

MANY_PARTITIONS = 20  # judgement: so many tables in one plan are partitions, seldom joins

check = Check(
    __name__,
    code="PL073",
    title="Planning takes longer than running",
    severity=Severity.WARNING,
    planning=Threshold(5, "ms", "judgement: below it a statement matters only by its calls"),
    cold_planning=Threshold(
        50, "ms", "judgement: filling the catalog cache of a new session for a few tables takes less"
    ),
    cold_blocks=Threshold(
        20, "blocks / table", "measured: 2 to 19 in a session that planned it before, 60 to 130 in a new one, 18"
    ),
)


@check.on(Plan)
def planning_takes_long(plan: Plan, context: Context) -> Iterator[Finding]:
    planning_ms, run_ms = plan.planning_time_ms, plan.execution_time_ms
    if planning_ms is None or run_ms is None or planning_ms < check["planning"]:
        return
    if planning_ms < max(run_ms, context.mean_exec_time_ms or 0.0):
        return
    blocks = plan.planning_buffers.shared_touched_blocks if plan.planning_buffers is not None else None
    tables = sum(node.relation_name is not None for node in plan)
    is_cold = blocks is None or blocks >= check["cold_blocks"] * max(1, min(tables, MANY_PARTITIONS))
    if is_cold and planning_ms < check["cold_planning"]:
        return
    catalog = (
        f" In it {blocks:,} blocks of the catalog were looked at: the session that ran this plan had not planned on"
        " these tables before; one that had plans faster."
        if is_cold and blocks is not None
        else ""
    )
    evidence: dict[str, Quantity] = {
        "planning_time_ms": round(planning_ms, 3),
        "execution_time_ms": round(run_ms, 3),
        "tables_in_plan": tables,
        "planning_blocks": blocks,
    }
    yield check.finding(
        subject="Planning",
        message=(
            f"Planning took {time_words(planning_ms)}, running {time_words(run_ms)}; the plan names {tables:,}"
            f" table{'s' if tables != 1 else ''} or partitions.{catalog}"
        ),
        hint=(
            f"{_fewer_partitions(tables)}Use a prepared statement, which keeps its plan"
            f"{', and a connection pool, whose sessions keep the catalog' if is_cold else ''}."
        ),
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        time_ms=None if catalog else planning_ms,
        run_time_ms=planning_ms + run_ms,
        at_most=Severity.INFO if catalog else Severity.WARNING,
    )


def _fewer_partitions(tables: int) -> str:
    if tables < MANY_PARTITIONS:
        return ""
    return (
        "Name the partition key in the conditions of every partitioned table, so that few partitions are planned for. "
    )
