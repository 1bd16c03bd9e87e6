"""Bytes on disk per statement and interval, fresh and packed, and what rolling up and packing take."""

from datetime import timedelta
from time import perf_counter

from django.db import connection
from django.utils import timezone

from analyzer.models import LastReading, Server
from analyzer.store.series.columns import INDEX
from analyzer.store.series.packing import pack_hour
from analyzer.store.series.partitions import floor_to
from analyzer.store.series.rollups import roll_up
from bench.history import Profile, fresh_hour, profile
from bench.results import Context, Result

DENSE = (
    "shared_read_blocks", "shared_dirtied_blocks", "shared_written_blocks", "shared_read_time_us",
    "shared_write_time_us", "temp_read_blocks", "temp_written_blocks", "temp_read_time_us", "temp_write_time_us",
    "wal_records", "wal_full_page_images", "wal_bytes",
)  # fmt: skip


def measure(context: Context) -> list[Result]:
    server = Server.objects.create(name="size", slug="size", host="/", user="postgres", dbname="shop")
    found = profile(server, context.monitored)
    typical = _hour(server, found, 4, "")
    # every statement twenty times as slow, reading, writing, sorting on disk: as many counters as there can be
    found.per_call *= 20
    for name in DENSE:
        found.per_call[:, INDEX[name]] += found.random.lognormal(3, 2, len(found.per_call))
    return typical + _hour(server, found, 5, ", heavy statements")


def _hour(server: Server, found: Profile, ago: int, which: str) -> list[Result]:
    values = found.interval()
    hour = floor_to(timezone.now(), "hour") - timedelta(hours=ago)
    began = perf_counter()
    fresh_hour(server, found, hour)
    written_s = perf_counter() - began
    name = f"statement_delta_p{hour:%Y%m%d%H}"
    points = _one(f"select count(*) from {name}")
    fresh_bytes = _one(f"select pg_total_relation_size('{name}')")
    with connection.cursor() as cursor:
        cursor.execute("delete from rolled_up where server_id = %s", [server.pk])
    LastReading.objects.filter(server=server).update(taken_at=hour + timedelta(hours=1))
    began = perf_counter()
    roll_up(server)
    rolled_s = perf_counter() - began
    hour_bytes = _one(
        f"select sum(pg_column_size(h.*)) from statement_hour h where server_id = {server.pk} and starts_at = '{hour}'"
    )
    before = _packed_bytes(f"statement_packed_p{hour:%Y%m%d}")
    began = perf_counter()
    packed = pack_hour(name, hour)
    packed_s = perf_counter() - began
    packed_bytes = _packed_bytes(f"statement_packed_p{hour:%Y%m%d}") - before
    assert packed == points, (packed, points)
    return [
        Result("statements", len(found.entry_ids), ""),
        Result(f"counters that are not zero{which}", (values != 0).sum() / len(values), ""),
        Result(f"fresh, per statement and interval{which}", fresh_bytes / points, "bytes", 250),
        Result(f"packed, per statement and interval{which}", packed_bytes / points, "bytes", 64),
        Result(f"hourly sums, per statement and hour{which}", hour_bytes / len(found.entry_ids), "bytes"),
        Result(f"writing one interval{which}", written_s / 60 * 1000, "ms"),
        Result(f"rolling up one hour at once{which}", rolled_s * 1000, "ms"),
        Result(f"packing one hour{which}", packed_s * 1000, "ms"),
    ]


def _one(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def _packed_bytes(partition: str) -> int:
    return _one(f"select coalesce(pg_total_relation_size(to_regclass('{partition}')), 0)")
