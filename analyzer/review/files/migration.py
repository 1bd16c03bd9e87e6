"""A migration as read from its FILE: statements with their lines and transactions, and what could not be read."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from analyzer.errors import BadInput
from analyzer.review.actions import Action, Kind
from analyzer.review.defaults import functions_of
from analyzer.review.statements import actions_of
from analyzer.statements.secrets import without_secrets
from analyzer.statements.tree import Node, Unparsable, parse

Framework = Literal["sql", "django", "alembic"]
MOST_OPERATIONS = 2_000
# what the readers write for what only Python says
UNREAD = re.compile(
    r"INDEX .*WHERE true$|CHECK \(true\)|django_expression_|unread_expression|value_from_python|DO \$\$ \$\$"
)


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """One statement. ``line``: of FILE, from 1 on. ``transaction``: which one of the file; 0 for one of its own.

    ``origin``: the operation that the statement was made of, where FILE holds no SQL ("AddIndex"), and ``source`` its
    code.
    """

    line: int
    sql: str
    actions: tuple[Action, ...]
    transaction: int = 0
    origin: str = ""
    source: str = ""

    @property
    def is_read(self) -> bool:
        """Whether ``sql`` says all that runs: a condition in Python, or what it computes, is not read."""
        return UNREAD.search(self.sql) is None

    @property
    def shown(self) -> str:
        """Without passwords: reports are kept, and seen by others."""
        return without_secrets(self.sql) if self.is_read or not self.source else self.source

    @property
    def holds_secret(self) -> bool:
        return self.is_read and self.shown != self.sql

    @property
    def is_alone(self) -> bool:
        return self.transaction == 0


@dataclass(frozen=True, slots=True)
class Remark:
    """Something of FILE that is not reviewed, or a sentence on it as a whole."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Migration:
    """``no_way_back``: operations without one, by line. ``assumed``: what was taken for true, as a sentence."""

    framework: Framework
    steps: tuple[MigrationStep, ...]
    remarks: tuple[Remark, ...] = ()
    no_way_back: tuple[Remark, ...] = ()
    assumed: str = ""
    is_left_open: bool = False  # a BEGIN without its COMMIT
    is_wrapped: bool = False  # the tool opens a transaction for all of it


def step(line: int, node: Node, sql: str, origin: str = "") -> MigrationStep:
    return MigrationStep(line, sql, tuple(actions_of(node)), origin=origin)


def steps_of_sql(sql: str, line: int, origin: str = "") -> list[MigrationStep | Remark]:
    """Of an operation's SQL, all told to be on that line."""
    statements = parse(sql)
    if isinstance(statements, Unparsable):
        return [Remark(line, f"The SQL of {origin or 'this line'} is not reviewed: {statements.reason}")]
    return [step(line, raw.stmt, _text(sql, raw), origin) for raw in statements]


def _text(sql: str, raw: Node) -> str:
    end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(sql)
    return sql[raw.stmt_location : end].strip()


def in_transactions(steps: Iterable[MigrationStep], wrapped: bool) -> tuple[list[MigrationStep], bool]:
    """Each with its transaction; and whether the last one is left open. ``wrapped``: the tool opens one for all."""
    found: list[MigrationStep] = []
    number, is_open = (1, True) if wrapped else (0, False)
    for each in steps:
        kind = each.actions[0].kind
        if kind is Kind.BEGIN:
            if not is_open:
                number, is_open = number + 1, True
            found.append(replace(each, transaction=number))
            continue
        found.append(replace(each, transaction=number if is_open else 0))
        if kind in (Kind.COMMIT, Kind.ROLLBACK):
            is_open = False
    return found, is_open and not wrapped


def refuse_too_many(operations: int) -> None:
    if operations > MOST_OPERATIONS:
        raise BadInput(f"The file holds more than {MOST_OPERATIONS:,} operations, which is more than is reviewed.")


def split(mixed: Iterable[MigrationStep | Remark]) -> tuple[list[MigrationStep], list[Remark]]:
    items = list(mixed)
    return [i for i in items if isinstance(i, MigrationStep)], [i for i in items if isinstance(i, Remark)]


def functions_called(steps: Iterable[MigrationStep]) -> Iterator[str]:
    """Names of the functions in defaults, whose volatility decides."""
    for each in steps:
        for action in each.actions:
            if action.new is not None and action.new.default is not None:
                yield from functions_of(action.new.default)


def tables_changed(steps: Iterable[MigrationStep]) -> Iterator[str]:
    """Names of tables with a column whose type changes."""
    for each in steps:
        for action in each.actions:
            if action.kind is Kind.ALTER_TYPE and action.relation is not None:
                yield action.relation.name
