"""What was changed on a real server between two leases is named, and undone alone brings the old plan back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from analyzer.advice.planner import Query, Refused
from analyzer.behaviour.plan_cause import (
    NEW_PLAN,
    OLD_PLAN,
    OTHER_PLAN,
    Cause,
    Set,
    cause_words,
    find_cause,
)
from analyzer.behaviour.planner_differences import VALUES, Difference, differences
from analyzer.behaviour.planner_past import from_pieces, of_extended, of_index, to_pieces
from analyzer.plans import parse_plan
from analyzer.plans.compare import plan_change
from analyzer.plans.shape import shape_of
from analyzer.twin import ANEW, lease
from analyzer.twin.replay import Replay
from analyzer.twin.snapshot import read_past
from tests.servers import ScratchDatabase
from tests.twin.conftest import settings_of

pytestmark = pytest.mark.postgres
TABLES = {"public.item", "public.kind", "public.small", "public.loose", "public.paired", "public.apart"}
MADE = (
    "create table kind (id int primary key, name text not null)",
    "create table item (id int primary key, kind_id int not null, code text not null, price int not null)",
    "alter table item set (autovacuum_enabled = off)",
    "alter table kind set (autovacuum_enabled = off)",
    "insert into kind select n, 'kind ' || n from generate_series(1, 1000) n",
    "insert into item select n, n % 1000 + 1, 'c' || n, n % 97 from generate_series(1, 60000) n",
    "create table loose (id int primary key, kind_id int not null) with (fillfactor = 40, autovacuum_enabled = off)",
    "insert into loose select n, n % 1000 + 1 from generate_series(1, 60000) n",
    "create index ix_loose_kind on loose (kind_id)",
    "create index ix_loose_rest on loose ((kind_id % 1000))",
    "vacuum analyze loose",
    "create table paired (id int primary key, a int not null, b int not null, c int not null)"
    " with (fillfactor = 40, autovacuum_enabled = off)",
    "insert into paired select n, n % 300, n % 300, n % 7 from generate_series(1, 60000) n",
    "create table apart (dropped int, id int, a int not null, b int not null, c int not null)"
    " with (autovacuum_enabled = off)",
    "alter table apart drop column dropped",  # columns have other numbers on the twin
    "insert into apart select * from paired",
    "create index ix_apart_a_b on apart (a, b)",
    "create index ix_paired_a_b on paired (a, b)",
    "create statistics st_paired (ndistinct, dependencies) on a, b from paired",
    "vacuum analyze paired",
    "vacuum analyze apart",
    "create table small (id int primary key, n int not null)",
    "alter table small set (autovacuum_enabled = off)",
    "insert into small select n, n from generate_series(1, 100) n",
    "vacuum analyze small",
    "create index ix_item_kind on item (kind_id)",
    "create index ix_item_code on item (code)",
    "vacuum analyze item",
    "vacuum analyze kind",
)
BY_KIND, BY_CODE = "select * from item where kind_id = 7", "select * from item where code = 'c77'"
JOINED = "select * from item i join kind k on k.id = i.kind_id where k.name = 'kind 7'"


@dataclass
class Found:
    cause: Cause
    differences: list[Difference] = field(default_factory=list)

    @property
    def named(self) -> list[list[tuple[str, str]]]:
        """Kind and name of what each cause holds."""
        return [sorted((d.kind, d.name) for d in some) for some in self.cause.causes]

    @property
    def words(self) -> str:
        return cause_words(self.cause, self.differences)


Look = Callable[..., Found]


@pytest.fixture(params=[13, 15, 18])
def look(request: Any, postgres: Any, scratch_database: Any, tmp_path_factory: Any, var_dir: Any) -> Look:
    database: ScratchDatabase = scratch_database(postgres(request.param))
    for statement in MADE:
        database.execute(statement)
    for table in ("paired", "apart"):  # from 14 on only the owner reads extended statistics
        database.execute(f'alter table {table} owner to "{database.login}"')
    database.execute(f'alter statistics st_paired owner to "{database.login}"')

    def looked(sql: str, *changes: str, new_sql: str = "") -> Found:
        settings = settings_of(database.dsn)
        old_query, new_query = _query(sql), _query(new_sql or sql)
        with lease(settings, var_dir, fresh_s=ANEW) as twin:
            then = from_pieces(to_pieces(read_past(twin, TABLES)))
            before = _plan(twin.explain(old_query))
        for change in changes:
            database.execute(change.replace("$login", f'"{database.login}"'))
        with lease(settings, var_dir, fresh_s=ANEW) as twin:
            now = read_past(twin, TABLES)
            after = _plan(twin.explain(new_query))
            assert plan_change(before, after).sentences, "the change was to change the plan"
            found = [*([VALUES] if new_sql else []), *differences(then, now)]
            replay = Replay(twin, then, now, found)
            found = replay.replayed(found)

            def kind_of_plan(old: Set) -> str:
                shape = shape_of(_plan(replay.explain(old_query if VALUES in old else new_query, old - {VALUES}, {})))
                return OLD_PLAN if shape == shape_of(before) else NEW_PLAN if shape == shape_of(after) else OTHER_PLAN

            return Found(find_cause(found, kind_of_plan), found)

    return looked


def _query(sql: str) -> Query:
    return Query(sql, sql, sql, 1.0)


def _plan(answer: Any) -> Any:
    assert not isinstance(answer, Refused), answer
    return parse_plan([answer])


def test_a_dropped_index(look: Look) -> None:
    found = look(BY_KIND, "drop index ix_item_kind")
    assert found.named == [[("index dropped", "ix_item_kind")]]
    assert found.words == (
        "The cause, by the planner twin: index ix_item_kind of public.item was dropped. With that as it was, and all"
        " else as it is now, the planner still makes the old plan."
    )


def test_a_renamed_index_is_not_dropped(look: Look) -> None:
    found = look(BY_KIND, "alter index ix_item_kind rename to ix_item_by_kind", "drop index ix_item_code")
    assert found.named == [[("index renamed", "ix_item_kind")]]
    assert found.words.startswith(
        "The cause, by the planner twin: index ix_item_kind of public.item is called ix_item_by_kind now. "
    )


def test_a_renamed_index_of_an_expression_keeps_its_statistics_and_size(look: Look) -> None:
    found = look(
        "select * from loose where kind_id % 1000 = 7",
        "alter index ix_loose_rest rename to ix_loose_left",
        "alter index ix_loose_kind rename to ix_loose_rest",
    )
    assert found.named == [[("index renamed", "ix_loose_rest")]]
    assert {difference.kind for difference in found.differences} == {"index renamed"}


def test_a_table_that_took_the_place_of_another_has_not_lost_its_index(look: Look) -> None:
    found = look(
        BY_KIND,
        "create table item_new (like item including defaults)",
        "insert into item_new select * from item",
        "create index ix_item_new_code on item_new (code)",
        "alter table item rename to item_old",
        "alter table item_new rename to item",
        "vacuum analyze item",
    )
    assert found.named == [[("index dropped", "ix_item_kind")]]
    assert found.words.startswith(
        "The cause, by the planner twin: public.item is another table now (renamed, or dropped and made again), which"
        " has no index ix_item_kind. "
    )
    other = [d.description for d in found.differences if d.name != "ix_item_kind"]
    assert other
    assert all("is another table now" in words or words.startswith("public.item ") for words in other)


def test_a_created_index_beside_one_that_does_not_matter(look: Look) -> None:
    found = look(
        "select * from item where price = 3 order by id limit 5",
        "create index ix_item_price on item (price, id)",
        "create index ix_other on kind (name)",
    )
    assert found.named == [[("index created", "ix_item_price")]]


def test_a_setting(look: Look) -> None:
    found = look(
        BY_KIND,
        "do $$ begin execute format('alter database %I set enable_bitmapscan = off', current_database()); end $$",
        "do $$ begin execute format('alter database %I set random_page_cost = 40', current_database()); end $$",
    )
    kinds = {kind for some in found.named for kind, _ in some}
    assert kinds == {"setting"}
    assert "changed from" in found.words


def test_a_bad_sample(look: Look) -> None:
    """ANALYZE comes while most of the rows have one kind; they get their kinds back, in the same blocks."""
    found = look(
        "select * from loose where kind_id = 7",
        "update loose set kind_id = 7 where id % 10 <> 0",
        "vacuum analyze loose",
        "update loose set kind_id = id % 1000 + 1 where id % 10 <> 0",
        "vacuum loose",
    )
    assert found.named == [[("statistics", "kind_id")]]
    assert found.words.startswith("The cause, by the planner twin: ANALYZE changed the ")


def test_a_bad_sample_of_an_expression(look: Look, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["look"] < 14:
        pytest.skip("without pg_read_all_data only an index's owner may read its statistics")
    found = look(
        "select * from loose where kind_id % 1000 = 7",
        "update loose set kind_id = 7 where id % 10 <> 0",
        "vacuum analyze loose",
        "update loose set kind_id = id % 1000 + 1 where id % 10 <> 0",
        "vacuum loose",
    )
    assert found.named == [[("statistics", of_index("ix_loose_rest", "expr"))]]
    assert " of the expression expr in index ix_loose_rest of public.loose from " in found.words


def test_two_changes_that_take_each_other(look: Look) -> None:
    """Half of the table gets one kind, is analysed, and gets its kinds back in twice as many blocks."""
    found = look(
        BY_KIND,
        "update item set kind_id = 7 where id % 2 = 0",
        "analyze item",
        "update item set kind_id = id % 1000 + 1",
    )
    assert found.named == [[("size", ""), ("statistics", "kind_id")]]
    assert sorted((d.kind, d.name) for some in found.cause.cures for d in some) == [
        ("size", ""),
        ("statistics", "kind_id"),
    ]
    assert "The planner makes the old plan again with this as it was: " in found.words


def test_growth_without_new_statistics(look: Look) -> None:
    found = look(
        "select * from small where id = 77", "insert into small select n, n from generate_series(101, 100000) n"
    )
    assert found.named == [[("size", "")]]
    assert "public.small went from 8 kB to 3.46 MB, and its rows were not counted anew (100)" in found.words


# 200 rows a look-up where a and b are known to go together, else one of 90,000 pairs
BY_PAIR = "select c from paired where a = 7 and b = 7 order by c"


def test_dropped_extended_statistics(look: Look) -> None:
    found = look(BY_PAIR, "drop statistics st_paired", "create index ix_other on kind (name)")
    assert found.named == [[("extended dropped", "public.st_paired")]]
    assert "the extended statistics public.st_paired of public.paired were dropped." in found.words
    assert found.cause.cures == found.cause.causes


def test_created_extended_statistics(look: Look) -> None:
    found = look(
        "select c from apart where a = 7 and b = 7 order by c",
        "create statistics st_apart (dependencies) on b, a from apart",
        "create statistics st_other (ndistinct) on a, c from apart",
        "alter statistics st_apart owner to $login",
        "alter statistics st_other owner to $login",
        "analyze apart",
    )
    assert found.named == [[("extended created", "public.st_apart")]]


def test_extended_statistics_defined_otherwise(look: Look) -> None:
    found = look(
        BY_PAIR, "drop statistics st_paired", "create statistics st_paired (ndistinct) on a, b, c from paired",
        "alter statistics st_paired owner to $login", "analyze paired",
    )  # fmt: skip
    assert found.named == [[("extended changed", "public.st_paired")]]


def test_a_bad_sample_of_columns_together(look: Look) -> None:
    """ANALYZE comes while each b goes with 200 values of a, as many rows to each b as before."""
    found = look(
        BY_PAIR,
        "update paired set b = (id - 1) / 200",
        "vacuum analyze paired",
        "update paired set b = id % 300",
        "vacuum paired",
    )
    assert found.named == [[("statistics", of_extended("public.st_paired"))]]
    assert "ANALYZE changed the extended statistics public.st_paired of public.paired: " in found.words


def test_other_values(look: Look) -> None:
    found = look("select * from item where price > 95 and kind_id < 3", new_sql="select * from item where price > 1")
    assert found.named == [[("values", "")]]


OTHER_TYPE = "alter table item alter kind_id type numeric"


def test_a_type(look: Look) -> None:
    found = look(
        "select * from item where kind_id = 7.0", OTHER_TYPE, "create index ix_other on kind (name)", "analyze item"
    )
    assert found.named == [[("type", "kind_id")]]
    assert found.words.startswith(
        "The cause, by the planner twin: the type of public.item.kind_id changed from integer to numeric. With that as"
    )


def test_a_type_beside_an_index_and_a_default(look: Look) -> None:
    """The new plan takes both; the type as it was brings the old one back, without the index the filter has no cast."""
    found = look(
        "select * from item where price = 7.0 order by id limit 5",
        "alter table item alter price set default 3",
        "alter table item alter price type numeric",
        "create index ix_item_price on item (price, id)",
        "analyze item",
    )
    assert found.named == [[("index created", "ix_item_price"), ("type", "price")]]
    cures = [[(d.kind, d.name) for d in some] for some in found.cause.cures]
    assert cures == [[("type", "price")]]


def test_a_type_that_cannot_be_undone_is_named_as_such(look: Look) -> None:
    found = look(
        "select * from item where kind_id = 7.0",
        "create view kinds as select kind_id + 1 as next from item where false",
        "drop view kinds",
        OTHER_TYPE,
        "create view kinds as select kind_id + 1 as next from item",
        "analyze item",
    )
    assert found.words == (
        "The cause is not proved: no combination of what pgLoupe kept from then brings the old plan back on its planner"
        " twin. Not tried, because it cannot be undone on the twin: the type of public.item.kind_id changed from"
        " integer to numeric."
    )
