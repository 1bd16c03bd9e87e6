"""What checks of a schema know of statistics: how old the server's are, and whether a table's columns have any."""

import math
from collections.abc import Callable

from analyzer.checks.engine import NotRun
from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.words.durations import DAY_S

NO_COLUMN_STATISTICS = "needs the columns' statistics: ANALYZE, and for this login SELECT on the table"


def counted_days(facts: SchemaFacts) -> float | None:
    """For how many days at least the server's counters have been counting; None where nothing tells.

    From 15 on a database whose statistics were never reset shows no time of a reset. A vacuum or an ANALYZE that is
    on record was no earlier than they.
    """
    if facts.days_since_stats_reset is not None:
        return facts.days_since_stats_reset
    if facts.taken_at is None:
        return None
    seen = [
        at
        for table in facts
        if table.storage is not None
        for at in (
            table.storage.last_vacuum, table.storage.last_autovacuum, table.storage.last_analyze,
            table.storage.last_autoanalyze,
        )
        if at is not None
    ]  # fmt: skip
    return (facts.taken_at - min(seen)).total_seconds() / DAY_S if seen else None


def idle_days(index: IndexFacts, facts: SchemaFacts | None) -> float:
    """Days since the server last scanned it: no end of them where it counted none, fewer than none where nothing tells.

    When an index was last scanned a server tells from 16 on.
    """
    if index.scans == 0:
        return math.inf
    if index.last_scan is None or facts is None or facts.taken_at is None:
        return -math.inf
    return (facts.taken_at - index.last_scan).total_seconds() / DAY_S


def need_counted_days(facts: SchemaFacts | None, days: float) -> float:
    """The days; NotRun where the server has not been counting for so long."""
    counted = counted_days(facts) if facts is not None else None
    if counted is None:
        raise NotRun("needs to know since when the server counts")
    if counted < days:
        raise NotRun(f"needs {days:,.0f} days of the server's counters, there are {counted:,.0f}")
    return counted


def need_scans_of_primary(facts: SchemaFacts) -> None:
    if facts.is_replica:
        raise NotRun("needs the primary's counters: the scans that a replica counts are its own")


def analysed_columns(
    table: TableFacts, least_rows: float, concerned: Callable[[ColumnFacts], bool], kinds: str = "rp"
) -> list[ColumnFacts]:
    """The columns concerned, with statistics, of a table of so many rows; NotRun where nobody knows of them.

    Partitions are judged with their table.
    """
    if table.kind not in kinds or table.parent_oid is not None or table.size_bytes == 0:
        return []
    if table.rows is not None and table.rows < least_rows:
        return []
    columns = [column for column in table.columns if concerned(column)]
    if columns and table.rows is None:
        raise NotRun("needs ANALYZE of the table")
    known = [column for column in columns if column.null_frac is not None]
    if columns and not known:
        raise NotRun(NO_COLUMN_STATISTICS)
    return known
