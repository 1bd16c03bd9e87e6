"""Statements write gigabytes of temporary files a day: sorts and hash tables do not fit into work_mem.

``work_mem`` holds for each sort and each hash table of each session, so raising it for everybody has to fit all that
may run at once. The value here is the mean temporary file times 2.5 (a sort takes that much more in memory than on
disk, measured on PostgreSQL 18), but no more than what all sessions could use within a quarter of
effective_cache_size, where somebody set that: as many as were connected at most in a week of readings, until then
max_connections. A few statements usually write most: sort the statements by
temporary blocks, and give those alone more memory (SET LOCAL, ALTER ROLE ... SET). Leave it alone where reports at
night write them and nobody waits.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.counters import databases_then, watched, watched_words
from analyzer.checks.settings import bytes_of, for_everybody, setting_fix
from analyzer.checks.work_mem import MOST, SORT_FACTOR
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.words.durations import DAY_S
from analyzer.words.sizes import GB, MB, memory_setting, size_words

check = Check(
    __name__,
    code="SV027",
    title="Many temporary files: work_mem is too small for what runs",
    severity=Severity.WARNING,
    written=Threshold(10, "GB a day", "judgement: five seconds of a fast disk, written and read, each hour"),
    watched=Threshold(6, "hours between the readings", "judgement: less may hold one report and nothing else"),
    cache_ratio=Threshold(0.25, "of effective_cache_size", "judgement: what all sessions' work_mem may take of it"),
)

DAYS_OF_READINGS = 7  # as SV043 needs


@check.on(ClusterFacts)
def temporary_files_every_day(facts: ClusterFacts) -> Iterator[Finding]:
    span_s = watched(facts)
    grown = [
        (now, now.temp_bytes - then.temp_bytes, now.temp_files - then.temp_files) for now, then in databases_then(facts)
    ]
    written, files = sum(max(0, row[1]) for row in grown), sum(max(0, row[2]) for row in grown)
    per_day = written * DAY_S / span_s
    if span_s < check["watched"] * 3600 or not files or per_day < check["written"] * GB:
        return
    most = max(grown, key=lambda row: row[1])
    work_mem, wanted, bound = bytes_of(facts, "work_mem"), written / files * SORT_FACTOR, _bound(facts)
    limit = min(MOST, bound) if bound is not None else MOST
    suggested = int(min(wanted, limit) // MB) * MB
    fixes: tuple[Fix, ...] = ()
    hint = "Sort the statements by temporary blocks, and give the first ones more memory: SET LOCAL work_mem."
    if work_mem is not None and suggested >= work_mem * 1.25:
        value = memory_setting(suggested)
        is_bound = wanted > limit
        hint += f" For all, {value} would hold " + ("more of them." if is_bound else "the mean file.")
        fixes = (setting_fix(facts, "work_mem", value, _title(facts, bound)),)
    yield check.finding(
        subject="work_mem",
        message=(
            f"In {watched_words(facts)} statements wrote {size_words(written)} into {files:,} temporary files, most"
            " of it"
            f" in database {most[0].name}; work_mem is {size_words(work_mem) if work_mem else 'not the same for all'}."
        ),
        hint=hint,
        evidence={
            "temp_written_bytes_per_day": round(per_day),
            "temp_files": files,
            "mean_temp_file_bytes": round(written / files),
            "work_mem_bytes": work_mem,
            "most_work_mem_bytes": bound,
        },
        fixes=fixes,
    )


def _sessions(facts: ClusterFacts) -> int:
    """The most of a week's readings; until there is a week of them all that are allowed; not fewer than ten."""
    allowed = for_everybody(facts, "max_connections")
    if allowed is not None and len(facts.most_sessions) <= DAYS_OF_READINGS:
        return int(allowed.value)
    readings = [facts, *([facts.earlier] if facts.earlier else [])]
    return max(10, *facts.most_sessions.values(), *(reading.sessions for reading in readings))


def _bound(facts: ClusterFacts) -> int | None:
    """What each session may take; None where nobody said how much memory there is."""
    cache = for_everybody(facts, "effective_cache_size")
    if cache is None or not cache.is_changed or cache.in_bytes is None:
        return None
    return int(cache.in_bytes * check["cache_ratio"] / _sessions(facts))


def _title(facts: ClusterFacts, bound: int | None) -> str:
    sessions = _sessions(facts)
    if bound is None:
        return f"For all sessions: see first that the machine has it, {sessions} times and more"
    return f"For all sessions: {sessions} of them at {size_words(bound)} each are a quarter of effective_cache_size"
