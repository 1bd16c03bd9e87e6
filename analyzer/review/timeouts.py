"""Whether a lock_timeout holds while a statement runs, by the SET, RESET and set_config() before it."""

import re
from collections.abc import Iterable, Iterator

from pglast import ast, enums

from analyzer.review.actions import Action, Kind
from analyzer.review.files.migration import MigrationStep
from analyzer.statements.tree import Node, function_name, walk

NONE = re.compile(r"\s*0+(\.0*)?\s*[a-z]*\s*", re.IGNORECASE)
RESET_ALL = enums.VariableSetKind.VAR_RESET_ALL


def timeouts(steps: Iterable[MigrationStep], of_the_role: bool) -> Iterator[bool]:
    """Of each step, whether one holds at its beginning; LOCAL ones end with their transaction."""
    session = before = of_the_role
    local: bool | None = None
    transaction = 0
    for step in steps:
        if step.is_alone or step.transaction != transaction:
            transaction, before, local = step.transaction, session, None
        yield session if local is None else local
        for action in step.actions:
            if action.kind is Kind.ROLLBACK:
                session, local = before, None
            for is_local, is_on in _settings(action):
                holds = of_the_role if is_on is None else is_on
                session, local = (session, holds) if is_local else (holds, None)


def _settings(action: Action) -> Iterator[tuple[bool, bool | None]]:
    """Whether each is LOCAL, and whether it sets one; None: back to the role's."""
    if action.kind is Kind.DISCARD_ALL or (action.kind is Kind.SET and action.statement.kind == RESET_ALL):
        yield False, None
    elif action.kind is Kind.SET and action.name == "lock_timeout":
        yield action.is_local, None if action.is_off else _is_on(action.column)
    elif action.kind is Kind.READ:
        for node in walk(action.statement):
            if isinstance(node, ast.FuncCall) and function_name(node) == "set_config" and len(node.args or ()) == 3:
                name, value, is_local = (_constant(argument) for argument in node.args)
                if str(name).lower() == "lock_timeout":
                    yield is_local is True, _is_on(str(value))


def _constant(node: Node) -> object:
    value = node.val if isinstance(node, ast.A_Const) else None
    return getattr(value, "sval", getattr(value, "boolval", None))


def _is_on(text: str) -> bool:
    return NONE.fullmatch(text) is None
