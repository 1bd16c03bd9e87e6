"""What cannot be taken back, and a way back that the migration lacks."""

from analyzer.findings import Severity
from analyzer.review.actions import Kind
from analyzer.review.rules.rule import Findings, Rule, StepContext
from analyzer.review.way_back import LOST

GONE = Rule("MG050", "Cannot be taken back")
NO_WAY_BACK = Rule("MG051", "No way back")
SAID_ELSEWHERE = frozenset({Kind.DROP_TABLE, Kind.DROP_COLUMN, Kind.TRUNCATE, Kind.DROP_DATABASE, Kind.DROP_SCHEMA})


def cannot_be_taken_back(at: StepContext) -> Findings:
    """Of what no other rule says it."""
    lost = LOST.get(at.action.kind)
    if lost is None or at.action.kind in SAID_ELSEWHERE or at.is_new or at.action.kind is not Kind.ADD_ENUM_VALUE:
        return
    yield GONE.finding(
        at, Severity.INFO, f"No migration brings back {lost}.", "Add it when it is sure to stay.",
        subject=f"{at.action.name}.{at.action.column}",
    )  # fmt: skip


def lacks_way_back(at: StepContext) -> Findings:
    if not at.migration.no_way_back:
        return
    before = max((step.line for step in at.earlier), default=0)
    for remark in at.migration.no_way_back:
        is_here = before < remark.line <= at.step.line and at.action is at.step.actions[0]
        if is_here:
            is_sql = at.migration.framework == "sql"
            hint = "See the way back below." if is_sql else "Write it, or say that there is none."
            yield NO_WAY_BACK.finding(at, Severity.WARNING, remark.text, hint)


RULES = (cannot_be_taken_back, lacks_way_back)
