"""Figures in words, with where they come from: measured, planned, assumed (analyzer.findings.Basis).

Pages and mails take these words from here alone, so that the same figure reads the same everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer.advice.gain import Gain, by_cost, gain_from_json, gain_words
from analyzer.advice.planned_evidence import PlannedEvidence
from analyzer.findings import Basis
from analyzer.models import SuggestionRecord
from analyzer.words.durations import DAY_S, THIN, allows_daily_rate, span_words, time_words
from dashboard.templatetags.quantities import percent, size

MEANING = {
    Basis.MEASURED: "Counted by the server, or seen in an executed plan.",
    Basis.PLANNED: "The measured time, changed as the planner’s cost changes. Nothing was created and nothing run.",
    Basis.ASSUMED: "From a figure of ours, such as the time of a round trip: no measurement.",
}


@dataclass(frozen=True, slots=True)
class ImpactWords:
    """``amount`` is "" where there is none; then ``per`` says why. ``basis``: "measured", "assumed", or both apart."""

    amount: str
    per: str
    basis: str = ""

    def __str__(self) -> str:
        """In one line."""
        said = f"{self.amount} {self.per}".strip()
        return f"{said} ({self.basis})" if self.basis else said


def impact_words(impact_s_per_day: float | None, assumed_s_per_day: float, watched_s: float | None) -> ImpactWords:
    if impact_s_per_day is None:
        return ImpactWords("", "impact unknown")
    if impact_s_per_day == 0:
        return ImpactWords("", "no time lost yet")
    is_day = watched_s is None or allows_daily_rate(watched_s)
    share = 1.0 if is_day or watched_s is None else watched_s / DAY_S

    def amount(s_per_day: float) -> str:
        return time_words(s_per_day * share * 1000, THIN)

    measured_s = impact_s_per_day - assumed_s_per_day
    if measured_s <= 0:
        basis = str(Basis.ASSUMED)
    elif assumed_s_per_day > 0:
        basis = (
            f"{amount(measured_s)} on the server {Basis.MEASURED}, {amount(assumed_s_per_day)} waiting {Basis.ASSUMED}"
        )
    else:
        basis = str(Basis.MEASURED)
    return ImpactWords(amount(impact_s_per_day), "a day" if is_day else f"in {span_words(watched_s or 0.0)}", basis)


def suggestion_gain(suggestion: SuggestionRecord) -> Gain | None:
    """Of all statements it helps; None where no planner was asked or nothing was measured."""
    now, saved = suggestion.helped_time_s_per_day, suggestion.saved_time_s_per_day
    if not suggestion.evidence or now is None or saved is None:
        return None
    return Gain(now, max(0.0, now - saved))


def _statement_gain(suggestion: SuggestionRecord, fingerprint: str) -> Gain | None:
    """Of one that it helps; None where its time was not measured, or its costs were not kept (those of 50 are)."""
    time_s = next((h.get("total_time_s_per_day") for h in suggestion.helps if h["fingerprint"] == fingerprint), None)
    statements = evidence.statements if (evidence := PlannedEvidence.from_json(suggestion.evidence)) else ()
    planned = next((s for s in statements if s.fingerprint == fingerprint), None)
    if not time_s or planned is None or planned.cost_before <= 0:
        return None
    return by_cost(time_s, planned.cost_before, planned.cost_after)


def gain_line(suggestion: SuggestionRecord, fingerprint: str = "") -> str:
    """ "30 min 22 s a day now, about 1.1 s with it (planned)"; without a planner what its statements take; or "".

    ``fingerprint``: of the statement that is spoken of; whose gain it is, is said then.
    """
    own = _statement_gain(suggestion, fingerprint) if fingerprint else None
    gain = own or suggestion_gain(suggestion)
    if gain is not None:
        evidence = PlannedEvidence.from_json(suggestion.evidence)
        said = gain_words(gain, suggestion.watched_s, THIN, _with(evidence.together_with if evidence else ()))
        whose = "for this statement" if own else "for all statements it helps"
        return f"{said}, {whose}" if fingerprint else said
    if not suggestion.helped_time_s_per_day:
        return ""
    taken = impact_words(suggestion.helped_time_s_per_day, 0.0, suggestion.watched_s)
    said = f"Statements it helps take {taken.amount} {taken.per}"
    return said if suggestion.evidence else f"{said}; no planner was asked yet"


def _with(others: Sequence[str]) -> str:
    if not others:
        return "it"
    return f"it and {others[0]}" if len(others) == 1 else f"it and {len(others)} other new indexes"


@dataclass(frozen=True, slots=True)
class SetWords:
    """All that is advised for a database: ``what`` to do, and what that ``gains`` ("" where it is not known).

    ``saved_ratio``: of the server's statement time, as planned.
    """

    what: str
    gains: str
    saved_ratio: float | None = None

    def __str__(self) -> str:
        return f"{self.what}: {self.gains}" if self.gains else self.what


def set_words(
    indexes: int, size_bytes: int, drops: int, freed_bytes: int, time: Mapping[str, float | None] | None
) -> SetWords:
    """ "5 indexes, 12 MB": "minus 81 % of this server's load (planned), 52 min a day now, about 10 min with them".

    ``time``: as ``analyzer/advice/show.py`` writes it.
    """
    parts = []
    if indexes:
        parts.append(f"{indexes} index{'es' if indexes > 1 else ''} to create, {size(size_bytes)}")
    if drops:
        parts.append(f"{drops} to drop, {size(freed_bytes)} freed")
    gain = gain_from_json(time)
    if not indexes or gain is None or gain.saved_s_per_day <= 0:
        return SetWords("; ".join(parts), "")
    said = gain_words(gain, (time or {}).get("watched_s"), THIN, "it" if indexes == 1 else "them")
    saved = f"minus {percent(gain.saved_ratio)} of this server’s statement time, {said}"
    return SetWords("; ".join(parts), saved, gain.saved_ratio)
