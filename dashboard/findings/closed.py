"""What became of findings that are gone, in words: pages and mails take them from here."""

from datetime import datetime

from django.db.models import F, QuerySet
from django.utils import timezone

from analyzer.models import FindingEvent, FindingRecord
from analyzer.store.gains import LEAST_SUMMED_S, MAY_BE_NEEDED, NO_LESS, NOT_MENDED, NOT_SEEN, MeasuredSavings, is_gain
from analyzer.words.durations import THIN, span_words, time_words
from analyzer.words.lists import counted
from analyzer.words.visible import visible_line

LEAST_SHOWN_S = 60.0  # a day, of all together
TOLD_AS_KEPT = (NOT_SEEN, MAY_BE_NEEDED)


def gone_line(closing: FindingEvent) -> str:
    """ "Mended on 12 Nov by index ix_a: 29 min a day before, 13 s since (measured)"; "" as long as nothing is known."""
    gain = closing.gain
    if "since_s_per_day" not in gain:
        return ""
    by = f" by index {visible_line(gain['index'])}" if gain["index"] else ""
    before, since_s = _time(gain["before_s_per_day"]), gain["since_s_per_day"]
    statements = "its statement" if len(gain["statements"]) == 1 else f"its {len(gain['statements'])} statements"
    measured_s = gain["since_measured_s"]
    basis = "measured" if gain.get("compared_s", 0.0) >= LEAST_SUMMED_S else f"measured over {span_words(measured_s)}"
    if not since_s:
        return f"{_gone(closing.at)}: {statements} took {before} a day before, not run since ({basis})"
    figures = f"{statements} took {before} a day before, {_time(since_s)} a day since ({basis})"
    if since_s >= NO_LESS * gain["before_s_per_day"]:
        return f"{_gone(closing.at)}, but the time is no less: {figures}"
    return f"{_mended(closing.at)}{by}: {figures}" if by else f"{_gone(closing.at)}: {figures}"


def closing_line(finding: FindingRecord) -> str:
    """Of the last time it went; ``closings``: as ``last_closings`` has them."""
    last = _last_closing(finding)
    if last is None:
        return ""
    return f"{_gone(last.at)}: {last.detail}" if last.detail in TOLD_AS_KEPT else gone_line(last)


def is_gained(finding: FindingRecord) -> bool:
    """Whether its statements take less since it went the last time."""
    last = _last_closing(finding)
    return last is not None and is_gain(last.gain)


def is_mended(finding: FindingRecord) -> bool:
    """Whether nothing else is known to have closed it: its statement ran, the check is on and could judge it."""
    last = _last_closing(finding)
    return last is None or not last.detail.startswith(NOT_MENDED)


def last_closings() -> QuerySet[FindingEvent]:
    """To prefetch as ``closings``: of each finding that is gone the one event that closed it."""
    return FindingEvent.objects.filter(kind=FindingEvent.Kind.CLOSED, finding__closed_at=F("at"))


def gained_line(gained: MeasuredSavings) -> str:
    """ "Gone in the last 30 days: 2 h 10 min a day"; "" where it is not worth telling."""
    if gained.s_per_day < LEAST_SHOWN_S:
        return ""
    findings = counted(gained.findings, "finding")
    return f"Gone in the last 30 days: {_time(gained.s_per_day)} a day, with {findings} (measured)"


def _last_closing(finding: FindingRecord) -> FindingEvent | None:
    closings: list[FindingEvent] = getattr(finding, "closings", [])
    return next((event for event in closings if event.at == finding.closed_at), None)


def _time(s_per_day: float) -> str:
    return time_words(s_per_day * 1000, THIN)


def _gone(at: datetime) -> str:
    return f"Gone on {_day(at)}"


def _mended(at: datetime) -> str:
    return f"Mended on {_day(at)}"


def _day(at: datetime) -> str:
    local = timezone.localtime(at)
    return f"{local.day} {local:%b}"
