"""What a ROLLBACK, or one to a savepoint, takes back of what the statements before it changed."""

from pglast import ast, enums

from analyzer.review.actions import Kind
from analyzer.review.facts_at_statement import Known
from analyzer.review.files.migration import Migration, MigrationStep

KINDS = enums.TransactionStmtKind


class Savepoints:
    """What was known where the transaction, and each savepoint in it, began. ``undone``: numbers of steps."""

    def __init__(self, migration: Migration, known: Known) -> None:
        self.undone: set[int] = set()
        self._began = (0, known.copy()) if migration.is_wrapped else None
        self._points: list[tuple[str, int, Known]] = []

    def known_after(self, number: int, step: MigrationStep, known: Known) -> Known:
        statement, kind = step.actions[0].statement, step.actions[0].kind
        if not isinstance(statement, ast.TransactionStmt):
            return known
        if kind is Kind.BEGIN and self._began is None:
            self._began = number, known.copy()
        elif statement.kind == KINDS.TRANS_STMT_SAVEPOINT:
            self._points.append((statement.savepoint_name, number, known.copy()))
        elif statement.kind == KINDS.TRANS_STMT_ROLLBACK_TO:
            names = [name for name, _, _ in self._points]
            if statement.savepoint_name in names:
                at = len(names) - 1 - names[::-1].index(statement.savepoint_name)
                _, since, before = self._points[at]
                self._points = self._points[: at + 1]
                return self._taken_back(since, number, before)
        elif kind in (Kind.COMMIT, Kind.ROLLBACK):
            began, self._began, self._points = self._began, None, []
            if kind is Kind.ROLLBACK and began is not None:
                known = self._taken_back(began[0], number, began[1])
            if statement.chain:
                self._began = number, known.copy()
        return known

    def _taken_back(self, since: int, number: int, before: Known) -> Known:
        self.undone |= {*range(since, number + 1)}
        return before.copy()
