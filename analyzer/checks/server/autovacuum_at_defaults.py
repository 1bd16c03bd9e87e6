"""Autovacuum has the budget of a small server, and the databases are very large.

Three workers share one budget (autovacuum_vacuum_cost_limit 200 at a delay of 2 ms): at most some 800 MB/s of pages
from cache, 400 MB/s from outside (80 on 13) and 40 MB/s of changed pages, for all tables together. More workers alone
share the same budget. Raise the limit first, then the workers. Verify: pg_stat_progress_vacuum tells how long a
vacuum of the largest table takes. Leave it alone where tables are vacuumed in time.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.settings import for_everybody, setting_fix, total_bytes
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.words.sizes import GB, size_words

check = Check(
    __name__,
    code="SV042",
    title="Autovacuum's budget is that of a small server",
    severity=Severity.INFO,
    data=Threshold(1_000, "GB of databases", "judgement: at 40 MB/s changing each page once takes seven hours"),
)
# setting -> its default, what to begin with (judgement); 13 and later
DEFAULTS = {
    "autovacuum_vacuum_cost_limit": ("-1", "2000"),
    "vacuum_cost_limit": ("200", ""),
    "autovacuum_vacuum_cost_delay": ("2", ""),
    "autovacuum_max_workers": ("3", "6"),
}


@check.on(ClusterFacts)
def autovacuum_at_defaults(facts: ClusterFacts) -> Iterator[Finding]:
    size = total_bytes(facts)
    if facts.is_replica or size < check["data"] * GB:
        return
    for name, (default, _) in DEFAULTS.items():
        setting = for_everybody(facts, name)
        if setting is None or setting.value != default:
            return
    yield check.finding(
        subject="autovacuum_vacuum_cost_limit",
        message=(
            f"Autovacuum runs with its default budget (cost limit 200, delay 2 ms, 3 workers) on {size_words(size)} of"
            " databases."
        ),
        hint="Raise the cost limit, then the workers, and watch pg_stat_progress_vacuum and the disks.",
        evidence={"databases_bytes": size},
        fixes=tuple(setting_fix(facts, name, value) for name, (_, value) in DEFAULTS.items() if value),
    )
