"""A lock of a relation, in PostgreSQL's mode names, and whom it blocks."""

import enum
from dataclasses import dataclass

from analyzer.statements.parse import TableName


class Mode(enum.IntEnum):
    """The weakest first."""

    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    @property
    def blocks_reads(self) -> bool:
        return self is Mode.ACCESS_EXCLUSIVE

    @property
    def blocks_writes(self) -> bool:
        return self >= Mode.SHARE

    @property
    def blocks(self) -> str:
        if self.blocks_reads:
            return "blocks reads and writes"
        return "blocks writes, not reads" if self.blocks_writes else "blocks neither reads nor writes"


@dataclass(frozen=True, slots=True)
class Lock:
    """``is_index``: of an index, whose table is ``table``: whoever plans a statement on that needs all its indexes."""

    relation: TableName
    mode: Mode
    why: str = ""
    table: TableName | None = None

    @property
    def is_index(self) -> bool:
        return self.table is not None
