"""Every statement is written into the log, or timed node by node.

``log_statement = all`` and ``log_min_duration_statement = 0`` write each statement, through one logging process: on a
busy server that is gigabytes a day, and the values of all statements stand in the log. ``log_min_duration_sample``
with ``log_statement_sample_rate`` writes a share. ``auto_explain.log_analyze`` times every node of every statement,
also of those that are too short to be logged; the manual warns of it (F.3). Turn ``auto_explain.log_timing`` off, or
sample (``auto_explain.sample_rate``). Leave it alone for the hour in which somebody looks for something.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.counters import databases_then, watched
from analyzer.checks.settings import for_everybody, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts

check = Check(
    __name__,
    code="SV028",
    title="Every statement is logged or timed",
    severity=Severity.WARNING,
    rate=Threshold(50, "transactions per second", "judgement: at a few statements each some gigabytes of log a day"),
)


@check.on(ClusterFacts)
def every_statement_logged(facts: ClusterFacts) -> Iterator[Finding]:
    if _value(facts, "auto_explain.log_min_duration") not in (None, "-1"):
        timed = all(_value(facts, f"auto_explain.{name}") == "on" for name in ("log_analyze", "log_timing"))
        if timed and _value(facts, "auto_explain.sample_rate") == "1":
            yield check.finding(
                subject="auto_explain.log_timing",
                message="auto_explain times every node of every statement, also of those that it does not log.",
                hint="Turn auto_explain.log_timing off, or time a share of the statements (auto_explain.sample_rate).",
                evidence={"setting": "auto_explain.log_timing", "value": "on"},
                fixes=(setting_fix(facts, "auto_explain.log_timing", "off"),),
            )
    writes = [("log_statement", "all", "ddl"), ("log_min_duration_statement", "0", "1s")]
    logged = [(name, value, less) for name, value, less in writes if _value(facts, name) == value]
    if not logged:
        return
    pairs = list(databases_then(facts))
    transactions = sum(now.commits - then.commits + now.rollbacks - then.rollbacks for now, then in pairs)
    rate = transactions / watched(facts)
    if rate < check["rate"]:
        return
    for name, value, less in logged:
        yield check.finding(
            subject=name,
            message=(
                f"{name} is {value}: every statement is written into the log, of {rate:,.0f} transactions a second."
            ),
            hint="Log slow ones, and a share of the others (log_min_duration_sample, log_statement_sample_rate).",
            evidence={"setting": name, "value": value, "transactions_per_s": round(rate, 1)},
            fixes=(setting_fix(facts, name, less),),
        )


def _value(facts: ClusterFacts, name: str) -> str | None:
    setting = for_everybody(facts, name)
    return setting.value if setting is not None else None
