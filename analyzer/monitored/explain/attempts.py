"""A statement on its way through the gate: what is known of it so far, and the outcomes made of that."""

import hashlib
import math
from dataclasses import dataclass, field, replace
from typing import Any

from analyzer.errors import StatementFailed
from analyzer.monitored.explain.gate import ExplainOutcome, ExplainRequest, OutcomeDecision
from analyzer.monitored.explain.gate_catalog import CatalogVerdict
from analyzer.monitored.explain.gate_limits import ExplainLimits
from analyzer.plans import Plan, PlanError, parse_plan
from analyzer.plans.read_plan import read_plan as read_source
from analyzer.plans.redact import redact_plan
from analyzer.statements.folding import FoldedSizes
from analyzer.statements.names import StatementNames
from analyzer.statements.preparable import Preparable
from analyzer.statements.safety import Verdict
from analyzer.statements.secrets import redact_sql
from analyzer.values.choose import LIST_ELEMENTS, LONG_LIST_ELEMENTS, ValuesSource, list_assumption

OWN_SETTINGS = ("search_path", "plan_cache_mode")  # set by us for the run, so no fact about the server
REWRITES = {
    "typed_literal": "a typed literal became a CAST",
    "type": "a literal's lost type was taken from where it stands",
    "extract": "EXTRACT became date_part",
    "group_by_twin": "a literal was copied from its twin in GROUP BY or ORDER BY",
    "size": "a size was taken to be small",
    "format": "a format was taken to be plain",
    "limit": "a number was put after LIMIT",
}


@dataclass(frozen=True, slots=True)
class ExplainCandidate:
    """A text with its values, worth executing; ``plan_json`` is what plain EXPLAIN said of it."""

    source: ValuesSource
    text: str = field(repr=False)
    literals: tuple[str, ...] = field(repr=False)
    assumptions: tuple[str, ...] = ()  # in words
    is_recursive: bool = False
    plan_json: Any = field(default=None, repr=False)
    plan: Plan | None = None
    sizes: FoldedSizes = field(default_factory=FoldedSizes)


@dataclass(slots=True)
class Checked:
    """A statement that passed the text and tree layers, with what became known of it since."""

    request: ExplainRequest
    limits: ExplainLimits
    text: str
    preparable: Preparable
    verdict: Verdict
    long_text: str | None = field(default=None, repr=False)  # with long lists, where calls bring many rows
    sampled: str | None = field(default=None, repr=False)
    names: StatementNames = field(default_factory=StatementNames)  # of all its texts, as the application wrote them
    products: int = 0  # in any of its texts
    catalog: CatalogVerdict = field(default_factory=CatalogVerdict)
    catalog_checked_at: float = -math.inf  # monotonic: when the catalog layer was last asked
    generic_json: Any = None
    generic: Plan | None = None
    generic_error: str = ""
    needs_foreign_code: bool = False
    is_too_much: bool = False  # a limit ended it while it was planned
    spent_ms: float = 0.0  # not yet told in an outcome

    @property
    def has_parameters(self) -> bool:
        return self.verdict.parameter_count > 0

    def outcome(
        self, decision: OutcomeDecision, layer: str, reason: str, candidate: ExplainCandidate | None = None
    ) -> ExplainOutcome:
        """With the candidate's plan, else the generic one."""
        plan, plan_json = (candidate.plan, candidate.plan_json) if candidate else (self.generic, self.generic_json)
        source: ValuesSource = candidate.source if candidate else ("generic" if self.has_parameters else "none")
        spent_ms, self.spent_ms = self.spent_ms, 0.0
        return ExplainOutcome(
            decision=decision,
            layer=layer,
            reason=reason,
            values_source=source,
            plan_json=plan_json,
            plan=plan,
            rewrites=self._rewrites(candidate),
            duration_ms=spent_ms,
            text_hash=text_hash(self.request.sql if candidate is None else candidate.text),
        )

    def for_twin(self, layer: str, reason: str) -> ExplainOutcome:
        """Nothing about it was sent, or is to be sent again: only the planner twin may plan it."""
        return replace(self.outcome("refused", layer, reason), is_for_twin=True)

    def _rewrites(self, candidate: ExplainCandidate | None) -> tuple[str, ...]:
        """What differs between what ran in the application and what was planned; a sample is planned as it ran."""
        if candidate is not None and candidate.source == "sampled":
            return self.request.rewrites
        kinds = [r.kind for r in self.preparable.rewrites]
        said = [REWRITES.get(kind, kind) for kind in kinds if kind != "list"]
        if "list" in kinds:
            is_long = candidate is not None and candidate.text == self.long_text
            said.append(list_assumption(LONG_LIST_ELEMENTS if is_long else LIST_ELEMENTS))
        return tuple(dict.fromkeys([*self.request.rewrites, *said, *(candidate.assumptions if candidate else ())]))


def read_plan(answer: str) -> tuple[Any, Plan]:
    """Redacted JSON and its tree, without the settings that we made ourselves."""
    try:
        plan_json = redact_plan(read_source(answer))
        for entry in plan_json if isinstance(plan_json, list) else [plan_json]:
            own = entry.get("Settings") if isinstance(entry, dict) else None
            if isinstance(own, dict):
                for name in OWN_SETTINGS:
                    own.pop(name, None)
                if not own:
                    del entry["Settings"]
        return plan_json, parse_plan(plan_json)
    except PlanError as error:
        raise StatementFailed("reading a plan", None, str(error)) from error


def text_hash(text: str) -> str:
    """Of the text without literals: a hash of a short personal value could be guessed."""
    return hashlib.sha256((redact_sql(text) or text).encode(errors="replace")).hexdigest()
