"""Rows that roles see no more: row level security that is enabled, holds for the owner, or loses its last policy."""

from collections.abc import Iterable, Iterator

from pglast import ast

from analyzer.findings import Severity
from analyzer.review.actions import Action, Kind
from analyzer.review.alter_table import AT as ALTER
from analyzer.review.files.migration import MigrationStep
from analyzer.review.rules.rule import Findings, StepContext
from analyzer.review.rules.taken_away import LOST
from analyzer.review.traffic import traffic

POLICY_FIRST = "CREATE POLICY first: it does nothing before row level security is enabled."
ENABLED = {ALTER.AT_EnableRowSecurity: True, ALTER.AT_DisableRowSecurity: False}
FORCED = {ALTER.AT_ForceRowSecurity: True, ALTER.AT_NoForceRowSecurity: False}


def enabled_without_policy(at: StepContext) -> Findings:
    if at.action.kind is not Kind.ROW_SECURITY or at.is_new or _is(ENABLED, at, at.earlier) or _policies(at):
        return
    is_known = at.table is not None and at.table.policies is not None
    if_so = " From then on" if is_known else " If it has none, from then on"
    yield LOST.finding(
        at, _severity(at), f"No policy is made for {at.name} in the same transaction.{if_so} {_nobody_sees(at)}",
        POLICY_FIRST,
    )  # fmt: skip


def forced_on_owner(at: StepContext) -> Findings:
    """But where ENABLE beside it says it."""
    if getattr(at.action.node, "subtype", None) != ALTER.AT_ForceRowSecurity or at.is_new:
        return
    is_enabled, policies = _is(ENABLED, at, _transaction(at)), _policies(at)
    is_beside = is_enabled and not _is(ENABLED, at, at.earlier)
    if _is(FORCED, at, at.earlier) or (is_beside and not policies) or (at.table is not None and not is_enabled):
        return
    if policies or at.table is None or at.table.policies is None:
        if_so = "" if is_enabled else " where row level security is enabled"
        yield LOST.finding(
            at, Severity.INFO,
            f"From then on the policies of {at.name} hold for its owner, too{if_so}: what runs as the owner sees the"
            " rows alone that one lets through, without an error.",
            "See what runs as the owner: jobs, functions with SECURITY DEFINER, views.",
        )  # fmt: skip
    else:
        yield LOST.finding(
            at, _severity(at), f"{at.name} has no policy. From then on {_nobody_sees(at)}", "CREATE POLICY first."
        )


def last_policy_dropped(at: StepContext) -> Findings:
    action, table = at.action, at.table
    if action.kind is not Kind.POLICY or not action.is_off or table is None or not table.policies or at.is_new:
        return
    if _policies(at) or not _is(ENABLED, at, _transaction(at)):
        return
    yield LOST.finding(
        at, _severity(at), f"{action.name} is the last policy of {at.name}. From then on {_nobody_sees(at)}",
        "Make the new policy in the same transaction, or DISABLE ROW LEVEL SECURITY.",
    )  # fmt: skip


def _severity(at: StepContext) -> Severity:
    using = traffic(at.known, at.relation)
    return Severity.INFO if using is not None and not using.statements else Severity.WARNING


def _nobody_sees(at: StepContext) -> str:
    is_forced = _is(FORCED, at, _transaction(at))
    who = "superusers" if is_forced else "its owner, superusers"
    neither = ", its owner neither" if is_forced else ""
    return (
        f"all but {who} and roles with BYPASSRLS see no row of it{neither}, without an error, and what they INSERT is"
        " refused."
    )


def _transaction(at: StepContext) -> list[MigrationStep]:
    """All steps until the end of this one's transaction."""
    return [*at.earlier, at.step, *(step for step in at.later if at.same_transaction(step))]


def _is(states: dict[object, bool], at: StepContext, steps: Iterable[MigrationStep]) -> bool:
    """Whether row level security is enabled, or forced, after the steps."""
    there = at.table is not None and (at.table.has_row_security if states is ENABLED else at.table.forces_row_security)
    for action in _own(at, steps):
        there = states.get(getattr(action.node, "subtype", None), there)
    return there


def _policies(at: StepContext) -> set[str]:
    """Names of those at the end of the transaction, as far as they are known."""
    names = {policy.name for policy in at.table.policies or ()} if at.table is not None else set()
    for action in _own(at, _transaction(at)):
        if isinstance(action.statement, ast.CreatePolicyStmt):
            names.add(action.statement.policy_name)
        elif action.kind is Kind.POLICY and action.is_off:
            names.discard(action.name)
    return names


def _own(at: StepContext, steps: Iterable[MigrationStep]) -> Iterator[Action]:
    for step in steps:
        for action in step.actions:
            if action.relation is not None and at.known.key(action.relation) == at.name:
                yield action


RULES = (enabled_without_policy, forced_on_owner, last_policy_dropped)
