"""JIT compilation is a large part of a statement's time, over all its calls.

Counted by pg_stat_statements (15 and later). PostgreSQL compiles expressions where it expects a plan to be dear
(jit_above_cost), and that takes tens to hundreds of milliseconds each time it runs: worth it for minutes of
arithmetic, a loss for the rest, above all where estimates are too high or partitions many. Try the statement with SET
jit = off. Turn it off for the roles of the application, or raise jit_above_cost. Where an executed plan shows it,
PL074 tells it. Leave it on for reports that gain from it.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, NotRun, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.words.durations import rate_words

check = Check(
    __name__,
    code="ST034",
    title="JIT compilation takes much of the time",
    severity=Severity.WARNING,
    compiling=Threshold(60, "s/day", "judgement: a minute of a day"),
    compiling_ratio=Threshold(0.25, "compiling / running", "judgement: it should gain more than it takes"),
)


@check.on(StatementFacts)
def jit_rivals_running(statement: StatementFacts) -> Iterator[Finding]:
    compiling, running = statement.jit_time_s_per_day, statement.time_s_per_day
    if not running or running < check["compiling"]:
        return
    if compiling is None:
        raise NotRun("needs the times of JIT compilation, which pg_stat_statements counts from 15 on")
    if compiling < check["compiling"]:
        return
    if compiling < running * check["compiling_ratio"]:
        return
    if any(plan.raw.get("JIT") for plan in statement.plans):
        return
    yield check.finding(
        subject="JIT",
        message=(
            f"Of {rate_words(running, statement.watched_s)} JIT compilation took"
            f" {rate_words(compiling, statement.watched_s)},"
            f" {compiling / running:.0%}."
        ),
        hint="Try it with SET jit = off; then turn it off for the application's roles, or raise jit_above_cost.",
        evidence={"jit_time_s_per_day": round(compiling, 1), "jit_ratio": round(compiling / running, 3)},
        fixes=(Fix("For this statement alone, in its own transaction", "sql", "SET LOCAL jit = off;"),),
        impact_s_per_day=compiling,
        watched_s=statement.watched_s,
    )
