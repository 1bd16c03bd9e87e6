"""What a finding costs, and how severe that makes it: the same for every check, from time per run and calls.

A check says what of a run's time a thing takes (``Finding.time_ms`` of ``Finding.run_time_ms``); how often the
statement runs in production changes all the time and is put in afterwards, so that a plan needs to be judged only once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from analyzer.checks.threshold import SharedThresholds, Threshold
from analyzer.findings import Finding, Severity

# Of all findings that take a share of a statement's time.
THRESHOLDS = {
    "short_ms": Threshold(5, "ms", "judgement: below it a statement matters only by its calls"),
    "warning_ratio": Threshold(0.10, "time / execution time", "judgement: less is not worth a change"),
    "critical_ratio": Threshold(0.50, "time / execution time", "judgement: it is what the statement does"),
    "critical_ms": Threshold(100, "ms", "judgement: a person notices a tenth of a second"),
    "critical_s_per_day": Threshold(864, "s/day", "judgement: 1 % of one backend's day"),
}
SEVERITY_BY_TIME = SharedThresholds(
    "TIME",
    "Severity by time",
    "Of every finding that takes a share of a statement's time: from when it is worth telling, and how severe it is."
    "\n\nA statement shorter than the first is left alone, unless its calls add up. A finding of a small share is a"
    " note; one of most of a long run, or of much of a day, is critical.",
    THRESHOLDS,
)
LIMITS: Mapping[str, float] = {name: threshold.value for name, threshold in THRESHOLDS.items()}


@dataclass(frozen=True, slots=True)
class Load:
    """How a statement runs in production; None where that is not known."""

    calls_per_day: float | None = None
    mean_exec_time_ms: float | None = None
    watched_s: float | None = None  # what the calls were seen in


def seconds_a_day(finding: Finding, load: Load) -> float | None:
    """What the finding's part of each run adds up to.

    Its share of the explained run counts, of the mean time of a call: EXPLAIN ANALYZE makes a run slower, and its
    values may be dearer than most. A run that was faster than the mean counts as it was: nobody saw the rest.
    """
    if finding.time_ms is None or load.calls_per_day is None:
        return None
    mean_ms, run_ms = load.mean_exec_time_ms, finding.run_time_ms
    time_ms = finding.time_ms
    if mean_ms is not None:
        time_ms = min(time_ms, mean_ms)
        if run_ms is not None and run_ms > mean_ms:
            time_ms = min(time_ms, finding.time_ms / run_ms * mean_ms)
    return time_ms / 1000 * load.calls_per_day


def rated(findings: Iterable[Finding], load: Load, limits: Mapping[str, float] = LIMITS) -> list[Finding]:
    """The findings with their impact and severity, without those of a statement too short and too rare to matter."""
    return [rated for finding in findings if (rated := _rated(finding, load, limits)) is not None]


def _rated(finding: Finding, load: Load, limits: Mapping[str, float]) -> Finding | None:
    """One without ``time_ms`` and ``run_time_ms`` is not about a share of a statement's time: it stays as it is."""
    if finding.time_ms is None and finding.run_time_ms is None:
        return finding
    needed = finding.needs_calls_per_day
    if needed is not None and load.calls_per_day is not None and load.calls_per_day < needed:
        return None
    impact = seconds_a_day(finding, load)
    often = impact is not None and impact >= limits["critical_s_per_day"]
    # by the explained run and, where it is known, by the calls in production: their values may cost more
    known_ms = [ms for ms in (finding.run_time_ms, load.mean_exec_time_ms) if ms is not None]
    if known_ms and max(known_ms) < limits["short_ms"] and not often:
        return None
    return replace(
        finding,
        impact_s_per_day=impact,
        watched_s=load.watched_s,
        severity=min(_severity(finding, often, limits), _most(finding, load)),
    )


def _most(finding: Finding, load: Load) -> Severity:
    if finding.needs_calls_per_day is not None and load.calls_per_day is None:
        return Severity.INFO
    return Severity.CRITICAL if finding.at_most is None else finding.at_most


def _severity(finding: Finding, often: bool, limits: Mapping[str, float]) -> Severity:
    if finding.time_ms is None or not finding.run_time_ms:
        return finding.severity
    share = finding.time_ms / finding.run_time_ms
    if share < limits["warning_ratio"]:
        return Severity.INFO
    long = share >= limits["critical_ratio"] and finding.time_ms >= limits["critical_ms"]
    return Severity.CRITICAL if long or often else max(finding.severity, Severity.WARNING)
