"""How big the store is, by what it holds and by day."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.conf import settings
from django.db import connection, transaction

from analyzer.store.series.partitions import SERIES, Series, next_start

LIMIT_MS = 2_000  # a page waits no longer for the sizes of files
DAYS_SHOWN = 14
# What a table holds, in words.
HOLDS = {
    "statement_delta": "Statement figures, the last hours",
    "statement_packed": "Statement figures, by interval",
    "statement_recent": "Statement sums, the last two days",
    "statement_hour": "Statement sums, by hour",
    "statement_day": "Statement sums, by day",
    "server_delta": "Server load",
    "activity_sample": "Sessions seen at work",
    "session_look": "Looks at sessions",
    "session_load": "Sessions at work, by minute",
    "session_load_hour": "Sessions at work, by hour",
    "relation_sample": "Table counters",
    "size_day": "Sizes, by day",
    "analyzer_statement": "Statements and their texts",
    "analyzer_statemententry": "Statements and their texts",
    "analyzer_planrecord": "Plans",
    "analyzer_planperiodrecord": "Plans",
    "analyzer_explainstate": "Plans",
    "analyzer_plancause": "Plans",
    "analyzer_plannerpiece": "What planners knew, encrypted",
    "analyzer_explainaudit": "Audit of EXPLAIN",
    "analyzer_schemareading": "Schemas",
    "analyzer_snapshot": "Samples taken",
    "analyzer_lastreading": "Samples taken",
    "analyzer_parametersample": "Parameter values, encrypted",
    "analyzer_findingrecord": "Findings and suggestions",
    "analyzer_suggestionrecord": "Findings and suggestions",
    "analyzer_nosuggestion": "Findings and suggestions",
}
REST, CATALOGS = "Everything else", "PostgreSQL's own catalogs"


@dataclass(frozen=True, slots=True)
class TableGroup:
    """``bytes_per_day``: of partitions of finished days, on average; None where none is finished or it is no series.

    ``full_bytes``: what it grows to at that rate before its oldest partitions are dropped; None when unknown.
    """

    name: str
    size_bytes: int
    keep_days: int | None = None
    bytes_per_day: float | None = None
    full_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class StoreSize:
    """``groups`` add up to ``database_bytes``. ``by_day``: series cut by hour or day, oldest first.

    ``full_bytes``: what all of it grows to; None before the first day of figures is finished.
    """

    database_bytes: int
    groups: list[TableGroup]
    by_day: list[tuple[date, int]]

    @property
    def full_bytes(self) -> float | None:
        packed = next((group for group in self.groups if group.name == HOLDS["statement_packed"]), None)
        if packed is None or packed.full_bytes is None:
            return None
        return sum(max(group.full_bytes or 0, group.size_bytes) for group in self.groups)


def store_size(now: datetime) -> StoreSize:
    """Sizes with indexes and TOAST. Raises django.db.OperationalError past LIMIT_MS. Four statements."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"set local statement_timeout = {LIMIT_MS}")
        cursor.execute(
            "select coalesce(p.relname, c.relname), c.relname, coalesce(pg_total_relation_size(c.oid), 0)"
            " from pg_class c left join pg_inherits i on i.inhrelid = c.oid left join pg_class p on p.oid = i.inhparent"
            " where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace"
        )
        rows: list[tuple[str, str, int]] = cursor.fetchall()
        cursor.execute("select pg_database_size(current_database())")
        (database_bytes,) = cursor.fetchone()
        cursor.execute("set local statement_timeout = default")  # the page's own queries may share the transaction
    groups = _groups(rows, now)
    catalogs = TableGroup(CATALOGS, max(0, database_bytes - sum(group.size_bytes for group in groups)))
    return StoreSize(database_bytes, [*groups, catalogs], _by_day(rows, now))


def _groups(rows: Iterable[tuple[str, str, int]], now: datetime) -> list[TableGroup]:
    sizes: dict[str, int] = defaultdict(int)
    partitions: dict[str, dict[datetime, int]] = defaultdict(dict)
    for table, partition, size in rows:
        sizes[HOLDS.get(table, REST)] += size
        if table in SERIES and partition != table:
            partitions[table][SERIES[table].start_from(partition)] = size
    by_name = {HOLDS[table]: _series_group(SERIES[table], partitions[table], now) for table in SERIES}
    groups = [by_name.get(name) or TableGroup(name, size) for name, size in sizes.items()]
    return sorted(groups, key=lambda group: (group.name == REST, -group.size_bytes, group.name))


def _series_group(series: Series, partitions: dict[datetime, int], now: datetime) -> TableGroup:
    is_fresh = series.table == "statement_delta"  # packed and gone within hours
    keep_days = None if is_fresh else min(int(getattr(settings, series.keep)), series.at_most_days)
    finished = {start: size for start, size in partitions.items() if next_start(start, series.step) <= now}
    per_day = None
    if finished and not is_fresh:
        days = sum((next_start(start, series.step) - start).total_seconds() for start in finished) / 86_400
        per_day = sum(finished.values()) / days
    return TableGroup(
        name=HOLDS[series.table],
        size_bytes=sum(partitions.values()),
        keep_days=keep_days,
        bytes_per_day=per_day,
        full_bytes=per_day * keep_days if per_day is not None and keep_days else None,
    )


def _by_day(rows: Iterable[tuple[str, str, int]], now: datetime) -> list[tuple[date, int]]:
    """Months are left out: how a month spreads over its days is not known. So are the partitions made ahead."""
    days: dict[date, int] = defaultdict(int)
    for table, partition, size in rows:
        if table in SERIES and partition != table and SERIES[table].step != "month":
            days[SERIES[table].start_from(partition).date()] += size
    today = now.astimezone(UTC).date()
    return sorted((day, size) for day, size in days.items() if day <= today)[-DAYS_SHOWN:]
