"""Schemas as facts: kept when they change, with the rates at which rows come and go.

What was read from the store stays in the process until the reading changes: every step and page asks for the same few.
"""

import zlib
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import connection, transaction
from django.utils import timezone

from analyzer.advice.code import Models, known_orm
from analyzer.models import Database, ModelsMap, SchemaReading, Statement
from analyzer.schema.changes import schema_changes
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.kept import decode, encode, structure
from analyzer.statements.parse import is_system_table
from analyzer.store import events
from analyzer.store.series.partitions import ensure_partition
from analyzer.store.series.sizes import keep_sizes, with_paces
from analyzer.store.unpacking import unpacked
from analyzer.words.durations import DAY_S, SHORTEST_OF_A_DAY_S

# Table counters that become relation_sample's columns, in its order.
RELATION_COLUMNS = (
    "seq_scans", "seq_rows_read", "index_scans", "inserted_rows", "updated_rows", "deleted_rows", "hot_updated_rows",
)  # fmt: skip
MOVING = ("inserted_rows", "updated_rows", "deleted_rows")
READINGS_LOOKED_AT = 20  # judgement: one for each change of the schema
RATE_WINDOW = timedelta(days=7)  # a week holds every day's habits once
AT_HAND = 4  # readings kept in a process; 5,000 tables come to some 100 MB


def keep_schema(database: Database, facts: SchemaFacts, taken_at: datetime | None = None) -> SchemaReading:
    """A new row when the structure or the settings changed; else the newest one gets today's figures.

    The tables' counters go to relation_sample, for the rates ``newest_schema`` fills in.
    """
    now = taken_at or timezone.now()
    packed = zlib.compress(encode(facts), level=6)
    with transaction.atomic():
        Database.objects.select_for_update().get(pk=database.pk)  # one reading at a time
        newest = SchemaReading.objects.filter(database=database).order_by("-taken_at").first()
        before = _decoded(newest) if newest is not None else None
        if newest is not None and before is not None and structure(before) == structure(facts):
            # later than before, whatever the clock did: what is at hand is told apart by it
            newest.confirmed_at = max(now, newest.confirmed_at + timedelta(microseconds=1))
            newest.facts = packed
            newest.save(update_fields=["confirmed_at", "facts"])
        else:
            # the newest is the one in force, whatever the clock did since the one before
            at = max(now, newest.taken_at + timedelta(microseconds=1)) if newest is not None else now
            if newest is not None and before is not None:
                events.note_schema(database, schema_changes(before, facts), at, min(newest.confirmed_at, at))
            newest = SchemaReading.objects.create(database=database, taken_at=at, confirmed_at=at, facts=packed)
        _keep_activity(database, facts, now)
        keep_sizes(database, facts, now)
        orm = known_orm(Models(), facts)
        if orm != database.orm_found and not ModelsMap.objects.filter(database=database).exists():
            Database.objects.filter(pk=database.pk).update(orm_found=orm)
    return newest


def newest_schema(database: Database) -> SchemaFacts | None:
    """The schema as last read, with rows inserted, updated and deleted per day over the last week where known, and how
    fast tables and sequences grow.

    Of less than an hour a table gets what was seen, and no rate.
    """
    newest = _newest(database)
    return _with_rates(database.pk, *newest) if newest else None


def kept_schema(database: Database) -> SchemaFacts | None:
    """The schema as last read, without rates: one query, two where it is not at hand."""
    newest = _newest(database)
    return _kept(*newest) if newest else None


def _newest(database: Database) -> tuple[int, datetime] | None:
    readings = SchemaReading.objects.filter(database=database).order_by("-taken_at")
    return readings.values_list("pk", "confirmed_at").first()


@lru_cache(maxsize=AT_HAND)
def _kept(reading_id: int, confirmed_at: datetime) -> SchemaFacts | None:
    reading = SchemaReading.objects.filter(pk=reading_id).first()
    return _decoded(reading) if reading else None  # or dropped in between


@lru_cache(maxsize=AT_HAND)
def _with_rates(database_id: int, reading_id: int, confirmed_at: datetime) -> SchemaFacts | None:
    facts = _kept(reading_id, confirmed_at)
    watched_s, moved = _moved(database_id, confirmed_at)
    if facts is None:
        return None
    facts = with_paces(database_id, facts, confirmed_at)
    if not watched_s:
        return facts
    per_day = DAY_S / watched_s if watched_s >= SHORTEST_OF_A_DAY_S else None
    tables = []
    for table in facts:
        rows = moved.get(table.oid, (0, 0, 0))
        inserted, updated, deleted = (n * per_day if per_day is not None else None for n in rows)
        tables.append(
            replace(
                table,
                inserted_rows_per_day=inserted,
                updated_rows_per_day=updated,
                deleted_rows_per_day=deleted,
                seen_rows=rows,
                watched_s=watched_s,
            )
        )
    return replace(facts, tables=tuple(tables))


def in_force(database: Database) -> str:
    """Changes whenever the newest schema's structure or settings do; "" without one."""
    newest = SchemaReading.objects.filter(database=database).order_by("-taken_at").values_list("taken_at").first()
    return newest[0].isoformat() if newest else ""


def tables_not_read(database: Database, since: datetime) -> set[str]:
    """Tables, as written, that only statements first seen from ``since`` on name and that the newest schema lacks.

    A name stands here once: what no reading will ever show (temporary tables) asks for none again.
    """
    of_server = Statement.objects.filter(server_id=database.server_id)
    new = of_server.filter(first_seen__gte=since, entries__database_oid=database.oid, entries__is_own=False)
    names = {n for tables in new.values_list("tables", flat=True) for n in tables if not is_system_table(n)}
    if names:
        named = of_server.filter(first_seen__lt=since, tables__overlap=sorted(names))
        names -= {n for tables in named.values_list("tables", flat=True) for n in tables}
    facts = newest_schema(database) if names else None
    if facts is None:  # or the first reading is still to come
        return set()
    parts = {n: n.rpartition(".") for n in names}
    return {n for n, (schema, _, name) in parts.items() if not facts.tables_read(name, schema)}


def last_readings_without(
    database: Database, index_oids: Collection[int]
) -> dict[int, tuple[datetime | None, datetime | None]]:
    """When the schema was last read without each index, or with it not usable yet; and when first with it since.

    None for what no reading shows. Several readings differ from each other while an index is built.
    """
    since: dict[int, datetime | None] = dict.fromkeys(index_oids)
    found: dict[int, tuple[datetime | None, datetime | None]] = {}
    readings = SchemaReading.objects.filter(database=database).order_by("-taken_at")
    for reading in readings[:READINGS_LOOKED_AT].iterator():
        facts = _decoded(reading)
        if facts is None:
            continue
        there = {index.oid for table in facts for index in table.indexes if index.is_usable}
        for oid in since.keys() - found.keys():
            if oid in there:
                since[oid] = reading.taken_at
            else:
                found[oid] = reading.confirmed_at, since[oid]
        if len(found) == len(since):
            break
    return {oid: found.get(oid, (None, first)) for oid, first in since.items()}


def _decoded(reading: SchemaReading) -> SchemaFacts | None:
    return unpacked(reading.facts, decode, f"Kept schema {reading.pk}")


def _keep_activity(database: Database, facts: SchemaFacts, taken_at: datetime) -> None:
    """Counters of tables that changed since their last row; a row for table 0 says that a reading was taken."""
    ensure_partition("relation_sample", taken_at)
    names = ", ".join(RELATION_COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select distinct on (table_oid) table_oid, {names} from relation_sample where database_id = %s"
            " order by table_oid, taken_at desc",
            [database.pk],
        )
        last = {row[0]: row[1:] for row in cursor.fetchall()}
        rows: list[tuple[int, tuple[int, ...]]] = [(0, (0,) * len(RELATION_COLUMNS))]
        for table in facts:
            counters = tuple(getattr(table.activity, name) for name in RELATION_COLUMNS)
            if table.kind in "rm" and last.get(table.oid) != counters:
                rows.append((table.oid, counters))
        cursor.executemany(
            f"insert into relation_sample (database_id, taken_at, table_oid, {names})"
            f" values (%s, %s, %s{', %s' * len(RELATION_COLUMNS)}) on conflict do nothing",
            [(database.pk, taken_at, oid, *counters) for oid, counters in rows],
        )


def _moved(database_id: int, until: datetime) -> tuple[float, dict[int, tuple[int, int, int]]]:
    """Seconds between the first and the last reading, and rows inserted, updated, deleted per table in them.

    A counter that fell (statistics reset, table made anew) adds nothing.
    """
    params: dict[str, int | datetime] = {"database": database_id, "start": until - RATE_WINDOW, "end": until}
    moved = ", ".join(f"coalesce(sum(greatest(0, {c} - before_{c})), 0)::bigint" for c in MOVING)
    lag = ", ".join(f"{c}, lag({c}) over w as before_{c}" for c in MOVING)
    span = "database_id = %(database)s and taken_at >= %(start)s and taken_at <= %(end)s"
    with connection.cursor() as cursor:
        cursor.execute(
            "select coalesce(extract(epoch from max(taken_at) - min(taken_at)), 0)::float8"
            f" from relation_sample where table_oid = 0 and {span}",
            params,
        )
        (watched_s,) = cursor.fetchone()
        cursor.execute(
            f"select table_oid, {moved} from (select table_oid, {lag} from relation_sample"
            f" where table_oid <> 0 and {span} window w as (partition by table_oid order by taken_at)) r group by 1",
            params,
        )
        return float(watched_s), {row[0]: row[1:] for row in cursor.fetchall()}
