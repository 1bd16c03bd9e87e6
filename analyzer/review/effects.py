"""What an action does: the locks it takes, and the work it does while it holds them."""

from dataclasses import dataclass
from typing import Literal

from analyzer.review.actions import Action
from analyzer.review.lock_modes import Lock
from analyzer.statements.parse import TableName

WorkKind = Literal["rewrite", "scan", "index"]


@dataclass(frozen=True, slots=True)
class TableWork:
    """``why``: the reason, as a clause. ``is_certain`` False: it depends on what is not known, which ``why`` says."""

    kind: WorkKind
    relation: TableName
    why: str
    is_certain: bool = True
    indexes: int = 0  # how many are built; of a rewrite all of the table
    is_lookup: bool = False  # of a foreign key: each row is looked up, which takes longer than to read it


@dataclass(frozen=True, slots=True)
class ActionEffect:
    action: Action
    locks: tuple[Lock, ...] = ()
    work: tuple[TableWork, ...] = ()
