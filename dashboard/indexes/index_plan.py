"""The newest advice of a database as the index page shows it: one point of its curve as a plan to carry out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pglast.parser import ParseError

from analyzer.advice.candidates.typed import definition_on
from analyzer.advice.code.change import Change, creation, removal
from analyzer.advice.definition import definition_key
from analyzer.advice.gain import gain_from_json, gain_words
from analyzer.advice.kept_point import KeptDrop, KeptIndex, KeptPoint, readable
from analyzer.advice.planner import VALUES_IN_WORDS
from analyzer.advice.rollout.script import Rollout, rollout
from analyzer.advice.show_sql import index_as_sql, set_as_sql, statements_as_sql
from analyzer.models import AdviceRun, Statement, SuggestionRecord
from analyzer.schema.facts import SchemaFacts
from analyzer.words.durations import THIN
from dashboard.figures import SetWords, set_words
from dashboard.templatetags.quantities import percent, size

STATEMENTS_SHOWN = 8  # of an index
WHY_NOT_SHOWN = 50
DROPS_APART = 3  # judgement: more of them are shown as one thing to do


@dataclass(frozen=True, slots=True)
class NamedStatement:
    """``statement`` is None where its text is not kept any more."""

    fingerprint: str
    statement: Statement | None


@dataclass(frozen=True, slots=True)
class PlannedIndex:
    """``gain_ratio``: what leaving it out alone would cost, of the whole workload's cost as it is now."""

    kept: KeptIndex
    ddl: str
    gain_ratio: float | None
    helps: tuple[NamedStatement, ...]
    more: int
    suggestion: SuggestionRecord | None
    gain_words: str = ""  # in time, of the statements it helps; "" where they were not measured

    @property
    def is_built(self) -> bool:
        """On the server by now: the next run will not ask for it."""
        return self.suggestion is not None and self.suggestion.state in SuggestionRecord.FOLLOWED


@dataclass(frozen=True, slots=True)
class PlannedDrop:
    kept: KeptDrop
    ddl: str


@dataclass(frozen=True, slots=True)
class Point:
    """One set of the curve; ``gain_ratio``: of the workload's planned cost; ``time``: as show.py writes it, measured
    now and planned then."""

    number: int
    budget_bytes: int | None
    size_bytes: int
    gain_ratio: float
    bound_ratio: float | None
    time: Mapping[str, float | None] | None = None

    @property
    def saved_ratio(self) -> float | None:
        """Of the server's statement time; None where that was not measured."""
        gain = gain_from_json(self.time)
        return max(0.0, gain.saved_ratio) if gain and gain.now_s_per_day else None

    @property
    def words(self) -> str:
        """As the slider says it."""
        if not self.size_bytes:
            return "no new index"
        if self.saved_ratio is None:
            return f"{size(self.size_bytes)}: {percent(self.gain_ratio)} of the planned cost saved"
        return f"{size(self.size_bytes)}: {percent(self.saved_ratio)} of the statement time saved, as planned"


@dataclass(frozen=True, slots=True)
class StatementNote:
    """Something about a statement of the workload: why it gets nothing, that it becomes dearer."""

    name: NamedStatement
    reason: str
    cost_before: float | None = None
    cost_after: float | None = None


@dataclass(frozen=True, slots=True)
class IndexPlan:
    points: tuple[Point, ...]
    point: Point
    indexes: tuple[PlannedIndex, ...]
    drops: tuple[PlannedDrop, ...]
    ddl: str
    rollout: Rollout | None
    is_whole: bool  # the advice itself, without a budget
    hurt: tuple[StatementNote, ...]
    at_risk: tuple[StatementNote, ...]
    why_not: tuple[StatementNote, ...]
    more_why_not: int
    problems: tuple[str, ...]
    unreadable: int  # points that another version kept

    @property
    def is_empty(self) -> bool:
        return not self.indexes and not self.drops

    @property
    def is_done(self) -> bool:
        return not self.drops and self.built == len(self.indexes)

    @property
    def drops_ddl(self) -> str:
        return "\n".join(drop.ddl for drop in self.drops)

    @property
    def folds_drops(self) -> bool:
        """Whether they are one thing to do: a page of cards of a few kB each hides what matters."""
        return len(self.drops) > DROPS_APART

    @property
    def freed_bytes(self) -> int:
        return sum(drop.kept.freed_bytes or 0 for drop in self.drops)

    @property
    def in_words(self) -> SetWords:
        """The point as one line: what to do, and what that brings as long as all of it is to be done."""
        left = [index.kept.size_bytes or 0 for index in self.indexes if not index.is_built]
        size_bytes, time = (sum(left), None) if self.built else (self.point.size_bytes, self.point.time)
        return set_words(len(left), size_bytes, len(self.drops), self.freed_bytes, time)

    @property
    def built(self) -> int:
        """How many of its indexes are there."""
        return sum(index.is_built for index in self.indexes)


def index_plan(run: AdviceRun, facts: SchemaFacts | None, wanted: str | None, now: datetime) -> IndexPlan | None:
    """The curve's point asked for by number, else the last; None where there is nothing that can be read. Two queries.

    Advice without new indexes has no curve; what it drops is one point all the same.
    """
    if not run.result:
        return None
    kept = run.result.get("curve") or [_whole(run.result)]
    read, unreadable = readable(kept)
    if not read:
        return None
    curve = _steps(read)
    points = tuple(
        Point(number, p.budget_bytes, p.size_bytes, 1 - p.cost_ratio, p.bound_ratio, p.time)
        for number, p in enumerate(curve)
    )
    number = int(wanted) if wanted and wanted.isascii() and wanted.isdigit() and len(wanted) < 4 else len(points) - 1
    chosen = points[min(number, len(points) - 1)]
    said, result = curve[chosen.number], run.result
    not_helped = [s for s in result.get("statements", ()) if s["why_not"]]
    not_helped.sort(key=lambda s: -s["weight"] * s["cost_before"])
    names = _Names(run, _fingerprints(said, result, not_helped[:WHY_NOT_SHOWN]))
    suggestions = {
        s.key: s
        for s in SuggestionRecord.objects.filter(
            SuggestionRecord.OPEN_OR_BUILT, database=run.database, key__in=[i.key for i in said.indexes]
        )
    }
    indexes = tuple(_planned(index, result, names, suggestions) for index in said.indexes)
    drops = tuple(PlannedDrop(drop, statements_as_sql(drop.statements)) for drop in said.drops)
    # a built one may have a name of its own: IF NOT EXISTS would not see it, and build it again
    left = replace(said, indexes=tuple(index.kept for index in indexes if not index.is_built))
    return IndexPlan(
        points,
        chosen,
        indexes,
        drops,
        ddl=set_as_sql(left.indexes, left.drops, said.hurt, result.get("assumed")),
        rollout=_rollout(left, facts, run, now) if facts else None,
        is_whole=chosen.number == len(points) - 1 and readable(kept[-1:])[1] == 0,
        hurt=tuple(
            StatementNote(names[h.statement], VALUES_IN_WORDS.get(h.values, ""), h.cost_before, h.cost_after)
            for h in said.hurt
        ),
        at_risk=tuple(StatementNote(names[r.statement], r.reason) for r in said.at_risk),
        why_not=tuple(
            [StatementNote(names[s["statement"]], s["why_not"], s["cost_before"]) for s in not_helped[:WHY_NOT_SHOWN]]
            + [
                StatementNote(names[fingerprint], f"Not planned: {reason}")
                for fingerprint, reason in _not_planned(result)
            ]
        ),
        more_why_not=max(0, len(not_helped) - WHY_NOT_SHOWN) + max(0, len(result["not_planned"]) - WHY_NOT_SHOWN),
        problems=tuple(result.get("problems", ())),
        unreadable=unreadable,
    )


def _whole(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result itself as a point of the curve."""
    names = ("budget_bytes", "size_bytes", "cost_ratio", "bound_ratio", "time", "drops", "hurt", "at_risk")
    indexes = [{**index, "key": definition_key(index["table"], index["definition"])} for index in result["indexes"]]
    return {**{name: result.get(name) for name in names}, "indexes": indexes}


def _steps(curve: Sequence[KeptPoint]) -> list[KeptPoint]:
    """Each set once: budgets between two steps buy the same."""
    steps: list[KeptPoint] = []
    for point in curve:
        if steps and steps[-1].bought == point.bought:
            steps[-1] = replace(point, budget_bytes=steps[-1].budget_bytes)
        else:
            steps.append(point)
    return steps


class _Names:
    """Texts of the statements that the page names, by one query."""

    def __init__(self, run: AdviceRun, fingerprints: set[str]) -> None:
        records = Statement.objects.filter(server_id=run.database.server_id, fingerprint__in=fingerprints)
        self._found = {s.fingerprint: s for s in records.only("fingerprint", "normalized_sql", "server_id")}

    def __getitem__(self, fingerprint: str) -> NamedStatement:
        return NamedStatement(fingerprint, self._found.get(fingerprint))


def _fingerprints(point: KeptPoint, result: Mapping[str, Any], not_helped: Sequence[Any]) -> set[str]:
    prints = {name for index in point.indexes for name in index.helps[:STATEMENTS_SHOWN]}
    prints |= {h.statement for h in point.hurt} | {r.statement for r in point.at_risk}
    prints |= {row["statement"] for row in not_helped}
    return prints | {fingerprint for fingerprint, _ in _not_planned(result)}


def _not_planned(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted(result.get("not_planned", {}).items())[:WHY_NOT_SHOWN]


def _planned(
    index: KeptIndex,
    result: Mapping[str, Any],
    names: _Names,
    suggestions: Mapping[str, SuggestionRecord],
) -> PlannedIndex:
    cost = result.get("cost_before")
    helps = [names[name] for name in index.helps[:STATEMENTS_SHOWN]]
    gain, watched_s = gain_from_json(index.time), (result.get("time") or {}).get("watched_s")
    return PlannedIndex(
        kept=index,
        gain_words=gain_words(gain, watched_s, THIN) if gain else "",
        ddl=index_as_sql(index),
        gain_ratio=index.worth_per_day / cost if cost and index.worth_per_day is not None else None,
        helps=tuple(helps),
        more=len(index.helps) - len(helps),
        suggestion=suggestions.get(index.key),
    )


def _rollout(point: KeptPoint, facts: SchemaFacts, run: AdviceRun, now: datetime) -> Rollout | None:
    """None where something of it is not in the newest reading of the schema any more."""
    try:
        changes = list(_changes(point, facts))
    except (ParseError, LookupError):
        return None
    if not changes:
        return None
    sizes = {index.name: index.size_bytes for index in point.indexes}
    return rollout(changes, now, sizes, database=run.database.name)


def _changes(point: KeptPoint, facts: SchemaFacts) -> Iterator[Change]:
    tables = {table.qualified_name: table for table in facts}
    names: list[str] = []
    for index in point.indexes:
        definition = definition_on(tables[index.table], index.definition)
        if definition is None:
            raise LookupError(index.name)
        yield creation(definition, facts, tuple(names), name=index.name)
        names.append(index.name)
    existing = {f"{i.schema}.{i.name}": (i, table) for table in facts for i in table.indexes}
    for drop in point.drops:
        dropped, table = existing[drop.index]
        yield removal(dropped, table, facts)
