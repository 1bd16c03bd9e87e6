"""Checks: one file each, found by being there. A check looks at one thing and yields findings.

    check = Check(__name__, code="PL004", title="...", severity=Severity.WARNING, rows_read=Threshold(...))

    @check.on(PlanNode)                     # PlanNode, Plan, ForeignKeyOf, Workload: see ``runs_on``
    def name(node: PlanNode, context: Context) -> Iterator[Finding]: ...

The function may leave ``context`` out. A check that lacks a fact it needs raises ``NotRun(reason)`` and is
listed as not run; it never guesses.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from analyzer.findings import EvidenceLevel, Finding, Fix, Quantity, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.foreign_keys import KeyCheckTime


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit with its unit and where it comes from: the manual (chapter), measured (what, version) or judgement."""

    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a check may know besides the thing it looks at; everything may be unknown."""

    facts: SchemaFacts | None = None
    fingerprint: str | None = None
    normalized_sql: str | None = None
    calls_per_day: float | None = None
    mean_exec_time_ms: float | None = None
    watched_s: float | None = None  # what calls_per_day is made of
    key_checks: Mapping[str, KeyCheckTime] = field(default_factory=dict)  # by foreign_key_owner


class NotRun(Exception):
    """A check cannot judge: the reason is shown to the reader."""


@dataclass
class Outcome:
    """What running checks over one thing gave; ``not_run`` maps a check's code to the reason."""

    findings: list[Finding] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)


class Check:
    def __init__(self, module: str, *, code: str, title: str, severity: Severity, **thresholds: Threshold) -> None:
        self.name = module.rpartition(".")[2]
        self.module = module
        self.code, self.title, self.severity = code, title, severity
        self.thresholds: Mapping[str, Threshold] = thresholds
        self.runs_on: type | None = None
        self._function: Callable[..., Iterable[Finding]] | None = None
        self._wants_context = False

    def __getitem__(self, name: str) -> float:
        return self.thresholds[name].value

    def __repr__(self) -> str:
        return f"<Check {self.code} {self.name}>"

    @property
    def doc(self) -> str:
        """What the check's module says of itself, for the page that explains it."""
        return inspect.getdoc(importlib.import_module(self.module)) or ""

    def on(self, kind: type) -> Callable[[Callable[..., Iterable[Finding]]], Callable[..., Iterable[Finding]]]:
        def register(function: Callable[..., Iterable[Finding]]) -> Callable[..., Iterable[Finding]]:
            self.runs_on, self._function = kind, function
            self._wants_context = len(inspect.signature(function).parameters) > 1
            return function

        return register

    def finding(
        self,
        *,
        subject: str,
        message: str,
        hint: str,
        evidence: Mapping[str, Quantity],
        severity: Severity | None = None,
        title: str | None = None,
        **more: Any,
    ) -> Finding:
        """``title``: what is wrong with this very thing, where the check's own says it of all."""
        return Finding(
            code=self.code,
            title=title or self.title,
            severity=self.severity if severity is None else severity,
            subject=subject,
            message=message,
            hint=hint,
            evidence=evidence,
            **more,
        )

    def run(self, thing: Any, context: Context | None = None) -> list[Finding]:
        """Findings in ``thing``; a container (a Plan) is walked when the check looks at its parts."""
        assert self._function is not None, f"{self} has no function"
        assert self.runs_on is not None
        parts: Iterable[Any] = (thing,) if isinstance(thing, self.runs_on) else thing
        args = (context or Context(),) if self._wants_context else ()
        return [finding for part in parts for finding in self._function(part, *args)]


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check in this folder, by code."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        candidate = getattr(importlib.import_module(f"{__name__}.{module.name}"), "check", None)
        if isinstance(candidate, Check):
            found.append(candidate)
    return tuple(sorted(found, key=lambda c: c.code))


def checks_on(*kinds: type) -> Iterator[Check]:
    return (c for c in all_checks() if c.runs_on in kinds)


def run_checks(checks: Iterable[Check], thing: Any, context: Context | None = None) -> Outcome:
    outcome = Outcome()
    for check in checks:
        try:
            outcome.findings.extend(check.run(thing, context))
        except NotRun as reason:
            outcome.not_run[check.code] = str(reason)
    return outcome


__all__ = [
    "Check", "Context", "EvidenceLevel", "Finding", "Fix", "NotRun", "Outcome", "Severity", "Threshold",
    "all_checks", "checks_on", "run_checks",
]  # fmt: skip
