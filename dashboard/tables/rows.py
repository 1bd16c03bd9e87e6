"""Tables as pages show them: sizes, growth, vacuum, scans; a partitioned one is the sum of its partitions."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.pace import Pace
from analyzer.schema.storage import StorageFacts
from dashboard.servers.schema_cache import ByIdentity
from dashboard.tables.growth import growth_words

KINDS = {"r": "table", "p": "partitioned table", "m": "materialized view"}


@dataclass(frozen=True, slots=True)
class TableRow:
    """``leaves``: the table itself, or the partitions that hold its rows. What is not known is None.

    ``is_measured``: the sizes are of its files, else of the last VACUUM or ANALYZE.
    """

    table: TableFacts
    leaves: Sequence[TableFacts]
    total_bytes: int | None
    heap_bytes: int | None
    toast_bytes: int | None
    index_bytes: int | None
    is_measured: bool

    @property
    def name(self) -> str:
        return self.table.qualified_name

    @property
    def kind(self) -> str:
        return KINDS[self.table.kind]

    @property
    def partitions(self) -> int:
        return len(self.leaves) if self.table.kind == "p" else 0

    @property
    def rows(self) -> float | None:
        return self.table.rows

    @property
    def dead_rows(self) -> int:
        return self._sum(lambda t: t.activity.dead_rows)

    @property
    def dead_ratio(self) -> float | None:
        """Of the rows, dead and living."""
        every = self.dead_rows + self._sum(lambda t: t.activity.live_rows)
        return self.dead_rows / every if every else None

    @property
    def hot_ratio(self) -> float | None:
        """Of the updates; None where nothing was updated since the counters began."""
        updated = self._sum(lambda t: t.activity.updated_rows)
        return self._sum(lambda t: t.activity.hot_updated_rows) / updated if updated else None

    @property
    def seq_scans(self) -> int:
        return self._sum(lambda t: t.activity.seq_scans)

    @property
    def seq_rows_read(self) -> int:
        return self._sum(lambda t: t.activity.seq_rows_read)

    @property
    def index_scans(self) -> int:
        return self._sum(lambda t: t.activity.index_scans)

    @property
    def changes_per_day(self) -> tuple[float, float, float] | None:
        """Rows inserted, updated and deleted; None until an hour was watched."""
        rates = [t.changes_per_day for t in self.leaves]
        known = [rate for rate in rates if rate is not None]
        if not known or len(known) < len(rates):
            return None
        return sum(r[0] for r in known), sum(r[1] for r in known), sum(r[2] for r in known)

    @property
    def vacuum(self) -> "LastUpkeep":
        return LastUpkeep.of(self.leaves, lambda storage: (storage.last_vacuum, storage.last_autovacuum))

    @property
    def analyze(self) -> "LastUpkeep":
        of = (self.table,) if self.table.kind == "p" else self.leaves  # of a partitioned table nobody but people do
        return LastUpkeep.of(of, lambda storage: (storage.last_analyze, storage.last_autoanalyze))

    @property
    def pace(self) -> Pace | None:
        return self.table.pace

    @property
    def growth_words(self) -> str:
        """ "+1.2 GB a day", "none", or why it is not known."""
        return growth_words(self.pace) if self.table.kind != "p" else ""

    def _sum(self, of: Callable[[TableFacts], int]) -> int:
        return sum(of(leaf) for leaf in self.leaves)


@dataclass(frozen=True, slots=True)
class LastUpkeep:
    """When VACUUM or ANALYZE ran last; of several tables, on the one where that is longest ago.

    ``at`` None: never since the statistics were reset, or ``is_known`` is False.
    """

    at: datetime | None
    is_auto: bool = False
    is_known: bool = True

    @classmethod
    def of(
        cls, tables: Iterable[TableFacts], times: Callable[[StorageFacts], tuple[datetime | None, datetime | None]]
    ) -> "LastUpkeep":
        oldest: LastUpkeep | None = None
        for table in tables:
            if table.storage is None:
                return cls(None, is_known=False)
            by_hand, auto = times(table.storage)
            at = max((moment for moment in (by_hand, auto) if moment is not None), default=None)
            last = cls(at, at is not None and at == auto and at != by_hand)
            if oldest is None or last.at is None or (oldest.at is not None and last.at < oldest.at):
                oldest = last
        return oldest or cls(None, is_known=False)


def table_rows(facts: SchemaFacts) -> tuple[TableRow, ...]:
    """All that hold rows, partitions too; made once per process and reading."""
    return _rows(ByIdentity(facts))


@lru_cache(maxsize=4)
def _rows(of: ByIdentity) -> tuple[TableRow, ...]:
    facts = of.facts
    parts: defaultdict[int, list[TableFacts]] = defaultdict(list)
    for table in facts:
        if table.parent_oid is not None:
            parts[table.parent_oid].append(table)
    return tuple(_row(table, _leaves(table, parts)) for table in facts if table.kind in KINDS)


def _leaves(table: TableFacts, parts: dict[int, list[TableFacts]]) -> list[TableFacts]:
    if table.kind != "p":
        return [table]
    below = (leaf for part in parts.get(table.oid, ()) for leaf in _leaves(part, parts))
    return [leaf for leaf in below if leaf.kind != "f"]


def _row(table: TableFacts, leaves: Sequence[TableFacts]) -> TableRow:
    totals = [_total_bytes(leaf) for leaf in leaves]
    return TableRow(
        table=table,
        leaves=leaves,
        total_bytes=_sum_known(totals),
        heap_bytes=_sum_known([t.sizes.heap_bytes if t.sizes else t.size_bytes for t in leaves]),
        toast_bytes=_sum_known([_of(t.sizes, "toast_bytes") or _of(t.storage, "toast_bytes") for t in leaves]),
        index_bytes=_sum_known([t.sizes.index_bytes if t.sizes else _index_bytes(t) for t in leaves]),
        is_measured=bool(leaves) and all(leaf.sizes is not None for leaf in leaves),
    )


def size_of_all(rows: Iterable[TableRow]) -> tuple[int | None, bool]:
    """Bytes of what holds the rows, each table and partition once, and whether they are all known; None: of none."""
    leaves = {leaf.oid: leaf for row in rows for leaf in row.leaves}
    totals = [_total_bytes(leaf) for leaf in leaves.values()]
    known = [total for total in totals if total is not None]
    return (sum(known) if known or not totals else None), len(known) == len(totals)


def _total_bytes(table: TableFacts) -> int | None:
    if table.sizes is not None:
        return table.sizes.total_bytes
    estimated = table.storage.total_bytes if table.storage is not None else None
    return estimated or table.size_bytes  # before the first VACUUM or ANALYZE the catalog has 0 pages


def _index_bytes(table: TableFacts) -> int | None:
    return _sum_known([index.size_bytes for index in table.indexes]) if table.indexes else 0


def _of(facts: object, name: str) -> int | None:
    value: int | None = getattr(facts, name, None)
    return value


def _sum_known(values: Sequence[int | None]) -> int | None:
    """None where any is not known: part of a sum would look like all of it."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
