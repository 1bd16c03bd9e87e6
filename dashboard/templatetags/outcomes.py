"""What became of a suggested index, in one sentence, from the figures ``analyzer/steps/follow.py`` keeps."""

from collections.abc import Iterator

from django import template
from django.template.defaultfilters import date
from django.utils import timezone

from analyzer.advice.outcome import (
    OutcomeLimits,
    StatementOutcome,
    headline,
    is_used_for,
    slower,
    statement_from_json,
)
from analyzer.models import SuggestionRecord
from analyzer.words.lists import and_list
from dashboard.templatetags.quantities import count, duration
from dashboard.templatetags.texts import visible

register = template.Library()

State = SuggestionRecord.State


@register.filter
def outcome_sentence(suggestion: SuggestionRecord) -> str:
    """ "Realised: mean 41 ms → 300 µs, blocks 1 204 → 5 per call, Seq Scan on t became Index Scan"; "" if not built."""
    match suggestion.state:
        case State.BUILT:
            return f"Built {_since(suggestion)}, {_waiting(suggestion)}."
        case State.REALISED:
            outcomes = statement_outcomes(suggestion)
            first, lost = headline(outcomes), slower(outcomes, OutcomeLimits())
            gained = first is None or (first.gain_ratio or 0.0) > 0
            said = "Realised" if gained else "Used, but slower than before" if lost else "Used, but nothing gained"
            return f"{said}: {_figures(suggestion, first)}.{_shared(suggestion)}{_slower(lost, first)}"
        case State.NOT_USED:
            kept = suggestion.outcome.get("kept_for") or ""
            what = kept or "It only costs: each write to the table writes it too."
            calls = suggestion.outcome.get("calls")
            return f"Not used: built {_since(suggestion)}, no scan in {count(calls)} calls since. {what}"
    return ""


def statement_outcomes(suggestion: SuggestionRecord) -> list[StatementOutcome]:
    return [statement_from_json(s) for s in suggestion.outcome.get("statements", ())]


def _since(suggestion: SuggestionRecord) -> str:
    at = suggestion.built_at
    day = date(timezone.localtime(at), "j M") if at else "some day"
    return f"on {day} as {visible(suggestion.built_index_name)}"


def _waiting(suggestion: SuggestionRecord) -> str:
    outcome = suggestion.outcome
    calls, wanted, scans = outcome.get("calls") or 0, outcome.get("calls_wanted"), outcome.get("scans")
    if not outcome.get("statements"):
        return "waiting for its first scan"
    if wanted is None or calls < wanted:
        return f"waiting for calls ({count(calls)} of {count(wanted)})"
    if scans and not is_used_for(scans, calls, OutcomeLimits()):
        times = "scan" if scans == 1 else "scans"
        return f"hardly used: {count(scans)} {times} in {count(calls)} calls of the statements it was made for"
    if scans and not any(s.uses_index or s.is_faster(OutcomeLimits()) for s in statement_outcomes(suggestion)):
        return (
            f"used, by what is not known: {count(scans)} scans in {count(calls)} calls of the statements it was made"
            " for, but none of them is measurably faster or was planned with it since"
        )
    return f"{count(scans)} scans in {count(calls)} calls so far; too early to tell"


def _shared(suggestion: SuggestionRecord) -> str:
    names = [visible(name) for name in suggestion.outcome.get("shared_with", ())]
    if not names:
        return ""
    return f" Built about the same time for the same statements: {and_list(names)}; what changed is theirs together."


def _slower(lost: list[StatementOutcome], first: StatementOutcome | None) -> str:
    """Those that the figures do not speak of already."""
    others = [s for s in lost if s is not first]
    if not others:
        return ""
    before, after = others[0].before.mean_exec_time_ms, others[0].after.mean_exec_time_ms
    what = "One of its statements" if len(others) == 1 else f"{len(others)} of its statements"
    which = "" if len(others) == 1 else "the costliest by "
    return f" {what} became slower since: {which}mean {duration(before)} → {duration(after)}."


def _figures(suggestion: SuggestionRecord, first: StatementOutcome | None) -> str:
    scans = suggestion.outcome.get("scans")
    if first is None:
        return f"scanned {count(scans)} times since it was built; how long it took before is not known"
    return ", ".join(_changes(first))


def _changes(outcome: StatementOutcome) -> Iterator[str]:
    before, after = outcome.before, outcome.after
    yield f"mean {duration(before.mean_exec_time_ms)} → {duration(after.mean_exec_time_ms)}"
    if before.blocks_per_call is not None and after.blocks_per_call is not None:
        yield f"blocks {count(round(before.blocks_per_call))} → {count(round(after.blocks_per_call))} per call"
    if outcome.plan_change:
        yield visible(outcome.plan_change)
