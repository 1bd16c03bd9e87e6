"""Wrong number of rows planned, from which other nodes suffer.

The planner chose joins, sorts and memory for far more or fewer rows than came. It is told of the lowest node that is
wrong while what it reads is right: the nodes above only pass the error on. A nested loop then runs its inner side too
often, a hash or sort gets too little memory. To verify, compare "rows" with "actual rows" of that node after ANALYZE;
for a test alone, ``SET enable_nestloop = off`` shows the other plan's time. To fix it, give the planner what it lacks:
fresh statistics, a higher statistics target for a skewed column, extended statistics for several columns or for an
expression. Leave it alone where it costs nothing: where no node suffers, only gross errors on a table are told, for
information. What the suffering nodes took is counted of the run's time, as an upper bound.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import side
from analyzer.checks.misestimated import (
    cost_ms,
    cost_of_misestimate_ms,
    mending,
    misestimate_evidence,
    misestimates_of,
    other_join_ms,
    rows_in_words,
)
from analyzer.checks.node import run_time_ms, time_ratio
from analyzer.checks.scan import table_sql
from analyzer.findings import Finding, Fix, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.estimates import AffectedNode, Misestimate
from analyzer.schema.facts import SchemaFacts
from analyzer.words.durations import time_words
from analyzer.words.lists import and_list

MOST_NAMED = 3

check = Check(
    __name__,
    code="PL070",
    title="Far more or fewer rows than planned",
    severity=Severity.WARNING,
    reads_figures=True,
    gives_way_to=("PL019", "PL030", "PL053", "PL071", "PL072", "PL075"),  # they know why, or what it led to
    factor=Threshold(10, "actual / planned rows, or the other way", "judgement: below it plans seldom change"),
    gross_factor=Threshold(
        100, "actual / planned rows", "judgement: told without a node that suffers, for information"
    ),
    gross_rows=Threshold(1_000, "rows", "judgement: of fewer no plan is wrong by much"),
    cost=Threshold(0.25, "suffering nodes' time / execution time", "judgement: else the other plan gains little"),
    inner_runs=Threshold(1_000, "runs", "judgement: fewer look-ups are no reason for another join"),
    other_join=Threshold(3, "runs' time / reading the table once", "judgement: below it the other join gains little"),
    inner_run=Threshold(0.02, "ms / run", "measured: a look-up in a cached index takes 0.001 to 0.01 ms"),
)


@check.on(Plan)
def misestimate(plan: Plan, context: Context) -> Iterator[Finding]:
    wrongs = [
        (wrong, _sufferers(wrong, context.facts)) for wrong in misestimates_of(plan) if wrong.factor >= check["factor"]
    ]
    wrongs.sort(key=lambda w: (cost_ms(w[1]) or 0.0, w[0].factor), reverse=True)
    told: set[PlanNode] = set()  # sufferers: two errors can lead to the same one, which is told of once
    tables: set[str | None] = set()
    for wrong, all_sufferers in wrongs:
        sufferers = [s for s in all_sufferers if s.node not in told]
        if sufferers and all(s.kind == "sort_on_disk" for s in sufferers):
            continue  # it would be sorted on disk all the same, and that has checks of its own
        node = wrong.table_node
        time_ms = cost_ms(sufferers)
        ratio = time_ratio(time_ms, node)
        if sufferers and (ratio is None or ratio >= check["cost"]):
            told |= {s.node for s in sufferers}
        elif not all_sufferers and node.relation_name not in tables and _is_gross(wrong, node):
            time_ms = None
        else:
            continue
        tables.add(node.relation_name)
        suffering = _suffering(sufferers) if sufferers else "no other node suffers from it here"
        yield check.finding(
            node=node,
            subject=node.label,
            message=f"{node.label} {rows_in_words(wrong)}: {suffering}.",
            hint=mending(wrong),
            evidence=misestimate_evidence(wrong, time_ms),
            level=EvidenceLevel.EXECUTED,
            severity=Severity.WARNING if sufferers else Severity.INFO,
            time_ms=time_ms,
            run_time_ms=run_time_ms(node),
            fixes=(Fix("Fresh statistics of the table", "sql", f"ANALYZE {table_sql(node)};"),)
            if node.relation_name
            else (),
        )


def _sufferers(wrong: Misestimate, facts: SchemaFacts | None) -> list[AffectedNode]:
    return [s for s in wrong.sufferers if s.kind != "inner_runs" or _are_dear_runs(s, facts)]


def _is_gross(wrong: Misestimate, node: PlanNode) -> bool:
    """A table's rows, far too few planned: a join with it would suffer."""
    came = wrong.estimate.actual_rows * (node.loops or 0)
    is_table = node.relation_name is not None and wrong.direction == "under"
    return is_table and wrong.factor >= check["gross_factor"] and came >= check["gross_rows"]


def _are_dear_runs(sufferer: AffectedNode, facts: SchemaFacts | None) -> bool:
    """Whether another join would have been much cheaper."""
    runs, time_ms, inner = max(1.0, sufferer.actual), sufferer.time_ms or 0.0, side(sufferer.node, "Inner")
    once_ms = other_join_ms(inner, facts) if inner is not None else 0.0
    return runs >= check["inner_runs"] and time_ms >= max(runs * check["inner_run"], once_ms * check["other_join"])


def _suffering(sufferers: list[AffectedNode]) -> str:
    said = [f"{_what(s)}{f' ({time_words(ms)})' if (ms := cost_of_misestimate_ms(s)) else ''}" for s in sufferers]
    more = len(said) - MOST_NAMED
    return and_list([*said[:MOST_NAMED], *([f"{more} more" if more > 1 else "one more"] if more > 0 else [])])


def _what(sufferer: AffectedNode) -> str:
    label, actual = sufferer.node.label, sufferer.actual
    match sufferer.kind:
        case "inner_runs":
            return f"{label} ran its inner side {actual:,.0f} times"
        case "hash_batches":
            return f"{label} of {actual:,.0f} rows went to disk"
        case "hash_on_larger_side":
            return f"{label} was built of the larger side, {actual:,.0f} rows"
        case "sort_on_disk":
            return f"{label} of {actual:,.0f} rows went to disk"
        case "aggregate_on_disk":
            return f"{label} went to disk"
        case "memoize_evictions":
            return f"{label} had to forget what it kept"
