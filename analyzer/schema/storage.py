"""How a table lies on disk and when it was cleaned up, as facts."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StorageFacts:
    """Times are the server's; ages are of the moment of reading."""

    total_bytes: int | None = None  # heap, indexes and TOAST
    toast_bytes: int | None = None
    frozen_xid_age: int | None = None  # age(relfrozenxid), of the table or its TOAST, whichever is older
    multixact_age: int | None = None
    last_vacuum: datetime | None = None
    last_autovacuum: datetime | None = None
    last_analyze: datetime | None = None
    last_autoanalyze: datetime | None = None
    inserted_since_vacuum: int | None = None

    @property
    def analyzed_at(self) -> datetime | None:
        """The last ANALYZE, whoever ran it; None: never since the statistics were reset."""
        return max((at for at in (self.last_analyze, self.last_autoanalyze) if at is not None), default=None)

    @property
    def vacuumed_at(self) -> datetime | None:
        """The last VACUUM, whoever ran it; None: never since the statistics were reset."""
        return max((at for at in (self.last_vacuum, self.last_autovacuum) if at is not None), default=None)


@dataclass(frozen=True, slots=True)
class SizeFacts:
    """What files measure, of the moment of reading; of the largest tables alone."""

    heap_bytes: int  # with its maps of free space and visibility
    toast_bytes: int  # with its index
    index_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.heap_bytes + self.toast_bytes + self.index_bytes
