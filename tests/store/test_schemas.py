"""Schemas are kept when they change; rates come from the tables' counters."""

import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.models import Database, Role, SchemaReading
from analyzer.monitored.readings import NamesByOid
from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableActivity, TableFacts, packed_freqs
from analyzer.store.schemas import keep_schema, last_readings_without, newest_schema
from analyzer.store.series.snapshots import keep_names

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
TABLE = TableFacts(
    oid=100, schema="public", name="t", kind="r", rows=10.0, size_bytes=8192,
    columns=(ColumnFacts("id", 1, "integer", 23, True, 10.0, n_distinct=-1.0, common_freqs=packed_freqs((0.5, 0.25))),),
    indexes=(IndexFacts(101, "public", "t_pkey", "btree", ("id",), is_primary=True, size_bytes=8192, scans=3),),
    primary_key=("id",), unique_keys=(("id",),),
)  # fmt: skip
FACTS = SchemaFacts("shop", 150000, (TABLE,), settings={"jit": "on"}, days_since_stats_reset=1.0)


@pytest.fixture
def database(server) -> Database:
    return Database.objects.create(server=server, oid=5, name="shop")


def with_activity(**counters: int) -> SchemaFacts:
    return replace(FACTS, tables=(replace(TABLE, activity=TableActivity(**counters)),))


def test_facts_come_back_whole(database):
    assert newest_schema(database) is None
    keep_schema(database, FACTS, NOW)
    assert newest_schema(database) == FACTS


def test_new_figures_are_no_new_schema(database):
    keep_schema(database, FACTS, NOW)
    column = replace(TABLE.columns[0], table_rows=99.0, n_distinct=5.0)
    index = replace(TABLE.indexes[0], size_bytes=16384, scans=9)
    figures = replace(TABLE, rows=99.0, size_bytes=16384, columns=(column,), indexes=(index,))
    keep_schema(database, replace(FACTS, tables=(figures,), days_since_stats_reset=2.0), NOW + timedelta(hours=1))
    kept = SchemaReading.objects.get()
    assert (kept.taken_at, kept.confirmed_at) == (NOW, NOW + timedelta(hours=1))
    found = newest_schema(database)
    assert found is not None
    assert found.tables[0].rows == 99.0
    assert found.tables[0].indexes[0].scans == 9


@pytest.mark.parametrize(
    "changed",
    [
        replace(FACTS, tables=(replace(TABLE, indexes=()),)),
        replace(FACTS, tables=(replace(TABLE, columns=(replace(TABLE.columns[0], type_name="bigint"),)),)),
        replace(FACTS, tables=()),
        replace(FACTS, settings={"jit": "off"}),
    ],
)
def test_new_structure_is_a_new_reading(database, changed):
    keep_schema(database, FACTS, NOW)
    keep_schema(database, changed, NOW + timedelta(hours=1))
    assert SchemaReading.objects.count() == 2
    assert newest_schema(database).settings == changed.settings


def test_rates_per_day(database):
    readings = [(0, 100, 7, 50), (6, 100, 7, 50), (12, 160, 9, 50)]
    for hours, deleted, updated, inserted in readings:
        facts = with_activity(deleted_rows=deleted, updated_rows=updated, inserted_rows=inserted)
        keep_schema(database, facts, NOW + timedelta(hours=hours))
    table = newest_schema(database).tables[0]
    assert (table.deleted_rows_per_day, table.updated_rows_per_day, table.inserted_rows_per_day) == (120, 4, 0)


@pytest.mark.parametrize(("minutes", "per_day"), [(5, None), (59, None), (60, 45_000 * 24), (1440, 45_000)])
def test_a_bulk_load_is_no_daily_rate_before_an_hour_was_watched(database, minutes, per_day):
    keep_schema(database, with_activity(inserted_rows=7), NOW)
    keep_schema(database, with_activity(inserted_rows=45_007), NOW + timedelta(minutes=minutes))
    table = newest_schema(database).tables[0]
    assert (table.inserted_rows_per_day, table.changed_rows_per_day) == (per_day, per_day)
    assert (table.seen_rows, table.watched_s) == ((45_000, 0, 0), minutes * 60)
    assert table.weight_per_day() == (pytest.approx(45_000 * 1440 / minutes), 0, 0)


def test_one_reading_gives_no_rate(database):
    keep_schema(database, with_activity(deleted_rows=10**6), NOW)
    assert newest_schema(database).tables[0].deleted_rows_per_day is None


def test_reset_of_the_tables_counters_is_no_negative_and_no_spike(database):
    for hours, deleted in [(0, 1000), (12, 1010), (18, 5), (24, 25)]:
        keep_schema(database, with_activity(deleted_rows=deleted), NOW + timedelta(hours=hours))
    assert newest_schema(database).tables[0].deleted_rows_per_day == 30


def test_table_without_changes_takes_no_rows(database, fresh_rows):
    for minutes in range(3):
        keep_schema(database, FACTS, NOW + timedelta(minutes=minutes))
    rows = fresh_rows("table_oid", "count(*)", table="relation_sample group by table_oid", order="table_oid")
    assert rows == [(0, 3), (100, 1)]


def test_names_follow_renames(server):
    keep_names(server, NamesByOid({5: "shop", 6: "crm"}, {10: "joe"}))
    keep_names(server, NamesByOid({5: "shop", 6: "sales"}, {10: "joe", 11: "ann"}))
    assert list(Database.objects.order_by("oid").values_list("oid", "name", "is_inspected")) == [
        (5, "shop", True), (6, "sales", False),
    ]  # fmt: skip
    assert list(Role.objects.order_by("oid").values_list("oid", "name")) == [(10, "joe"), (11, "ann")]


def test_a_kept_schema_that_cannot_be_read_gives_way_to_the_next(database, caplog):
    packed = zlib.compress(b'{"database": "shop", "server_version_num": null, "tables": []}')
    SchemaReading.objects.create(database=database, taken_at=NOW, confirmed_at=NOW, facts=packed)
    assert newest_schema(database) is None
    assert "cannot be read" in caplog.text
    keep_schema(database, FACTS, NOW + timedelta(hours=1))
    assert newest_schema(database).tables == FACTS.tables
    assert last_readings_without(database, [101]) == {101: (None, NOW + timedelta(hours=1))}
