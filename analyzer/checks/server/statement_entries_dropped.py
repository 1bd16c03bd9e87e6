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
from analyzer.schema.evictions import LEAST_HOURS, MOST_ENTRIES, TIMES_A_DAY, dropped_words, larger, times_a_day
from analyzer.words.lists import counted

check = Check(
    __name__,
    code="SV048",
    title="pg_stat_statements drops entries",
    severity=Severity.INFO,
    times=Threshold(TIMES_A_DAY, "times a day", "judgement: a quarter of the entries, of which 5 % go each time"),
    warning=Threshold(24, "times a day", "judgement: more than all entries in a day"),
    hours=Threshold(LEAST_HOURS, "hours", "judgement: one job of the night does not stand for a day"),
    most=Threshold(MOST_ENTRIES, "entries", "judgement: with more, reading them all each minute costs the server"),
)
NAME = "pg_stat_statements.max"


@check.on(ClusterFacts)
def statement_entries_dropped(facts: ClusterFacts) -> Iterator[Finding]:
    evictions = facts.evictions
    if evictions is None:
        raise NotRun("needs pg_stat_statements_info (14 and later), read twice")
    a_day = times_a_day(evictions, check["hours"])
    if a_day is None:
        raise NotRun(f"needs {counted(round(check['hours']), 'hour')} of pg_stat_statements' counters")
    if not evictions.times or a_day < check["times"]:
        return
    setting = for_everybody(facts, NAME)
    most = int(setting.value) if setting is not None else None
    doubled = larger(most, check["most"]) if most else None
    yield check.finding(
        subject=NAME,
        severity=Severity.WARNING if a_day >= check["warning"] else Severity.INFO,
        message=dropped_words(evictions, most),
        hint="See what fills it (ST026 names lists of different lengths), then make room for more.",
        evidence={"times_dropped": evictions.times, "seen_hours": round(evictions.seen_s / 3600, 1), "entries": most},
        fixes=(setting_fix(facts, NAME, str(doubled)),) if doubled is not None else (),
    )
