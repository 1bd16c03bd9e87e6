"""What all checks say of ordinary plans, with facts and texts as in production: enough of slow ones, little of tuned.

A slow plan takes 5 ms or more, without indexes but for the primary keys and with statistics from before most rows came
(those of TPC-DS are fresh).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from analyzer.checks import Context as CheckContext
from analyzer.checks import all_checks, run_checks
from analyzer.findings import Finding
from analyzer.plans import parse_plan
from analyzer.runtime.postgres import PostgresCluster
from bench import tpcds
from bench.corpus import SETTINGS, CorpusPlan, plans
from bench.results import Context, Result

SLOW_MS = 5.0
MOST_SILENT = 15.0  # % of the slow ones
REPORTS = "tpcds"  # most add up a fifth of the largest tables, and no index spares that: it is told for information
CALLS_PER_DAY = 1_000.0  # each: what takes a millisecond then is not worth a word
Judged = tuple[CorpusPlan, float, list[Finding]]


def measure(context: Context) -> list[Result]:
    if not tpcds.is_there():
        print("  without TPC-DS, which needs duckdb==1.0.0 (requirements-dev.txt)")
    with PostgresCluster(context.place / "corpus", settings=SETTINGS) as server:
        slow = [_judged(plan) for plan in plans(server, context.place, tuned=False)]
        tuned = [_judged(plan) for plan in plans(server, context.place, tuned=True)]
    slow = [each for each in slow if each[1] >= SLOW_MS]
    silent = [each for each in slow if not each[2]]
    for plan, time_ms, _ in silent:
        print(f"  nothing is said of {plan.name}, {time_ms:.1f} ms: {' '.join(plan.sql.split())[:150]}")
    for plan, time_ms, findings in tuned:
        for finding in findings:
            print(f"  tuned: {plan.name}, {time_ms:.1f} ms: {finding.code} {finding.message[:200]}")
    codes = Counter(code for *_, findings in tuned for code in {finding.code for finding in findings})
    titles = {check.code: check.title for check in all_checks()}
    of_others, of_reports = _silent(slow, False), _silent(slow, True)
    return [
        Result("slow plans", len(slow), ""),
        Result("of them without a sentence, but for TPC-DS", of_others or 0.0, "%", MOST_SILENT),
        *([Result("those of TPC-DS", of_reports, "%", MOST_SILENT)] if of_reports is not None else []),
        *_of_each_database(slow, "{}, without a sentence", lambda findings: not findings),
        Result("tuned plans", len(tuned), "", least=200),
        Result("of them with a sentence", sum(bool(findings) for *_, findings in tuned), ""),
        *_of_each_database(tuned, "{}, with a sentence", bool),
        *(Result(f"tuned: {code} {titles[code]}", number, "") for code, number in codes.most_common()),
    ]


def _silent(slow: Sequence[Judged], of_reports: bool) -> float | None:
    """The share of those without a sentence, %; None of none."""
    of_them = [findings for plan, _, findings in slow if plan.name.startswith(REPORTS) == of_reports]
    return 100 * sum(not findings for findings in of_them) / len(of_them) if of_them else None


def _of_each_database(
    judged: Sequence[Judged], title: str, counts: Callable[[list[Finding]], bool]
) -> Iterator[Result]:
    """How many plans there are of each, and of how many that is so."""
    databases = dict.fromkeys(plan.name.split()[0] for plan, *_ in judged)
    for database in databases:
        of_it = [findings for plan, _, findings in judged if plan.name.startswith(f"{database} ")]
        yield Result(title.format(f"{len(of_it)} of {database}"), sum(map(counts, of_it)), "")


def _judged(plan: CorpusPlan) -> Judged:
    parsed = parse_plan(plan.explained)
    time_ms = parsed.execution_time_ms or 0.0
    outcome = run_checks(
        parsed,
        CheckContext(
            facts=plan.facts, normalized_sql=plan.sql, calls_per_day=CALLS_PER_DAY, mean_exec_time_ms=time_ms,
            watched_s=86_400.0,
        ),
    )  # fmt: skip
    assert not outcome.failed, outcome.failed
    return plan, time_ms, outcome.findings
