"""What happened to a server is kept once, when it was, and in words that say what changed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from analyzer.models import Database, ServerEvent, Statement
from analyzer.schema.changes import SchemaChange, schema_changes, setting_changes
from analyzer.schema.cluster import ClusterFacts, SettingFacts
from analyzer.schema.facts import ColumnFacts, ForeignKeyFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.store import events
from analyzer.store.clusters import keep_cluster
from analyzer.store.schemas import keep_schema
from tests.store.conftest import make_server

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def kept(server) -> list[tuple[str, str]]:
    return list(
        ServerEvent.objects.filter(server=server, is_mark=True).order_by("pk").values_list("kind", "description")
    )


def test_a_restart_stands_where_the_store_has_it_and_a_reset_too(fake):
    fake.ahead = timedelta(hours=2)  # its clock; ours counts
    fake.run(1)
    fake.read()
    before = fake.now
    fake.started_at = before + fake.ahead + timedelta(seconds=20)
    fake.read()
    fake.read()
    [restart] = fake.server.events.all()
    assert (restart.kind, restart.at, restart.earliest) == ("restart", before + timedelta(seconds=20), None)
    fake.stats_reset_at = fake.now + fake.ahead + timedelta(seconds=5)
    fake.read()
    fake.started_at = fake.now - timedelta(days=9)
    fake.read()
    assert [kind for kind, _ in kept(fake.server)] == ["restart", "reset", "takeover"]
    fake.started_at -= timedelta(days=1)
    fake.read()
    assert len(kept(fake.server)) == 3


def table(
    oid: int, name: str, *columns: tuple[str, str], indexes: tuple[str, ...] = (), **fields: object
) -> TableFacts:
    return TableFacts(
        oid, "public", name, "r", 10.0, 8192,
        tuple(ColumnFacts(c, n, t, 23, not_null=False, table_rows=10.0) for n, (c, t) in enumerate(columns, 1)),
        tuple(IndexFacts(oid * 100 + n, "public", i, "btree", (i,)) for n, i in enumerate(indexes)),
        **fields,
    )  # fmt: skip


def schema(*tables: TableFacts) -> SchemaFacts:
    return SchemaFacts("shop", 150000, tables)


def test_a_changed_schema_says_what_changed_of_each_table():
    before = schema(
        table(1, "order", ("id", "integer"), ("old", "text"), indexes=("a", "b")), table(2, "line", ("id", "integer"))
    )
    order = table(1, "order", ("id", "bigint"), ("new", "text"), indexes=("b", "c"))
    new = replace(order.columns[1], number=3)
    after = schema(
        replace(order, columns=(order.columns[0], new)),
        table(3, "x.y", ("id", "integer")), table(4, "part", ("id", "integer"), parent_oid=1),
    )  # fmt: skip
    assert [(c.table, c.description) for c in schema_changes(before, after)] == [
        ("public.x.y", 'table public."x.y" created'),
        ("public.line", "table public.line dropped"),
        ("public.order", 'public."order": index c created, index a dropped, column id from integer to bigint,'
         " column new added and 1 more change"),
    ]  # fmt: skip


def said_of(before: SchemaFacts, after: SchemaFacts) -> list[str]:
    return [change.description for change in schema_changes(before, after)]


def test_a_renamed_column_takes_its_indexes_and_keys_along():
    key = ForeignKeyFacts("fk", ("t_id",), 1, "public", "t", ("id",))
    partial = IndexFacts(9, "public", "p", "btree", ("x",), predicate="(id > 0)")
    was = table(1, "t", ("id", "integer"), ("x", "text"), indexes=("id",))
    was = replace(was, indexes=(*was.indexes, partial))
    line = replace(table(2, "line", ("t_id", "integer")), foreign_keys=(key,))
    now = replace(
        was, columns=(replace(was.columns[0], name="no"), replace(was.columns[1], name="id")),
        indexes=(replace(was.indexes[0], columns=("no",)), replace(partial, columns=("id",), predicate="(no > 0)")),
    )  # fmt: skip
    told = schema(now, replace(line, foreign_keys=(replace(key, referenced_columns=("no",)),)))
    assert said_of(schema(was, line), told) == ["public.t: column id renamed to no, column x renamed to id"]
    again = replace(was, columns=(was.columns[0], replace(was.columns[1], number=3)))
    assert said_of(schema(was), schema(again)) == ["public.t: column x made anew"]


def test_a_table_that_was_dropped_and_created_is_made_anew():
    def made(first_oid: int, *columns: tuple[str, str]) -> SchemaFacts:
        key = ForeignKeyFacts("fk", ("t_id",), first_oid, "public", "t", ("id",))
        line = replace(table(first_oid + 1, "line", ("t_id", "integer")), foreign_keys=(key,))
        return schema(table(first_oid, "t", *columns, indexes=("id",)), line)

    before, after = made(1, ("id", "integer"), ("b", "text")), made(11, ("id", "integer"), ("c", "text"))
    assert said_of(before, after) == [
        "public.t: made anew, column c added, column b dropped", "public.line: made anew"
    ]  # fmt: skip


def test_what_changes_nothing_is_no_change():
    index = IndexFacts(7, "public", "a", "btree", ("id",))
    being_built = replace(index, oid=8, name="b", is_valid=False)
    before = replace(table(1, "t", ("id", "integer")), indexes=(index,))
    reindexed = replace(before, indexes=(replace(index, oid=9), being_built), rows=99.0)
    renamed = replace(before, indexes=(replace(index, name="other"),))
    for after in (reindexed, renamed):
        assert schema_changes(schema(before), schema(after)) == []
    many = [table(n, f"t{n}", ("id", "integer")) for n in range(40)]
    [change] = schema_changes(schema(), schema(*many))
    assert change.description == "40 tables (public.t0, public.t1, public.t2, ...) created"


def test_a_schema_read_anew_lies_between_two_readings(server):
    database = Database.objects.create(server=server, oid=5, name="shop")
    plain = table(1, "t", ("id", "integer"))
    keep_schema(database, schema(plain), NOW)
    keep_schema(database, schema(replace(plain, rows=5.0)), NOW + 10 * MINUTE)
    keep_schema(database, schema(table(1, "t", ("id", "integer"), indexes=("id",))), NOW + 20 * MINUTE)
    [event] = server.events.all()
    assert (event.description, event.table, event.database) == ("public.t: index id created", "public.t", database)
    assert (event.earliest, event.at) == (NOW + 10 * MINUTE, NOW + 20 * MINUTE)


def test_settings_are_said_in_their_units(server):
    def facts(**values: SettingFacts) -> ClusterFacts:
        return ClusterFacts(NOW, "15.4", 150004, "shop", settings=values)

    before = facts(
        work_mem=SettingFacts("4096", "kB"), jit=SettingFacts("on"), geqo=SettingFacts("on"),
        lock_timeout=SettingFacts("0", "ms"),
        in_hot_standby=SettingFacts("on", context="internal"),
    )  # fmt: skip
    after = facts(
        work_mem=SettingFacts("65536", "kB"), jit=SettingFacts("off"), geqo=SettingFacts("off", source="user"),
        lock_timeout=SettingFacts("5000", "ms"),
        in_hot_standby=SettingFacts("off", context="internal"), new=SettingFacts("1"),
    )  # fmt: skip
    said = ["jit from on to off", "lock_timeout from 0 ms to 5 s", "work_mem from 4 MB to 64 MB"]
    assert setting_changes(before, after) == said
    for minutes, read in ((0, before), (10, before), (20, after), (30, after)):
        keep_cluster(server, read, NOW + minutes * MINUTE)
    assert kept(server) == [("setting", f"Set: {', '.join(said)}")]


def test_a_release_is_a_deploy_when_another_was_seen_before(server):
    def look(minutes: int, *tags: str) -> None:
        texts = [f"select 1 /*route='a',{tag}*/" for tag in tags]
        events.note_releases(server, [*texts, None, "select release from t"], NOW + minutes * MINUTE)

    look(0, "release='1.0'")
    look(1, "release='1.0'")
    assert kept(server) == []
    look(2, "release='1.1'", "release='1.0'")
    look(3, "version='%1b[31m'")
    assert kept(server) == [
        ("deploy", "Release 1.1 was first seen"), ("deploy", "Release ⟨U+001B⟩[31m was first seen")
    ]  # fmt: skip
    look(4, *(f"release='{n}'" for n in range(100)))
    assert len(kept(server)) < events.MOST_RELEASES_A_DAY
    events.drop_old(NOW + timedelta(days=60))
    look(60 * 24 * 60, "release='1.1'")
    assert len(kept(server)) == events.MOST_RELEASES_A_DAY - 1


def marked(*arguments: str) -> str:
    out = StringIO()
    call_command("mark_deploy", *arguments, stdout=out)
    return out.getvalue()


def test_mark_deploy_marks_once_on_one_server_or_all(server):
    assert "shop: marked at" in marked("v7")
    assert "marked already" in marked("shop", "v7")
    other = make_server("billing")
    with pytest.raises(CommandError, match="Name one of billing, shop; or --all"):
        marked("v8")
    at = timezone.now().replace(microsecond=0) - timedelta(days=2)
    marked("--all", "v8", "--at", at.isoformat())
    assert kept(server) == [("deploy", "Deploy v7"), ("deploy", "Deploy v8")]
    assert other.events.get().at == at
    for wrong, said in (("soon", "no time"), ("2020-01-01T00:00", "longer ago"), ("2090-01-01T00:00", "yet to come")):
        with pytest.raises(CommandError, match=said):
            marked("shop", "v9", "--at", wrong)


def test_many_changed_schemas_hide_no_deploy_and_none_of_a_statement_s_own_tables(server, monkeypatch):
    monkeypatch.setattr(events, "MOST_SHOWN", 3)
    database = Database.objects.create(server=server, oid=5, name="shop")
    events.mark_deploy(server, "v1", NOW)
    events.note_schema(database, [SchemaChange("public.T", "public.T: index a created")], NOW + MINUTE, NOW)
    for n in range(2, 9):
        events.note_schema(database, [SchemaChange(f"public.tmp_{n}", f"table {n} created")], NOW + n * MINUTE, NOW)
    end = NOW + 20 * MINUTE
    shown = [event.description for event in events.events_between(server, NOW, end)]
    assert shown == ["Deploy v1", "table 7 created", "table 8 created"]
    for name in ("t", "public.t"):
        statement = Statement(server=server, tables=[name])
        shown = [event.description for event in events.events_of_statement(statement, NOW, end)]
        assert shown == ["Deploy v1", "public.T: index a created"]
