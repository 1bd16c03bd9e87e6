"""What a setting is while each statement runs, by the SET, RESET, set_config() and ROLLBACK before it."""

from collections.abc import Iterator, Mapping, Sequence

from pglast import ast, enums

from analyzer.review.actions import Action, Kind
from analyzer.review.files.migration import MigrationStep
from analyzer.review.savepoints import begun, ends_prepared
from analyzer.statements.tree import Node, function_name, walk

Value = tuple[str, ...] | None  # None: as the server and the role have it
RESET_ALL = enums.VariableSetKind.VAR_RESET_ALL


def values_of(setting: str, steps: Sequence[MigrationStep], back: Mapping[int, int]) -> Iterator[Value]:
    """Of each step at its beginning; LOCAL ones end with their transaction. ``back``: as ``taken_back`` has it."""
    session: Value = None
    local: tuple[Value] | None = None
    before: list[tuple[Value, tuple[Value] | None]] = []
    transaction = 0
    for number, step in enumerate(steps):
        if step.is_alone or step.transaction != transaction:
            transaction, local = step.transaction, None
        yield session if local is None else local[0]
        before.append((session, local))
        if back.get(number) == number and not ends_prepared(step):
            session, local = before[begun(back, number)]
        for action in step.actions:
            for is_local, value in _given(action, setting):
                session, local = (session, (value,)) if is_local else (value, None)


def _given(action: Action, setting: str) -> Iterator[tuple[bool, Value]]:
    """Whether each is LOCAL, and the value."""
    if action.kind is Kind.DISCARD_ALL or (action.kind is Kind.SET and action.statement.kind == RESET_ALL):
        yield False, None
    elif action.kind is Kind.SET and action.name.lower() == setting:
        yield action.is_local, None if action.is_off else action.columns
    elif action.kind is Kind.READ:
        for node in walk(action.statement):
            if isinstance(node, ast.FuncCall) and function_name(node) == "set_config" and len(node.args or ()) == 3:
                name, value, is_local = (_constant(argument) for argument in node.args)
                if str(name).lower() == setting:
                    yield is_local is True, tuple(part.strip().strip('"') for part in str(value).split(","))


def _constant(node: Node) -> object:
    value = node.val if isinstance(node, ast.A_Const) else None
    return getattr(value, "sval", getattr(value, "boolval", None))
