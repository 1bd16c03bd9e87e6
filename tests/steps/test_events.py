"""On a real server: what was created, altered and set between two readings of the schema is a mark."""

from typing import Any

import pytest

from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.steps.activity import keep, look
from analyzer.store.servers import add_server_from_dsn
from tests.servers import ScratchDatabase

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def shop(any_postgres: Any, scratch_database: Any) -> ScratchDatabase:
    database: ScratchDatabase = scratch_database(any_postgres)
    database.execute(
        "create table item (id integer primary key, kind integer)",
        "create table parted (id integer) partition by range (id)",
    )
    return database


def test_what_was_changed_on_the_server_is_marked(shop: ScratchDatabase) -> None:
    server = add_server_from_dsn(shop.dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    schema_step.read_schema(server)
    assert server.events.count() == 0
    with shop.connect() as connection:
        (name,) = connection.execute("select current_database()").fetchone()
    shop.execute(
        'create index "Odd ix" on item (kind)',
        "alter table item alter column kind type bigint, add column note text",
        "create table parted_1 partition of parted for values from (0) to (10)",
        "vacuum analyze item",
        "reindex index item_pkey",
        f"alter database \"{name}\" set work_mem = '77MB'",
    )
    schema_step.read_schema(server)
    pipeline.take_snapshot(server)
    said = sorted(server.events.filter(is_mark=True).values_list("kind", "description"))
    assert [kind for kind, _ in said] == ["schema", "setting"]
    assert said[0][1] == (
        'public.item: index "Odd ix" created, column kind from integer to bigint, column note added'
    )  # fmt: skip
    assert said[1][1].startswith("Set: work_mem from ")
    assert said[1][1].endswith(" to 77 MB")


def test_a_release_in_a_sessions_comment_is_a_mark(shop: ScratchDatabase) -> None:
    server = add_server_from_dsn(shop.dsn)
    pipeline.take_snapshot(server)
    for release in ("1.0", "1.1", "1.1"):
        with shop.connect() as session:
            session.execute(f"select 1 /*route='a',release='{release}'*/")
            keep(server, look(server, closely=False))
    assert list(server.events.filter(is_mark=True).values_list("description", flat=True)) == [
        "Release 1.1 was first seen"
    ]
