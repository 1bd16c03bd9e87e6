"""pg_stat_statements is full and drops entries.

It holds pg_stat_statements.max statements (5,000 by default) per role and database. When another one comes, the rarest
go, 5 % at a time, and their figures with them: a statement that runs once an hour may never be seen, one that comes
back counts from zero, and each drop locks all entries for a moment. To verify, look at dealloc in
pg_stat_statements_info (14 and later) twice.

Look first at what fills it: lists of different lengths (ST026), names of temporary tables or of schemas made up by the
application, SET with values where utility statements are counted (pg_stat_statements.track_utility). Then raise
pg_stat_statements.max, which takes a restart and about as much memory as the entries take now. Leave it alone where
rare statements do not matter.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.settings import for_everybody, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.words.durations import DAY_S, span_words
from analyzer.words.lists import counted

check = Check(
    __name__,
    code="SV048",
    title="pg_stat_statements drops entries",
    severity=Severity.INFO,
    times=Threshold(5, "times a day", "judgement: a quarter of the entries; 5 % go each time (pg_stat_statements.c)"),
    warning=Threshold(24, "times a day", "judgement: more than all entries in a day"),
    hours=Threshold(6, "hours", "judgement: one job of the night does not stand for a day"),
    most=Threshold(50_000, "entries", "judgement: with more, reading them all each minute costs the server"),
)
NAME = "pg_stat_statements.max"


@check.on(ClusterFacts)
def statement_entries_dropped(facts: ClusterFacts) -> Iterator[Finding]:
    evictions = facts.evictions
    if evictions is None:
        raise NotRun("needs pg_stat_statements_info (14 and later), read twice")
    if evictions.seen_s < max(1.0, check["hours"] * 3600):
        raise NotRun(f"needs {counted(round(check['hours']), 'hour')} of pg_stat_statements' counters")
    a_day = evictions.times * DAY_S / evictions.seen_s
    if not evictions.times or a_day < check["times"]:
        return
    setting = for_everybody(facts, NAME)
    most = int(setting.value) if setting is not None else None
    doubled = most * 2 if most is not None else 0
    yield check.finding(
        subject=NAME,
        severity=Severity.WARNING if a_day >= check["warning"] else Severity.INFO,
        message=(
            f"pg_stat_statements was full {evictions.times:,} times in {span_words(evictions.seen_s)} and dropped 5 %"
            f" of its {f'{most:,} ' if most is not None else ''}entries each time: figures of rare statements have"
            " gaps."
        ),
        hint="See what fills it (ST026 names lists of different lengths), then make room for more.",
        evidence={"times_dropped": evictions.times, "seen_hours": round(evictions.seen_s / 3600, 1), "entries": most},
        fixes=(setting_fix(facts, NAME, str(doubled)),) if 0 < doubled <= check["most"] else (),
    )
