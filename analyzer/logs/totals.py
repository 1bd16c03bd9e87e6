"""Entries -> how often and how long each statement ran, with a few of its runs and plans as the log has them.

Memory stays the same however long the log is: of a statement the slowest and the newest run are kept and the slowest
plan of each shape, and where there are too many statements, those that took least time are given up.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass, field

from analyzer.logs.entry import NOTHING, PLAN, LogEntry
from analyzer.logs.events import PREPARED, query_text
from analyzer.logs.text_key import LONG, text_key

MOST_STATEMENTS = 10_000
MOST_KEPT_BYTES = 64_000_000
PLANS_PER_STATEMENT = 3
MOST_KEYS = 10_000  # of texts up to LONG
# Steps and what they are on, in the order printed, in JSON, in text and in YAML and XML.
STEPS = re.compile(
    rb'"(?:Node Type|Relation Name|Index Name|Join Type)": "([^"]*)"'
    rb"|^ *(?:->  )?([A-Z][^\n]*?)  \((?:cost=|actual )"
    rb'|(?:Node Type|Relation Name|Index Name|<Node-Type|<Relation-Name|<Index-Name)[:>] ?"?([^"\n<]*)',
    re.MULTILINE,
)

StatementKey = tuple[bytes | None, Hashable]  # its database and text


@dataclass(slots=True)
class Runs:
    """Of one statement, by one source: entries that name it, or plans of it."""

    calls: int = 0
    total_ms: float = 0.0
    slowest: LogEntry | None = None
    newest: LogEntry | None = None

    def add(self, entry: LogEntry) -> None:
        self.calls += 1
        self.total_ms += entry.duration_ms
        self.newest = entry
        if self.slowest is None or entry.duration_ms > self.slowest.duration_ms:
            self.slowest = entry

    def merge(self, other: "Runs") -> None:
        """``other``: of the same statement, written otherwise."""
        self.calls += other.calls
        self.total_ms += other.total_ms
        if other.slowest and (self.slowest is None or other.slowest.duration_ms > self.slowest.duration_ms):
            self.slowest = other.slowest
        if other.newest and (self.newest is None or other.newest.when > self.newest.when):
            self.newest = other.newest


@dataclass(slots=True)
class Logged:
    """One statement in one database. Its runs and their plans are logged apart: ``main`` is what there is more of."""

    database: bytes | None
    runs: Runs = field(default_factory=Runs)
    planned: Runs = field(default_factory=Runs)
    plans: dict[Hashable, LogEntry] = field(default_factory=dict)  # the slowest of each shape

    @property
    def main(self) -> Runs:
        return self.runs if self.runs.calls >= self.planned.calls else self.planned

    @property
    def total_ms(self) -> float:
        return self.main.total_ms

    def merge(self, other: "Logged") -> None:
        self.runs.merge(other.runs)
        self.planned.merge(other.planned)
        for shape, entry in other.plans.items():
            self._keep_plan(shape, entry)

    def add_plan(self, entry: LogEntry) -> None:
        self.planned.add(entry)
        self._keep_plan(tuple(STEPS.findall(entry.text)), entry)

    def _keep_plan(self, shape: Hashable, entry: LogEntry) -> None:
        known = self.plans.get(shape)
        if known is not None and known.duration_ms >= entry.duration_ms:
            return
        self.plans[shape] = entry
        if len(self.plans) > PLANS_PER_STATEMENT:
            del self.plans[min(self.plans, key=lambda s: self.plans[s].duration_ms)]


class LogTotals:
    def __init__(self) -> None:
        self.statements: dict[StatementKey, Logged] = {}
        self.entries = self.plans = 0
        self.without_text = 0  # durations that log_duration wrote alone
        self.given_up = 0  # statements, for want of room
        self.first: bytes | None = None  # as an entry's ``when``
        self.last: bytes | None = None
        self._keys: dict[bytes, Hashable] = {}
        self._added_bytes = 0  # since room was made, at most

    def add(self, entry: LogEntry) -> None:
        if entry.kind == NOTHING:
            self.without_text += 1
            return
        self.entries += 1
        self.first = self.first or entry.when
        self.last = entry.when
        is_plan = entry.kind == PLAN
        text = query_text(entry.text) if is_plan else _executed(entry)
        if text is None:
            return
        key = (entry.database, self._key(text))
        logged = self.statements.get(key)
        if logged is None:
            logged = self.statements[key] = Logged(entry.database)
            self._added_bytes += len(text)
        if is_plan:
            self.plans += 1
            logged.add_plan(entry)
        else:
            logged.runs.add(entry)
        if len(entry.text) > LONG:  # as if it took room of its own: it may stay in the place of a shorter one
            self._added_bytes += len(entry.text)
        if len(self.statements) > 2 * MOST_STATEMENTS or self._added_bytes > MOST_KEPT_BYTES:
            self._make_room()

    def _key(self, text: bytes) -> Hashable:
        if b"$" not in text:
            return text_key(text)
        key = self._keys.get(text)  # with parameters, the same text comes again and again
        if key is None:
            if len(self._keys) >= MOST_KEYS or len(text) > LONG:
                self._keys.clear()
            key = self._keys[text] = text_key(text)
        return key

    def dearest(self) -> list[Logged]:
        return sorted(self.statements.values(), key=lambda s: -s.total_ms)

    def _make_room(self) -> None:
        """Keep the dearer statements, as many as fill half of the room."""
        by_cost = sorted(self.statements.items(), key=lambda item: -item[1].total_ms)
        kept: dict[StatementKey, Logged] = {}
        size = 0
        for key, logged in by_cost[:MOST_STATEMENTS]:
            size += _size(logged)
            if size > MOST_KEPT_BYTES // 2 and kept:
                break
            kept[key] = logged
        self.given_up += len(self.statements) - len(kept)
        self.statements = kept
        self._added_bytes = sum(map(_size, kept.values()))


def _executed(entry: LogEntry) -> bytes | None:
    """Of ``EXECUTE name (...)`` the statement that was prepared, which the server adds; None of PREPARE itself."""
    if entry.detail.startswith(PREPARED):
        return entry.detail[len(PREPARED) :]
    is_prepare = entry.text[:8].lower() == b"prepare " and not entry.text[8:19].lower().startswith(b"transaction")
    return None if is_prepare else entry.text


def _size(logged: Logged) -> int:
    entries = [logged.runs.slowest, logged.runs.newest, logged.planned.slowest, logged.planned.newest]
    distinct = {id(e): e for e in [*entries, *logged.plans.values()] if e is not None}
    return sum(len(e.text) + len(e.detail) for e in distinct.values())
