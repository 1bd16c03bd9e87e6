"""Function in FROM that takes most of the statement's time.

EXPLAIN shows what calls the function, and nothing of the statements inside it: the time of all of them stands at the
Function Scan. To verify, look inside: ``auto_explain.log_nested_statements`` logs their plans, and
pg_stat_statements with ``track = all`` has their calls and times. A function in SQL of one SELECT that is STABLE,
gives a set and is not STRICT or SECURITY DEFINER is planned as a part of the statement instead. Leave it alone where
its own statements are as fast as they can be. Functions of PostgreSQL and of extensions are not meant (where the schema
is not known: of well-known ones). The time is the scan's own. A scan that is run again with the same arguments reads
its rows again and does not call the function.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence, time_ratio
from analyzer.checks.own_functions import calls_of, own_functions
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="PL110",
    title="Time goes into a function that EXPLAIN does not look into",
    severity=Severity.INFO,
    gives_way_to=("PL018", "PL019"),
    time=Threshold(5, "ms", "judgement: a shorter run is not worth a look"),
    time_ratio=Threshold(0.50, "time / execution time", "judgement: it is what the statement does"),
)


@check.on(PlanNode, "Function Scan")
def function_takes_the_time(node: PlanNode, context: Context) -> Iterator[Finding]:
    own = own_functions([node.expression("Function Name") or ""], context.facts, "sv")
    time_ms = own_time_ms(node)
    if not node.loops or not any(own) or time_ms is None or time_ms < check["time"]:
        return
    if (time_ratio(time_ms, node) or 0.0) < check["time_ratio"]:
        return
    yield check.finding(
        subject=node.label,
        message=(
            f"{time_words(time_ms)} of the statement's {time_words(run_time_ms(node))} passed inside {calls_of(own)},"
            " whose own statements are in no plan here."
        ),
        hint=(
            "auto_explain.log_nested_statements logs their plans, and pg_stat_statements with track = all their times:"
            " look for the one that takes long."
        ),
        evidence={**rounded(runs=node.loops, rows=node.total_actual_rows), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        at_most=Severity.INFO,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
    )
