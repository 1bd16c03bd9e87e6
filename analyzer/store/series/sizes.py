"""How large databases and tables were and how far sequences, one row a day; the pace they have by that."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from analyzer.models import Database, Server
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.key_space import key_spaces
from analyzer.schema.objects import SequenceFacts
from analyzer.schema.pace import LOOKED_AT, Point, pace_of
from analyzer.store.series.partitions import ensure_partition, floor_to

WHOLE = 0  # relation_oid of the database itself
USED_FROM = 0.01  # judgement: of a key's values; a sequence before that has years
MOST_SEQUENCES = 200  # of a database, the furthest
Row = tuple[int, int, int | None, float | None, int | None]  # database, relation, bytes, rows, last value


def keep_sizes(database: Database, facts: SchemaFacts, now: datetime) -> None:
    """Today's row of each table that was measured and of each sequence that is well into its values."""
    of = database.pk
    tables: list[Row] = [(of, t.oid, t.sizes.total_bytes, t.rows, None) for t in facts if t.sizes is not None]
    _keep([*tables, *((of, s.oid, None, None, s.last_value) for s in _sequences(facts))], now)


def keep_database_sizes(server: Server, cluster: ClusterFacts, now: datetime) -> None:
    known = dict(Database.objects.filter(server=server).values_list("oid", "pk"))
    _keep(
        [
            (known[database.oid], WHOLE, database.size_bytes, None, None)
            for database in cluster.databases or ()
            if database.size_bytes is not None and database.oid in known
        ],
        now,
    )


def with_paces(database_id: int, facts: SchemaFacts, until: datetime) -> SchemaFacts:
    """The facts with how fast tables and sequences grow, where a row was kept of them."""
    sizes, values = _points(database_id, until)
    if not sizes and not values:
        return facts
    tables = tuple(replace(t, pace=pace_of(sizes[t.oid])) if t.oid in sizes else t for t in facts)
    sequences = facts.sequences and tuple(
        replace(s, pace=pace_of(values[s.oid])) if s.oid in values else s for s in facts.sequences
    )
    return replace(facts, tables=tables, sequences=sequences)


def database_points(server: Server, now: datetime, span: timedelta = LOOKED_AT) -> dict[int, list[Point]]:
    """The sizes of a server's databases, by the databases' keys in the store."""
    of_server = "database_id in (select id from analyzer_database where server_id = %(of)s)"
    found = _read(f"{of_server} and relation_oid = {WHOLE}", "database_id, taken_at, size_bytes", server.pk, now, span)
    return _by_first(found)


def table_points(database: Database, oid: int, now: datetime, span: timedelta) -> list[Point]:
    found = _read("database_id = %(of)s and relation_oid = %(oid)s", "relation_oid, taken_at, size_bytes",
                  database.pk, now, span, oid=oid)  # fmt: skip
    return _by_first(found).get(oid, [])


def with_database_paces(server: Server, facts: ClusterFacts, now: datetime) -> ClusterFacts:
    """With how fast the server's databases grow, and all of them together, and the disk that an operator entered."""
    points = database_points(server, now)
    names = dict(Database.objects.filter(pk__in=list(points)).values_list("pk", "name"))
    return replace(
        facts,
        disk_bytes=server.disk_bytes,
        pace=pace_of(total_points(points)),
        database_paces={names[pk]: pace_of(of_one) for pk, of_one in points.items() if pk in names},
    )


def total_points(points: Mapping[int, list[Point]]) -> list[Point]:
    """All databases together, on each day: they are measured in one reading."""
    days: defaultdict[datetime, list[Point]] = defaultdict(list)
    for of_one in points.values():
        for at, size in of_one:
            days[floor_to(at, "day")].append((at, size))
    return [(max(at for at, _ in of_day), sum(size for _, size in of_day)) for _, of_day in sorted(days.items())]


def _sequences(facts: SchemaFacts) -> list[SequenceFacts]:
    used = [
        (ratio, space.sequence)
        for table in facts
        for space in key_spaces(facts, table)
        if (ratio := space.used_ratio) is not None and ratio >= USED_FROM
    ]
    used.sort(key=lambda each: -each[0])
    return [sequence for _, sequence in used[:MOST_SEQUENCES]]


def _keep(rows: Iterable[Row], now: datetime) -> None:
    """The last reading of a day is the day's."""
    day = floor_to(now, "day")
    ensure_partition("size_day", day)
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into size_day (day, database_id, relation_oid, taken_at, size_bytes, rows, last_value)"
            " values (%s, %s, %s, %s, %s, %s, %s) on conflict (database_id, relation_oid, day) do update"
            " set taken_at = excluded.taken_at, size_bytes = excluded.size_bytes, rows = excluded.rows,"
            " last_value = excluded.last_value",
            [(day, database_id, oid, now, *figures) for database_id, oid, *figures in rows],
        )


def _points(database_id: int, until: datetime) -> tuple[dict[int, list[Point]], dict[int, list[Point]]]:
    """Of sizes and of last values, by the relations' oids."""
    kept = _read(
        f"database_id = %(of)s and relation_oid <> {WHOLE}", "relation_oid, taken_at, size_bytes, last_value",
        database_id, until, LOOKED_AT,
    )  # fmt: skip
    return _by_first(r[:3] for r in kept), _by_first((r[0], r[1], r[3]) for r in kept)


def _read(where: str, columns: str, of: int, until: datetime, span: timedelta, **more: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {columns} from size_day where {where} and day >= %(start)s and day <= %(end)s order by day",
            {"of": of, "start": floor_to(until - span, "day"), "end": until, **more},
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _by_first(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[Point]]:
    found: defaultdict[int, list[Point]] = defaultdict(list)
    for key, at, value in rows:
        if value is not None:
            found[key].append((at, float(value)))
    return dict(found)
