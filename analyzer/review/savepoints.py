"""What a ROLLBACK, to a savepoint or PREPARED too, takes back of what the statements before it changed."""

from collections.abc import Iterable, Mapping

from pglast import ast, enums

from analyzer.review.actions import Kind
from analyzer.review.files.migration import Migration, MigrationStep

KINDS = enums.TransactionStmtKind


def taken_back(migration: Migration) -> dict[int, int]:
    """Steps by their numbers, with that of the step that takes each back. The ROLLBACK is one of its own."""
    back: dict[int, int] = {}
    began = 0 if migration.is_wrapped else None
    points: list[tuple[str, int]] = []
    prepared: dict[str, tuple[int, int]] = {}
    for number, step in enumerate(migration.steps):
        statement, kind = step.actions[0].statement, step.actions[0].kind
        if not isinstance(statement, ast.TransactionStmt):
            continue
        if kind is Kind.BEGIN and began is None:
            began = number
        elif statement.kind == KINDS.TRANS_STMT_SAVEPOINT:
            points.append((statement.savepoint_name, number))
        elif statement.kind == KINDS.TRANS_STMT_ROLLBACK_TO:
            names = [name for name, _ in points]
            if statement.savepoint_name in names:
                at = len(names) - 1 - names[::-1].index(statement.savepoint_name)
                points = points[: at + 1]
                _take_back(back, range(points[at][1], number + 1), number)
        elif statement.kind == KINDS.TRANS_STMT_ROLLBACK_PREPARED and statement.gid in prepared:
            first, last = prepared.pop(statement.gid)
            _take_back(back, [*range(first, last + 1), number], number)
        elif kind in (Kind.COMMIT, Kind.ROLLBACK):
            if statement.kind == KINDS.TRANS_STMT_PREPARE and began is not None:
                prepared[statement.gid] = (began, number)
            if kind is Kind.ROLLBACK and began is not None:
                _take_back(back, range(began, number + 1), number)
            began, points = number if statement.chain else None, []
    return back


def _take_back(back: dict[int, int], steps: Iterable[int], number: int) -> None:
    for each in steps:
        back.setdefault(each, number)


def ends_prepared(step: MigrationStep) -> bool:
    """Whether it is a ROLLBACK PREPARED, by which settings stay."""
    statement = step.actions[0].statement
    return isinstance(statement, ast.TransactionStmt) and bool(statement.kind == KINDS.TRANS_STMT_ROLLBACK_PREPARED)


def ends_transaction(step: MigrationStep) -> bool:
    """Whether it takes back a whole one."""
    return step.actions[0].kind is Kind.ROLLBACK or ends_prepared(step)


def begun(back: Mapping[int, int], number: int) -> int:
    """The first of the steps that this one takes back: what was known there is known again after it."""
    return min(each for each, by in back.items() if by == number)
