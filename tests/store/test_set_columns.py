"""Which columns the recorded statements of a database set, and which empty ones they name."""

import pytest

from analyzer.models import Database
from analyzer.store.series.totals import rates
from analyzer.store.series.windows import Window
from analyzer.store.set_columns import recorded_columns_named, recorded_columns_set
from tests.checks.builders import facts

pytestmark = pytest.mark.django_db
TEXTS = {
    1: "update item set seen = seen + $1, name = $2 where id = $3",
    2: "insert into public.item (id, price) values ($1, $2) on conflict (id) do update set price = excluded.price",
    3: "insert into item (id, made) values ($1, $2)",
    4: "update elsewhere set a = $1",
    5: "select name from item for update",
    6: "with u as (update item set a = $1 returning id) select id from u",
    7: "merge into item i using news n on i.id = n.id when matched then update set b = n.b",
}


def schema(updated: int) -> object:
    return facts({"tables": [{"name": "item", "columns": ["id"], "activity": {"updated_rows": updated}}]})


def test_the_columns_of_each_table_that_updates_set(fake, django_assert_num_queries):
    database = Database.objects.create(server=fake.server, oid=5, name="shop")
    for queryid in TEXTS:
        fake.run(queryid)
    fake.read()
    fake.name(TEXTS)
    for queryid in TEXTS:
        fake.run(queryid)
    fake.read()
    daily = rates(fake.server, Window.last("24h", fake.now))
    with django_assert_num_queries(1):
        found = recorded_columns_set(database, schema(10_000), daily)
    assert found == {"public.item": {"seen", "name", "price", "a", "b"}}
    with django_assert_num_queries(0):
        assert recorded_columns_set(database, schema(9_999), daily) is None
        assert recorded_columns_named(database, schema(0), daily) == {}
        assert recorded_columns_named(database, schema(0), {}) is None
    empty = [{"name": name, "null_frac": 1.0} for name in ("made", "price", "gone")]
    with django_assert_num_queries(1):
        named = recorded_columns_named(database, facts({"tables": [{"name": "item", "columns": empty}]}), daily)
    assert named == {"public.item": {"made", "price"}}
