"""What a key proves depends on when PostgreSQL checks it: deferrable, not valid and not enforced ones prove nothing."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents import (
    DISTINCT_JOIN,
    FIRST_ROWS,
    KINDS,
    OR,
    SUBQUERY,
    UNION,
    Equivalent,
    equivalent,
    keyset,
)
from analyzer.statements.equivalents.notes import NO_TIES, NO_TIES_AT_LIMIT
from tests.twin.conftest import settings_of

pytestmark = pytest.mark.postgres
FEW = "select * from (select p.*, row_number() over (order by id) n from p) q where n <= 2"
OF_EACH = "select * from (select c.*, row_number() over (partition by p_id order by id) n from c) q where n <= 2"
BY_KEY = {
    DISTINCT_JOIN: "select distinct p.id, p.v from p join c on c.p_id = p.v",
    SUBQUERY: "select c.id, (select v from p where p.id = c.v) from c",
    UNION: "select 1, id from p union select 2, id from p",
}
TIES = {
    FIRST_ROWS: (FEW, NO_TIES),
    OR: ("select * from p where v = 1 or w = 2 order by id limit 3", NO_TIES_AT_LIMIT),
}
TABLES = (
    "create table p (id int not null, v int, w int, constraint p_key {key})",
    "create table parent (id int primary key)",
    "create table c (id int primary key, v int, p_id int not null)",
)
SOUND, LATE = ("primary key (id)", "unique (id)"), ("primary key (id) deferrable", "unique (id) deferrable")
REFERENCE = "alter table c add constraint c_parent foreign key (p_id) references parent"
UNSOUND = {
    "deferrable": (f"{REFERENCE} deferrable", "set constraints all deferred", "insert into c values (9, 9, 9)"),
    "not valid": ("insert into c values (9, 9, 9)", f"{REFERENCE} not valid"),
    "off for children": (REFERENCE, "alter table c disable trigger all", "insert into c values (9, 9, 9)"),
    "off for parents": (
        REFERENCE, "alter table parent disable trigger all", "insert into parent values (9)",
        "insert into c values (9, 9, 9)", "delete from parent",
    ),
    "not enforced": (f"{REFERENCE} not enforced", "insert into c values (9, 9, 9)"),
}  # fmt: skip


@pytest.fixture
def database(scratch_database, postgres) -> Iterator[Any]:
    return lambda version: scratch_database(postgres(version))


def facts_of(database: Any) -> SchemaFacts:
    with connect(settings_of(database.dsn)) as connection:
        return read_schema(connection)


@pytest.mark.parametrize("version", [13, 18])
def test_a_unique_key_counts_where_it_holds_at_any_moment(version, database) -> None:
    """In a transaction that has yet to end two rows may share a deferrable one."""
    for key, is_sound in [*((key, True) for key in SOUND), *((key, False) for key in LATE)]:
        shop = database(version)
        shop.execute(*(sql.format(key=key) for sql in TABLES))
        facts = facts_of(shop)
        written = {kind: equivalent(kind, sql, facts) for kind, sql in BY_KEY.items()}
        assert {kind for kind in BY_KEY if written[kind] is not None} == (set(BY_KEY) if is_sound else set()), key
        pages = keyset("select * from p order by v limit 3 offset 9", facts)
        assert isinstance(pages, Equivalent) is is_sound
        for kind, (sql, ties) in TIES.items():
            found = equivalent(kind, sql, facts)
            assert found is not None
            assert (ties in found.assumptions) is not is_sound, (key, kind)
    unread = replace(facts, tables=tuple(replace(each, constraints=None) for each in facts))
    assert [kind for kind, sql in BY_KEY.items() if equivalent(kind, sql, unread) is not None] == []


@pytest.mark.parametrize("fault", list(UNSOUND))
def test_a_foreign_key_names_the_groups_where_it_holds_at_any_moment(fault, database) -> None:
    """Each fault lets in a row without a parent, which LATERAL for each parent would not give."""
    shop = database(18)
    shop.execute(*(sql.format(key=SOUND[0]) for sql in TABLES), REFERENCE)
    sound = equivalent(FIRST_ROWS, OF_EACH, facts_of(shop))
    assert sound is not None
    assert "LATERAL" in sound.sql
    shop.execute("alter table c drop constraint c_parent")
    with shop.connect() as connection, connection.transaction(force_rollback=fault == "deferrable"):
        for sql in UNSOUND[fault]:
            connection.execute(sql)
        rows = [len(connection.execute(sql).fetchall()) for sql in (OF_EACH, sound.sql)]
        assert rows == [1, 0]
    if fault == "deferrable":
        shop.execute(UNSOUND[fault][0])
    assert equivalent(FIRST_ROWS, OF_EACH, facts_of(shop)) is None


def test_a_foreign_key_that_is_off_for_a_partition_is_off_for_the_whole(database) -> None:
    shop = database(18)
    shop.execute(
        TABLES[1],
        "create table c (id int primary key, p_id int not null references parent) partition by range (id)",
        "create table part partition of c for values from (0) to (9)",
    )
    sound = equivalent(FIRST_ROWS, OF_EACH, facts_of(shop))
    shop.execute("alter table part disable trigger all")
    assert [each is None for each in (sound, equivalent(FIRST_ROWS, OF_EACH, facts_of(shop)))] == [False, True]


def test_not_null_of_a_foreign_partition_is_taken_at_its_word_by_nobody(database) -> None:
    shop = database(18)
    shop.execute(
        "create foreign data wrapper other",
        "create server elsewhere foreign data wrapper other",
        "create table p (id int not null, v int) partition by range (id)",
        "create table here partition of p for values from (0) to (9)",
        "create table c (id int primary key, p_id int not null)",
    )
    sql = "select * from c where p_id not in (select id from p)"
    kinds = [[kind for kind in KINDS if equivalent(kind, sql, facts_of(shop))]]
    shop.execute("create foreign table there partition of p for values from (9) to (99) server elsewhere")
    kinds += [[kind for kind in KINDS if equivalent(kind, sql, facts_of(shop))]]
    assert kinds == [["NOT IN as NOT EXISTS"], []]
