"""What the projects asked in half an hour, as a server counted it, and how true and how complete findings on it are."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from analyzer.behaviour.sessions import Execution, session_evidence
from analyzer.behaviour.workload import ObservedWorkload, Origin, SessionEvidence, StatementSeries
from analyzer.findings import Finding
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.kept import encode
from analyzer.statements.fingerprint import fingerprint

INTERVALS, INTERVAL_S = 30, 60.0
REPEATED = 5  # in one request: what Sentry and Scout call N+1


@dataclass
class Recording:
    """Statements by place; ``counters`` has calls, rows and ms for each interval."""

    project: str
    rate: str
    texts: list[str]
    counters: list[Any]
    pages: dict[str, bool]
    repeats: dict[str, dict[int, float]]  # page -> statement -> calls in one request
    tags: list[dict[str, str]]  # of the first text that the server kept
    executions: list[Execution] = field(default_factory=list)  # their fingerprint is the statement's place
    facts: SchemaFacts | None = None

    def workload(self, intervals: int = INTERVALS, *, tagged: bool = True, watched: bool = True) -> ObservedWorkload:
        prints = [fingerprint(text) or text for text in self.texts]
        dense = np.array(self.counters)[:, :, :intervals]
        series: dict[str, StatementSeries] = {}
        for at, text in enumerate(self.texts):
            if prints[at] in series:
                dense[at] += (s := series[prints[at]]).calls, s.rows, s.exec_time_ms
            series[prints[at]] = StatementSeries(
                prints[at], text, 10, True, *dense[at], self.tags[at] if tagged else {}
            )
        seen = [
            replace(e, fingerprint=prints[int(e.fingerprint)], origin=e.origin if tagged else Origin())
            for e in self._executions(intervals)
        ]
        evidence = session_evidence(seen) if watched else SessionEvidence()
        return ObservedWorkload(INTERVAL_S, tuple(s for s in series.values() if s.calls.any()), self.facts, evidence)

    def _executions(self, intervals: int) -> list[Execution]:
        """Those of the first intervals, which take about equally long."""
        times = [e.began_s for e in self.executions]
        until_s = min(times) + (max(times) - min(times)) * intervals / INTERVALS if times else 0.0
        return [e for e in self.executions if e.began_s <= until_s]

    def asked(self) -> dict[str, dict[str, float]]:
        """Of each page with N+1: how often a request of it asks which statement."""
        found: dict[str, dict[str, float]] = {}
        for page, is_planted in self.pages.items():
            if is_planted:
                found[page] = defaultdict(float)
                for at, calls in self.repeats[page].items():
                    found[page][fingerprint(self.texts[at]) or self.texts[at]] += calls
        return found


@dataclass
class Judgement:
    """``repeated``, ``named``, ``missed``: (page, statement)."""

    findings: list[Finding] = field(default_factory=list)
    false: list[Finding] = field(default_factory=list)
    planted: int = 0
    repeated: set[tuple[str, str]] = field(default_factory=set)
    named: set[tuple[str, str]] = field(default_factory=set)
    wrong_routes: list[Finding] = field(default_factory=list)

    @property
    def pages(self) -> set[str]:
        return {page for page, _ in self.named}

    @property
    def missed(self) -> set[tuple[str, str]]:
        return self.repeated - self.named


def judge(recording: Recording, findings: Sequence[Finding]) -> Judgement:
    """A finding is true if every statement it names is repeated on a planted page that asks the one above it too."""
    asked = recording.asked()
    selects = {page: {f for f, n in of.items() if n >= REPEATED - 1} for page, of in asked.items()}
    judged = Judgement(
        list(findings),
        planted=len(asked),
        repeated={(page, f) for page, of in asked.items() for f, n in of.items() if n >= REPEATED},
    )
    for finding in findings:
        above, *others = finding.related_fingerprints or ("",)
        pages = {
            f: {page for page, of in asked.items() if f in selects[page] and (not above or above in of)}
            for f in (finding.about, *others)
        }
        named = {(page, f) for f, of in pages.items() for page in of}
        judged.named |= named
        if not all(pages.values()):
            judged.false.append(finding)
        route = finding.evidence.get("route")
        if route and route not in {page for page, _ in named}:
            judged.wrong_routes.append(finding)
    return judged


def as_json(recording: Recording) -> dict[str, Any]:
    """Without the facts: those go as ``analyzer.schema.kept.encode`` has them."""
    return {
        "project": recording.project, "rate": recording.rate, "texts": recording.texts,
        "counters": np.round(np.array(recording.counters), 2).tolist(), "pages": recording.pages,
        "repeats": recording.repeats,
        "tags": recording.tags,
        "executions": [
            [e.session, round(e.began_s, 4), e.transaction_s and round(e.transaction_s, 4), e.fingerprint, *e.origin]
            for e in recording.executions
        ],
        "facts": json.loads(encode(recording.facts)) if recording.facts else None,
    }  # fmt: skip


def from_json(data: Mapping[str, Any]) -> Recording:
    repeats = {page: {int(at): n for at, n in found.items()} for page, found in data["repeats"].items()}
    executions = [Execution(*each[:4], Origin(*each[4:])) for each in data["executions"]]
    return Recording(
        **{**data, "repeats": repeats, "executions": executions, "facts": msgspec.convert(data["facts"], SchemaFacts)}
    )
