"""A statement's page says which plan it had when, and its chart where that changed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from analyzer.models import Statement
from analyzer.plans import parse_plan
from analyzer.plans.shape import shape_of
from analyzer.store.plans import keep_plan
from analyzer.store.tidying import tidy_store
from tests.dashboard import world

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]


def seen(statement: Statement, minutes_ago: float, node: str, table: str = "shop_order") -> None:
    plan = {"Plan": {"Node Type": node, "Relation Name": table, "Alias": table, "Total Cost": 5.0}}
    keep_plan(
        statement, world.database(statement.server), shape=shape_of(parse_plan(plan)), plan=plan,
        values_source="sampled", is_analyzed=False, server_version_num=150000,
        now=timezone.now() - timedelta(minutes=minutes_ago),
    )  # fmt: skip


def test_a_change_of_plan_is_a_row_and_a_mark(client):
    client.force_login(world.user())
    server = world.server()
    statement = world.figures(server, hours=6, every_s=300)[0]
    tidy_store()
    url = f"/servers/{server.slug}/statements/{statement.fingerprint}/"
    seen(statement, 200, "Index Scan", "a<b>")
    page = client.get(url).content.decode()
    assert ('class="mark ' in page, "Time of a call then" in page) == (False, False)
    seen(statement, 60, "Seq Scan", "a<b>")
    response = client.get(url)
    page = response.content.decode()
    newest, oldest = response.context["periods"]
    assert (newest.ended_at, oldest.changed) == (None, "")
    assert newest.changed == "Plan changed: Index Scan on a<b> became Seq Scan"
    assert (newest.ms_per_call, oldest.ended_at) == (pytest.approx(48, rel=0.3), newest.period.first_seen)
    assert page.count(": Plan changed: Index Scan on a&lt;b&gt; became Seq Scan</title>1</text>") == 1
    assert response.context["timeline"].figure["layout"]["annotations"][0]["hovertext"].count("&lt;b&gt;") == 1
