"""The server's own look-ups of children, from the statements' rates to the foreign key's finding."""

import pytest

from analyzer.checks import Context
from analyzer.checks.schema.foreign_key_without_index import check
from analyzer.models import Database, Statement
from analyzer.store.key_checks import key_check_times
from analyzer.store.series.totals import rates, watched_s
from analyzer.store.series.windows import Window
from tests.checks.builders import facts, found_by

pytestmark = pytest.mark.django_db
SCHEMA = {
    "tables": [
        {"name": "coupon", "columns": ["id"], "rows": 100.0, "primary_key": ["id"]},
        {"name": "purchase", "columns": ["id", "coupon_id", "shop_id"], "rows": 150_000.0, "foreign_keys": [
            {"name": "by_coupon", "columns": ["coupon_id"], "references": "coupon"},
            {"name": "by_shop", "columns": ["shop_id"], "references": "coupon", "on_delete": "CASCADE"},
            {"name": "indexed", "columns": ["id"], "references": "coupon"},
        ], "indexes": [{"name": "ix", "columns": ["id"]}]},
    ],
}  # fmt: skip
LOOK = 'SELECT $2 FROM ONLY "public"."purchase" x WHERE $1 OPERATOR(pg_catalog.=) "coupon_id" FOR KEY SHARE OF x'
CASCADE = 'DELETE FROM ONLY "public"."purchase" WHERE $1 OPERATOR(pg_catalog.=) "shop_id"'
TEXTS = {
    1: LOOK,
    2: CASCADE,
    3: 'SELECT $2 FROM ONLY "public"."purchase" x WHERE $1 OPERATOR(pg_catalog.=) "id" FOR KEY SHARE OF x',  # indexed
    4: 'SELECT $2 FROM ONLY "public"."coupon" x WHERE "id" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x',
    5: "select * from purchase where coupon_id = $1",
}


def test_a_key_without_an_index_takes_the_time_of_its_look_ups(fake):
    database = Database.objects.create(server=fake.server, oid=5, name="shop", is_inspected=True)
    fake.nested = frozenset({2})  # only a deferred key is looked up at the top
    for queryid in TEXTS:
        fake.run(queryid)
    fake.read()
    fake.name(TEXTS)
    for _ in range(30):
        for queryid in TEXTS:
            fake.run(queryid, calls=30, time_ms=30 * 10.0 * queryid)
        fake.read()
    daily = rates(fake.server, Window.last("24h", fake.now))
    schema = facts(SCHEMA)
    found = key_check_times(database, schema, daily)
    assert {owner: (round(t.calls_per_day), t.mean_ms, t.watched_s) for owner, t in found.items()} == {
        "public.purchase.by_coupon": (43_200, pytest.approx(10.0), 1800.0),
        "public.purchase.by_shop": (43_200, pytest.approx(20.0), 1800.0),
    }
    looked = Statement.objects.get(normalized_sql__contains='coupon_id" FOR KEY SHARE')
    assert found["public.purchase.by_coupon"].fingerprints == (looked.fingerprint,)
    assert watched_s(daily) == 1800.0
    by_key = {f.subject: f for f in found_by(check, schema, Context(key_checks=found))}
    assert by_key["by_coupon"].impact_s_per_day == pytest.approx(432.0)
    assert by_key["by_coupon"].impact_assumed_s_per_day == 0.0
    assert by_key["by_coupon"].message.endswith("as measured: 900 in 30 minutes, 10 ms each.")
    other = Database.objects.create(server=fake.server, oid=6, name="other")
    assert key_check_times(other, schema, daily) == {}
    assert key_check_times(database, schema, {}) == {}
