"""Planning a statement takes as long as running it, over all its calls.

Counted by pg_stat_statements, where track_planning is on. A statement that is sent as text is planned each time; a
prepared one a few times, and then keeps its plan. Drivers prepare on their own when asked (psycopg after five times,
JDBC's prepareThreshold, asyncpg always); PgBouncer passes it on from 1.21 on (max_prepared_statements). Many
partitions or joins make planning long: conditions on the partition key help. Where EXPLAIN shows it for single plans,
PL073 tells it.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, NotRun, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.words.durations import rate_words

check = Check(
    __name__,
    code="ST033",
    title="Planning takes as long as running",
    severity=Severity.WARNING,
    planning=Threshold(60, "s/day", "judgement: a minute of a day"),
    planning_ratio=Threshold(1.0, "planning / running", "judgement: less is usual of short statements"),
)


@check.on(StatementFacts)
def planning_rivals_running(statement: StatementFacts) -> Iterator[Finding]:
    planning, running = statement.plan_time_s_per_day, statement.time_s_per_day
    if planning is None:
        raise NotRun("needs planning times: pg_stat_statements.track_planning is off")
    if running is None or planning < check["planning"]:
        return
    if planning < running * check["planning_ratio"]:
        return
    yield check.finding(
        subject="Planning",
        message=(
            f"Planning took {rate_words(planning, statement.watched_s)}, running"
            f" {rate_words(running, statement.watched_s)}."
        ),
        hint=(
            "Send it as a prepared statement, which keeps its plan; name the partition key where tables have"
            " partitions."
        ),
        evidence={"plan_time_s_per_day": round(planning, 1), "exec_time_s_per_day": round(running, 1)},
        fixes=(
            Fix(
                "Django 4.2 and later with psycopg 3: parameters apart from the text, so that it can be prepared",
                "django",
                'DATABASES["default"]["OPTIONS"] = {"server_side_binding": True, "prepare_threshold": 5}',
            ),
        ),
        impact_s_per_day=planning,
        watched_s=statement.watched_s,
    )
