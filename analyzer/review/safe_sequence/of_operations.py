"""The safe sequence of one operation, in the framework's own way where it has one."""

import re
from collections.abc import Sequence

from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.files.migration import Framework, MigrationStep
from analyzer.review.rules.transactions import WHOLE_TABLE
from analyzer.review.rules.under_lock import INDEX, NOT_CONCURRENTLY, REWRITE, SCAN
from analyzer.review.safe_sequence.render import rendered
from analyzer.review.safe_sequence.safe_step import SafeStep, brief
from analyzer.review.safe_sequence.steps import safe_steps, works_under_lock
from analyzer.review.way_back import undo_of
from analyzer.statements.tokens import scan
from analyzer.words.visible import BREAKS

# what the safe sequence does without
CURED = frozenset({REWRITE.code, SCAN.code, INDEX.code, NOT_CONCURRENTLY.code, WHOLE_TABLE.code})
DJANGOS_OWN = {
    "AddIndex": "AddIndexConcurrently", "RemoveIndex": "RemoveIndexConcurrently",
    "AddConstraint": "AddConstraintNotValid",
}  # fmt: skip
IMPORT = "from django.contrib.postgres.operations import {names}\n\n"
ATOMIC = "atomic = False  # in the migration's class, with nothing else in it\n\n"


def safe_code(statements: Sequence[tuple[MigrationStep, FactsAtStatement]], framework: Framework) -> str | None:
    """None where there is none, or it would need what was not read."""
    first = statements[0][0]
    if framework == "django" and (own := _djangos_own(first)) is not None:
        return own
    if any(step.holds_secret or not step.is_read for step, _ in statements):
        return None
    steps: list[SafeStep] = []
    undo: list[str] = []
    is_changed = False
    for step, known in statements:
        safe = safe_steps(step.actions, step.sql, known)
        if safe is None and works_under_lock(step.actions, known):
            return None
        is_changed = is_changed or safe is not None
        steps += safe if safe is not None else [brief(step.sql)]
        undo = [sql for action in reversed(step.actions) for sql in undo_of(action, known) or ()] + undo
    if framework == "sql" and any(breaks_lines(step.sql) for step in steps):
        return None
    return rendered(steps, undo, framework, "" if first.origin == "RunSQL" else first.source) if is_changed else None


def breaks_lines(sql: str) -> bool:
    """Whether a name, or a value, goes on in the next line, which may then read as anything; not what we lay out."""
    for token in scan(sql):
        text = sql[token.start : token.end + 1]
        tag = re.match(r"\$\w*\$", text)
        if tag is not None:
            if breaks_lines(text[tag.end() : -tag.end()]):
                return True
        elif "COMMENT" not in token.name and BREAKS.search(text):
            return True
    return False


def _djangos_own(step: MigrationStep) -> str | None:
    """Its operations that keep nobody waiting; AddConstraintNotValid does so for CHECK alone."""
    name = DJANGOS_OWN.get(step.origin)
    if name is None or (step.origin == "AddConstraint" and "CHECK (true)" not in step.sql):
        return None
    source = re.sub(rf"^(?:\w+\.)*{step.origin}\(", f"{name}(", step.source)
    if step.origin != "AddConstraint":
        return f"{IMPORT.format(names=name)}{ATOMIC}{source},\n"
    action = step.actions[0]
    model = re.search(r"model_name=(\"[^\"]*\"|'[^']*')", step.source)
    validate = f'ValidateConstraint(model_name={model[1] if model else "..."}, name="{action.name}")'
    return (
        f"{IMPORT.format(names=f'{name}, ValidateConstraint')}{source},\n\n"
        f"# in a migration after it, so that the lock is gone\n{validate},\n"
    )
