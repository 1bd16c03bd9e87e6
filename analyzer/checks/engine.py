"""Runs checks over things: dispatch, thresholds, what could not be judged, what failed.

A check is one module of a sub-package of this folder, found by being there. What a check can look at is listed in
``kinds.py``; ``Check.on`` of anything else fails at import. A check that lacks a fact raises ``NotRun(reason)``; what
it found before stays. One that fails costs nobody else a finding. Both are kept with the thing concerned: what was not
judged closes nothing.

Long: what a check may say and what becomes of it are one contract.
"""

import hashlib
import importlib
import inspect
import logging
import pkgutil
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from analyzer.checks import alike, impact
from analyzer.checks.grouping import grouped
from analyzer.checks.kinds import KINDS, SubjectKind
from analyzer.checks.node import place, unique_label
from analyzer.checks.threshold import Threshold
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.plans.conditions import readings_kept
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.foreign_keys import KeyCheckTime
from analyzer.schema.replica_scans import ReplicaScans
from analyzer.schema.standing import HeldBack
from analyzer.schema.without_index import Proofs
from analyzer.statements.equivalents import rewrites_kept

logger = logging.getLogger(__name__)

# in analyzer/: what a check of plans may use
JUDGES_PLANS = ("checks", "plans", "statements", "schema", "words", "findings.py")
ANYTHING = ""  # in Outcome: all that the check could have said of the container
LEAST_EXPLAINED = 0.1  # of a finding's time, by another; judgement
Function = Callable[..., Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Context:
    """What a check may know besides the thing it looks at; everything may be unknown."""

    facts: SchemaFacts | None = None  # of things in a schema that schema, whoever runs the checks
    fingerprint: str | None = None
    normalized_sql: str | None = None
    calls_per_day: float | None = None
    mean_exec_time_ms: float | None = None
    watched_s: float | None = None  # what calls_per_day is made of
    key_checks: Mapping[str, KeyCheckTime] = field(default_factory=dict)  # by foreign_key_owner
    without_index: Proofs = field(default_factory=dict)  # what the planner said of indexes that look needless
    replica_scans: ReplicaScans | None = None  # None: no replica of the server is known
    columns_set: Mapping[str, frozenset[str]] | None = None  # by table, of recorded UPDATEs; None: not looked for
    # by table that a recorded SELECT reads, which columns that are NULL throughout recorded statements name; None: not
    # looked for
    empty_columns_named: Mapping[str, frozenset[str]] | None = None
    vacuum_holder: HeldBack | None = None  # of what SV012 found


class NotRun(Exception):
    """A check cannot judge this thing: the reason is shown to the reader."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator changed for one server: checks that are off, by code, and thresholds by (code, name)."""

    off: frozenset[str] = frozenset()
    thresholds: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def severity_limits(self) -> Mapping[str, float]:
        """``impact.LIMITS`` in force."""
        shared = impact.SEVERITY_BY_TIME.code
        return {name: self.thresholds.get((shared, name), value) for name, value in impact.LIMITS.items()}


AS_THEY_COME = Rules()


@dataclass
class Outcome:
    """What running checks gave. ``not_run`` and ``failed``: check's code -> what it could not judge -> why.

    What: ``Finding.about`` of the thing (see ``SubjectKind.about``), or ANYTHING. ``failed`` holds the kind of error,
    never its text: that may hold a value.
    """

    findings: list[Finding] = field(default_factory=list)
    not_run: dict[str, dict[str, str]] = field(default_factory=dict)
    failed: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        self.findings.extend(other.findings)
        for mine, others in ((self.not_run, other.not_run), (self.failed, other.failed)):
            for code, reasons in others.items():
                mine.setdefault(code, {}).update(reasons)

    @property
    def unjudged(self) -> dict[str, set[str]]:
        """Code -> what it did not judge, for whatever reason."""
        unjudged: defaultdict[str, set[str]] = defaultdict(set)
        for reasons in (self.not_run, self.failed):
            for code, things in reasons.items():
                unjudged[code].update(things)
        return dict(unjudged)


_rules: ContextVar[Rules] = ContextVar("rules", default=AS_THEY_COME)


@contextmanager
def rules_in_force(rules: Rules) -> Iterator[None]:
    """Checks that run inside use these thresholds, and those that are off do not run."""
    token = _rules.set(rules)
    try:
        yield
    finally:
        _rules.reset(token)


@dataclass(frozen=True, slots=True)
class EveryOther:
    """Codes of all checks but these, for one that speaks only where no other explains the time."""

    but: frozenset[str] = frozenset()

    def __contains__(self, code: object) -> bool:
        return code not in self.but


class Check:
    """A rule. ``check["rows_read"]`` is a threshold's value in force; ``@check.on(kind)`` gives it its function."""

    def __init__(
        self,
        module: str,
        *,
        code: str,
        title: str,
        severity: Severity,
        gives_way_to: Container[str] = (),
        together: Severity | None = None,
        reads_figures: bool = False,
        **thresholds: Threshold,
    ) -> None:
        """``gives_way_to``: codes of checks that explain the same thing better, see ``_best_explained``.

        ``together``: a database gets one finding of it, however many tables it concerns, of those that are no more
        severe (``checks/grouping.py``). ``reads_figures``: a check of plans that says something of the figures of
        ``Finding.table``; the plan is judged again when they move.
        """
        self.name = module.rpartition(".")[2]
        self.module = module
        self.code, self.title, self.severity = code, title, severity
        self.gives_way_to = gives_way_to
        self.together, self.reads_figures = together, reads_figures
        self.thresholds: Mapping[str, Threshold] = thresholds
        self.node_types: tuple[str, ...] = ()
        self.wants_context = False
        self._kind: SubjectKind | None = None
        self.function: Function = self._without_function

    def __getitem__(self, name: str) -> float:
        changed = _rules.get().thresholds
        if changed and (self.code, name) in changed:
            return changed[self.code, name]
        return self.thresholds[name].value

    def __repr__(self) -> str:
        return f"<Check {self.code} {self.name}>"

    @cached_property
    def doc(self) -> str:
        """What the check's module says of itself, for the page that explains it."""
        return inspect.getdoc(importlib.import_module(self.module)) or ""

    @property
    def kind(self) -> SubjectKind:
        assert self._kind is not None, f"{self} has no function"
        return self._kind

    def _without_function(self, _: Any) -> Iterable[Finding]:
        raise AssertionError(f"{self} has no function")

    def on(self, thing: type, *node_types: str) -> Callable[[Function], Function]:
        """The check looks at things of this type; of plan nodes only at those of ``node_types``, where given."""
        kind = KINDS.get(thing)
        if kind is None:
            raise TypeError(f"{self.module}: no step provides {thing.__name__}; analyzer/checks/kinds.py has the list")
        if node_types and thing is not PlanNode:
            raise TypeError(f"{self.module}: only PlanNode has node types")

        def register(function: Function) -> Function:
            self._kind, self.function, self.node_types = kind, function, node_types
            self.wants_context = len(inspect.signature(function).parameters) > 1
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
        node: PlanNode | None = None,
        **more: Any,
    ) -> Finding:
        """``title``: what is wrong with this very thing, where the check's own says it of all.

        ``node``: the one a check of whole plans speaks of; checks of nodes leave it out.
        """
        if node is not None:
            more["place"] = place(node)
            subject = unique_label(node) if subject == node.label else subject
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


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check in the sub-packages of this folder, by code."""
    package = __package__ or ""
    checks = []
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not module.ispkg and module.name.count(".") > package.count(".") + 1:
            check = getattr(importlib.import_module(module.name), "check", None)
            if isinstance(check, Check):
                checks.append(check)
    return tuple(sorted(checks, key=lambda c: c.code))


def checks_of(container: type, rules: Rules = AS_THEY_COME) -> list[Check]:
    """The checks that look at something in such a container, without those that are off."""
    return [c for c in _by_container(all_checks()).get(container, ()) if c.code not in rules.off]


@cache
def _by_container(checks: tuple[Check, ...]) -> Mapping[type, Sequence[Check]]:
    by_container: defaultdict[type, list[Check]] = defaultdict(list)
    for check in checks:
        by_container[check.kind.container].append(check)
    return by_container


@cache
def version() -> str:
    """Changes with the code that judges a plan: findings kept with another version are not to be kept on."""
    analyzer = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for source in sorted(analyzer.rglob("*.py")):
        if source.relative_to(analyzer).parts[0] in JUDGES_PLANS:
            digest.update(source.read_bytes())
    return digest.hexdigest()[:32]


def run_checks(
    container: Any,
    context: Context | None = None,
    *,
    checks: Collection[Check] | None = None,
    rules: Rules = AS_THEY_COME,
    stop_on: tuple[type[Exception], ...] = (),
) -> Outcome:
    """Findings of all checks that look at ``container`` or at something in it, rated by what ``context`` knows.

    ``checks``: only these. ``stop_on``: errors that are not the check's own, such as a time limit's.
    """
    context = context or Context()
    outcome = find(container, context, checks=checks, rules=rules, stop_on=stop_on)
    load = impact.Load(context.calls_per_day, context.mean_exec_time_ms, context.watched_s)
    outcome.findings = impact.rated(outcome.findings, load, rules.severity_limits)
    if isinstance(container, SchemaFacts):
        together = {check.code: check.together for check in all_checks() if check.together is not None}
        outcome.findings = grouped(outcome.findings, container, together)
    return outcome


def find(
    container: Any,
    context: Context,
    *,
    checks: Collection[Check] | None = None,
    rules: Rules = AS_THEY_COME,
    stop_on: tuple[type[Exception], ...] = (),
) -> Outcome:
    """As ``run_checks``, not rated and not put together: what it gives of a plan holds as long as the plan, the schema
    and the checks."""
    if isinstance(container, SchemaFacts):
        context = replace(context, facts=container)
    run = _Run(context, stop_on)
    chosen = checks_of(type(container), rules)
    if checks is not None:
        wanted = {check.code for check in checks}
        chosen = [check for check in chosen if check.code in wanted]
    with rules_in_force(rules), readings_kept(), rewrites_kept():
        for thing, checks_of_thing in _things(container, chosen):
            for check in checks_of_thing:
                run.one(check, thing)
    run.outcome.findings = _best_explained(run.outcome.findings, chosen)
    if isinstance(container, Plan):
        run.outcome.findings = alike.as_one(run.outcome.findings)
    return run.outcome


def _best_explained(findings: list[Finding], checks: Collection[Check]) -> list[Finding]:
    """Without those that another check explains better, on the same node; of those on no node, anywhere, but for what
    takes hardly any of their time."""
    gives_way = {check.code: check.gives_way_to for check in checks if check.gives_way_to}
    if not any(f.code in gives_way for f in findings):
        return findings
    by_code: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_code[finding.code].append(finding)

    def is_explained_better(finding: Finding) -> bool:
        codes = gives_way.get(finding.code, ())
        better = (other for code in by_code.keys() - {finding.code} if code in codes for other in by_code[code])
        if finding.place is None:
            return any(not _is_little_of(other.time_ms, finding.time_ms) for other in better)
        return any(finding.place == other.place or finding.place in other.also_at for other in better)

    return [finding for finding in findings if not is_explained_better(finding)]


def _is_little_of(part_ms: float | None, time_ms: float | None) -> bool:
    """Of times that are not known, nobody can say so."""
    return part_ms is not None and time_ms is not None and part_ms < LEAST_EXPLAINED * time_ms


class _Run:
    def __init__(self, context: Context, stop_on: tuple[type[Exception], ...]) -> None:
        self.context, self.outcome = context, Outcome()
        self.stop_on: tuple[type[Exception], ...] = (*stop_on, MemoryError)

    def one(self, check: Check, thing: Any) -> None:
        findings: list[Finding] = []
        function = check.function
        try:  # extended one by one: what was found before NotRun stays
            findings.extend(function(thing, self.context) if check.wants_context else function(thing))
        except NotRun as reason:
            self.outcome.not_run.setdefault(check.code, {})[self._about(check, thing)] = str(reason)
        except self.stop_on:
            raise
        except Exception as error:
            about = self._about(check, thing)
            logger.exception("check %s failed on %s", check.code, about or "everything")
            self.outcome.failed.setdefault(check.code, {})[about] = type(error).__name__
            findings = []
        if findings:
            for finding in findings:
                self._place(check, thing, finding)
            self.outcome.findings.extend(findings)

    def _about(self, check: Check, thing: Any) -> str:
        return check.kind.about(thing, self.context.fingerprint)

    def _place(self, check: Check, thing: Any, finding: Finding) -> None:
        """What the check left out. Nobody has the finding yet, and a copy takes longer than making it did."""
        if not finding.about:
            object.__setattr__(finding, "about", self._about(check, thing))
        if isinstance(thing, PlanNode) and finding.place is None:
            if finding.subject == thing.label:
                object.__setattr__(finding, "subject", unique_label(thing))
            object.__setattr__(finding, "place", place(thing))


def _things(container: Any, checks: Sequence[Check]) -> Iterator[tuple[Any, Sequence[Check]]]:
    by_kind: defaultdict[SubjectKind, list[Check]] = defaultdict(list)
    for check in checks:
        by_kind[check.kind].append(check)
    for kind, of_kind in by_kind.items():
        if kind.subject_type is not PlanNode:
            for thing in kind.subjects(container):
                yield thing, of_kind
            continue
        by_type: dict[str, list[Check]] = {}  # filled as node types are met
        for node in kind.subjects(container):
            of_type = by_type.get(node.node_type)
            if of_type is None:
                of_type = [c for c in of_kind if not c.node_types or node.node_type in c.node_types]
                by_type[node.node_type] = of_type
            if of_type:
                yield node, of_type
