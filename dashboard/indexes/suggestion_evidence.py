"""What the planner, and later the server itself, say of a suggested index: rows for its page from ``evidence`` and
``outcome`` (written by ``analyzer/advice/planned.py`` and ``analyzer/steps/follow.py``)."""

from dataclasses import dataclass

from analyzer.advice.gain import by_cost
from analyzer.advice.outcome import Measured, StatementOutcome, statement_from_json
from analyzer.advice.planned_evidence import NeedlessIndex, PlannedEvidence
from analyzer.advice.planner import VALUES_IN_WORDS
from analyzer.advice.rollout.script import DISK_FACTOR
from analyzer.advice.show import LEAST_WRITE_RATIO
from analyzer.models import Statement, SuggestionRecord
from analyzer.plans.compare import cost_words, faster_words
from analyzer.words.durations import span_words
from dashboard.templatetags.quantities import count, duration, percent, short_count

STATEMENTS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class HelpedStatement:
    """``statement`` is None where its text is not kept any more, and for the check of a foreign key."""

    fingerprint: str
    statement: Statement | None = None
    foreign_key: str = ""  # whose check it is


@dataclass(frozen=True, slots=True)
class HelpedRow:
    """Cost of one call in the planner's units; None where no planner was asked. ``change``: of the plan, in words."""

    name: HelpedStatement
    time_s_per_day: float | None
    cost_before: float | None = None
    cost_after: float | None = None
    change: str = ""

    @property
    def words(self) -> str:
        return _words(self.cost_before, self.cost_after)

    @property
    def then_s_per_day(self) -> float | None:
        """With it, as planned; None where the time now was not measured, or no planner was asked."""
        if self.time_s_per_day is None or not self.cost_before or self.cost_after is None:
            return None
        return by_cost(self.time_s_per_day, self.cost_before, self.cost_after).then_s_per_day

    @property
    def faster_words(self) -> str:
        before, after = self.cost_before, self.cost_after
        return "" if not before or after is None else faster_words(before, after)


@dataclass(frozen=True, slots=True)
class HurtRow:
    name: HelpedStatement
    cost_before: float
    cost_after: float
    values: str

    @property
    def words(self) -> str:
        return _words(self.cost_before, self.cost_after)


@dataclass(frozen=True, slots=True)
class RiskRow:
    name: HelpedStatement
    reason: str


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """One statement before the index was built and since, as measured."""

    name: HelpedStatement
    before: Measured
    after: Measured
    plan_change: str

    @property
    def words(self) -> str:
        """ "137x faster", "12 % slower", "as before"; "" where it did not run on both sides."""
        before, after = self.before.mean_exec_time_ms, self.after.mean_exec_time_ms
        if not before or not after:
            return ""
        return faster_words(before, after)


@dataclass(frozen=True, slots=True)
class Evidence:
    is_planned: bool
    planner: str
    helped: tuple[HelpedRow, ...]
    more_helped: int
    hurt: tuple[HurtRow, ...]
    at_risk: tuple[RiskRow, ...]
    redundant: tuple[NeedlessIndex, ...]
    measured: tuple[MeasuredRow, ...]
    build_words: str
    writes_words: str
    write_words: str
    build_bytes: int | None  # needed on disk while it is built


def evidence_of(suggestion: SuggestionRecord) -> Evidence:
    """One query, for the statements' texts."""
    kept = PlannedEvidence.from_json(suggestion.evidence)
    said = kept or PlannedEvidence()
    times = {help_["fingerprint"]: help_.get("total_time_s_per_day") for help_ in suggestion.helps}
    planned = {s.fingerprint: s for s in said.statements}
    outcomes = [statement_from_json(s) for s in suggestion.outcome.get("statements", ())]
    names = _Names(
        suggestion,
        {*times, *planned, *(o.fingerprint for o in outcomes), *(h.fingerprint for h in said.hurt)}
        | {r.fingerprint for r in said.at_risk},
    )
    helped = [
        HelpedRow(names[name], times.get(name), costs.cost_before, costs.cost_after, costs.change)
        if (costs := planned.get(name))
        else HelpedRow(names[name], times.get(name))
        for name in dict.fromkeys([*planned, *times])
    ]
    # as the planner orders them, by what is saved; else by time
    helped.sort(key=lambda row: (row.cost_before is None, 0.0 if planned else -(row.time_s_per_day or 0.0)))
    return Evidence(
        is_planned=kept is not None,
        planner=said.planner,
        helped=tuple(helped[:STATEMENTS_SHOWN]),
        more_helped=max(0, len(helped) - STATEMENTS_SHOWN),
        hurt=tuple(
            HurtRow(
                names[s.fingerprint],
                s.cost_before,
                s.cost_after,
                VALUES_IN_WORDS.get(s.values.rstrip("0123456789"), "planned for any value"),
            )
            for s in said.hurt
        ),
        at_risk=tuple(dict.fromkeys(RiskRow(names[r.fingerprint], r.reason) for r in said.at_risk)),
        redundant=said.makes_redundant,
        measured=tuple(MeasuredRow(names[o.fingerprint], o.before, o.after, o.plan_change) for o in _by_gain(outcomes)),
        build_words=_build_words(said.build_time_s),
        writes_words=_writes_words(said),
        write_words=_write_words(said),
        build_bytes=suggestion.estimated_size_bytes and DISK_FACTOR * suggestion.estimated_size_bytes,
    )


class _Names:
    def __init__(self, suggestion: SuggestionRecord, fingerprints: set[str]) -> None:
        self._helps = {help_["fingerprint"] for help_ in suggestion.helps}
        self._table = suggestion.table
        statements = Statement.objects.filter(server_id=suggestion.database.server_id, fingerprint__in=fingerprints)
        self._found = {s.fingerprint: s for s in statements.only("fingerprint", "normalized_sql", "server_id")}

    def __getitem__(self, fingerprint: str) -> HelpedStatement:
        is_key = fingerprint not in self._helps and fingerprint.startswith(f"{self._table}.")
        return HelpedStatement(
            fingerprint, self._found.get(fingerprint), fingerprint[len(self._table) + 1 :] if is_key else ""
        )


def _by_gain(outcomes: list[StatementOutcome]) -> list[StatementOutcome]:
    """The greatest saving of all calls since first, then those without figures on both sides."""

    def saved(outcome: StatementOutcome) -> float | None:
        before, after = outcome.before.mean_exec_time_ms, outcome.after.mean_exec_time_ms
        return None if before is None or after is None else (before - after) * outcome.after.calls

    return sorted(outcomes, key=lambda o: (saved(o) is None, -(saved(o) or 0.0), o.fingerprint))


def _words(before: float | None, after: float | None) -> str:
    return "" if before is None or after is None else cost_words(before, after)


def _build_words(build_time_s: float | None) -> str:
    if build_time_s is None:
        return "unknown"
    return "under a second" if build_time_s < 1 else f"about {duration(round(build_time_s) * 1000)}"


def _writes_words(evidence: PlannedEvidence) -> str:
    """How many rows change, a day or in what was watched so far."""
    rate, seen, seen_in_s = evidence.writes_per_day, evidence.writes_seen, evidence.writes_seen_in_s
    if rate is not None:
        return f"{short_count(rate)} a day"
    return "unknown" if seen is None or not seen_in_s else f"{short_count(seen)} in {span_words(seen_in_s)}"


def _write_words(evidence: PlannedEvidence) -> str:
    """What the table's writes cost more with the index, beside what it saves: both in the planner's units a day."""
    writes, cost, worth = evidence.writes_per_day, evidence.write_cost_per_day, evidence.worth_per_day
    if cost is None or not worth or (writes is None and not cost):
        return "what they add is not known"
    if not cost:
        return "they add nothing"
    ratio = cost / worth
    if ratio < LEAST_WRITE_RATIO:
        return "they add next to nothing: under a thousandth of what it saves"
    if ratio < 1:
        return f"they take back {percent(ratio)} of what it saves"
    return f"they cost {count(ratio)} times what it saves"
