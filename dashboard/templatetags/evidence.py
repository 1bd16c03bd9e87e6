"""The planner's evidence in one line: of a suggestion, and of whether the twin plans as the server does."""

from django import template

from analyzer.advice.planned_evidence import PlannedEvidence
from analyzer.findings import EvidenceLevel
from analyzer.models import PlanRecord, SuggestionRecord
from dashboard.templatetags.texts import level_sentence, visible

register = template.Library()


@register.filter
def level_of(suggestion: SuggestionRecord) -> str:
    """The evidence level, with the planner that was asked."""
    evidence = PlannedEvidence.from_json(suggestion.evidence)
    if suggestion.level == EvidenceLevel.PLANNED and evidence is not None and evidence.planner == "HypoPG":
        return "Planned: the server's own planner chose it, asked through HypoPG."
    return level_sentence(suggestion.level)


@register.filter
def twin_words(plan: PlanRecord) -> str:
    """Short enough for a table."""
    if plan.is_by_twin:
        return "its own plan"
    if plan.twin_asked_at is None:
        return "not asked yet"
    verdict = plan.twin_verdict
    for said, words in (("different", "plans it differently"), ("not planned", "cannot plan it")):
        if verdict.startswith(said):
            return words
    return visible(verdict)


@register.filter
def twin_doubt(plan: PlanRecord) -> bool:
    return plan.twin_asked_at is not None and not plan.twin_verdict.startswith("same")


@register.filter
def twin_sentence(plan: PlanRecord) -> str:
    """What that means for advice on the statement; begins with "The twin"."""
    verdict = plan.twin_verdict
    if plan.is_by_twin:
        return "The twin made this plan: the server was not asked for one."
    if plan.twin_asked_at is None:
        return "The twin was not asked yet whether it plans this the same."
    _, _, rest = verdict.partition(": ")
    if verdict.startswith("different"):
        return visible(
            f"The twin plans it differently: {rest.rstrip('.')} there. Advice for it is worth a second look."
        )
    if verdict.startswith("not planned"):
        return visible(f"The twin could not plan it: {rest.rstrip('.')}.")
    cost = f", {verdict.removeprefix('same shape, ')}" if verdict.startswith("same shape, ") else ""
    return visible(f"The twin plans it the same{cost}: advice for it can be trusted.")
