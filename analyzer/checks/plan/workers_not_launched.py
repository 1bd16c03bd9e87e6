"""A parallel plan that ran with fewer workers than planned.

The planner reckoned with workers that were not there when the statement ran, so the rest of the processes did their
work. Workers come from one pool for the whole server: max_parallel_workers of all sessions together, within
max_worker_processes, which background workers of extensions and logical replication use too. To verify, run the
statement again at a quiet time, or count the workers while it runs. Where it happens often, enlarge the pool (the
second setting needs a restart), or let fewer statements run in parallel. Leave it alone where the pool is kept small on
purpose, and where a client fetches in portions (a cursor, JDBC's fetchSize): such a run has no workers. The time is
what the planner's own sharing of rows says the missing workers would have saved.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Fix
from analyzer.checks.node import run_time_ms
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import PlanNode
from analyzer.plans.parallel import divisor, part_below
from analyzer.words.durations import time_words

POOL = """\
SELECT name, setting FROM pg_settings
WHERE name IN ('max_parallel_workers', 'max_worker_processes', 'max_parallel_workers_per_gather');
SELECT count(*) AS parallel_workers_now FROM pg_stat_activity WHERE backend_type = 'parallel worker';"""

check = Check(__name__, code="PL080", title="Fewer workers than planned", severity=Severity.WARNING)


@check.on(PlanNode, "Gather", "Gather Merge")
def workers_not_launched(node: PlanNode) -> Iterator[Finding]:
    planned, launched = node.count("Workers Planned"), node.count("Workers Launched")
    if not node.loops or planned is None or launched is None or launched >= planned:
        return
    if node.raw.get("Single Copy"):  # one process was to do it all
        return
    runs = "" if node.loops == 1 else f" (in the last of its {node.loops:,} runs)"
    saved_ms = _saved_ms(node, planned, launched)
    evidence: dict[str, Quantity] = {"workers_planned": int(planned), "workers_launched": int(launched)}
    saves = ""
    if saved_ms is not None:
        evidence["estimated_saving_ms"] = round(saved_ms, 3)
        saves = f" With all of them it would have taken about {time_words(saved_ms)} less."
    yield check.finding(
        subject=node.label,
        title=f"{_none_or(launched)} of {planned:.0f} planned workers started",
        message=f"{node.label} was planned with {planned:.0f} workers and ran with {launched:.0f}{runs}.{saves}",
        hint=_hint(node, planned, launched),
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        time_ms=saved_ms,
        run_time_ms=run_time_ms(node),
        fixes=(Fix("See the pool of workers, and how many are busy now", "sql", POOL),),
    )


def _none_or(launched: float) -> str:
    return f"{launched:.0f}" if launched else "None"


def _saved_ms(node: PlanNode, planned: float, launched: float) -> float | None:
    """None without times, and where it ran several times: only the last run's workers are printed."""
    part = part_below(node)
    if node.loops != 1 or part is None or part.total_time_ms is None:
        return None
    leader_helps = not launched or (part.loops or 0) > launched
    had, wanted = (divisor(n) if leader_helps else n for n in (launched, planned))
    return part.total_time_ms * (1 - had / wanted)


def _hint(node: PlanNode, planned: float, launched: float) -> str:
    settings = node.plan.settings if node.plan is not None else {}
    limit = settings.get("max_parallel_workers", "")
    if limit.isdigit() and int(limit) < planned:
        return (
            f"max_parallel_workers is {limit}, less than this plan alone asks for: raise it, or lower"
            " max_parallel_workers_per_gather so that the planner reckons with what it gets."
        )
    fetched = "" if launched else (
        " If the client fetches this statement's rows in portions, PostgreSQL never starts workers: then nothing"
        " is amiss."
    )  # fmt: skip
    return (
        "Raise max_parallel_workers and, if it is no larger, max_worker_processes (needs a restart), or let fewer"
        f" statements run in parallel at this time of day.{fetched}"
    )
