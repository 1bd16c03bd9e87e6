"""What every rule works from: one action with its effect and all that is known when it runs."""

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.findings import EvidenceLevel, Finding, Quantity, Severity
from analyzer.review.actions import Action, Kind
from analyzer.review.effects import ActionEffect
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.files.migration import Migration, MigrationStep
from analyzer.schema.facts import TableFacts
from analyzer.statements.parse import TableName

Findings = Iterator[Finding]
MOST_NAMES = 5  # in a sentence
ALL_RULES: "dict[str, Rule]" = {}  # by code, as they are defined


@dataclass(frozen=True, slots=True)
class StepContext:
    """``earlier``, ``later``: the steps around this one, less those that a ROLLBACK takes back. ``has_safe``: there is
    a safe sequence for the statement. ``number``: of the step in the migration.

    ``timeouts``: whether a lock_timeout holds, of each step of the migration.
    """

    step: MigrationStep
    action: Action
    effect: ActionEffect
    known: FactsAtStatement
    migration: Migration
    earlier: tuple[MigrationStep, ...] = ()
    later: tuple[MigrationStep, ...] = ()
    has_safe: bool = False
    number: int = 0
    timeouts: tuple[bool, ...] = ()

    @property
    def relation(self) -> TableName:
        assert self.action.relation is not None
        return self.action.relation

    @property
    def table(self) -> TableFacts | None:
        return self.known.table(self.action.relation)

    @property
    def name(self) -> str:
        """The relation's, with its schema where that is known."""
        return self.known.key(self.relation)

    @property
    def is_new(self) -> bool:
        """A table that this migration makes itself."""
        return self.known.is_new(self.action.relation)

    def same_transaction(self, step: MigrationStep) -> bool:
        return not self.step.is_alone and step.transaction == self.step.transaction


@dataclass(frozen=True, slots=True)
class Rule:
    code: str
    title: str

    def __post_init__(self) -> None:
        if self.code in ALL_RULES:
            raise ValueError(f"Two rules are called {self.code}.")
        ALL_RULES[self.code] = self

    def finding(
        self, at: StepContext, severity: Severity, message: str, hint: str, *, subject: str = "", **evidence: Quantity
    ) -> Finding:
        relation = at.action.relation
        return Finding(
            self.code,
            self.title,
            severity,
            subject or (at.name if relation is not None else at.action.name or at.action.kind.value),
            message,
            hint,
            {"line": at.step.line, **evidence},
            about=f"line {at.step.line}",
            level=EvidenceLevel.RULE,
            table=at.table.qualified_name if at.table else None,
        )


def is_of(at: StepContext, *kinds: Kind) -> bool:
    return at.action.kind in kinds and at.action.relation is not None
