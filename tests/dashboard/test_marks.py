"""Marks stand on the charts of a server and of its statements, and in words below them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from analyzer.models import ServerEvent
from analyzer.store.events import mark_deploy
from tests.dashboard import world
from tests.dashboard.test_pages import text_of

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]


@pytest.fixture
def person() -> Client:
    client = Client()
    client.force_login(world.user())
    return client


def test_events_stand_on_every_chart_and_once_in_words(person):
    shop = world.shop(hours=6, every_s=300)
    of, now = shop.shop, timezone.now()
    mark_deploy(of, "web <b>7</b>", now - timedelta(hours=2))
    for n, table in enumerate(("public.shop_order", "public.shop_product")):
        ServerEvent.objects.create(
            server=of, database=world.database(of), kind="schema", at=now - timedelta(hours=3 + n), table=table,
            earliest=now - timedelta(hours=3 + n, minutes=10), description=f"{table}: index ix created",
        )  # fmt: skip
    page = person.get(f"/servers/{of.slug}/?window=6h")
    html = page.content.decode()
    assert html.count('class="mark deploy"') == 2
    assert (html.count("Deploy web &lt;b&gt;7&lt;/b&gt;</p>"), html.count("<b>7")) == (1, 0)
    kinds = ["schema", "reset", "schema", "deploy"]  # the world's figures have a reset
    assert [(g.number, g.kind) for g in page.context["marks"]] == list(enumerate(kinds, 1))
    url = f"/servers/{of.slug}/statements/{shop.statements[0].fingerprint}/?window=6h"
    said = text_of(person.get(url))
    assert "public.shop_order: index ix created" in said
    assert "Deploy web" in said
    assert "public.shop_product: index" not in said


def test_many_marks_cost_no_more_queries_than_none(person):
    of = world.server()
    world.step(of)
    world.figures(of, hours=2, every_s=300)
    url = f"/servers/{of.slug}/"
    person.get(url)
    with CaptureQueriesContext(connection) as few:
        person.get(url)
    now = timezone.now()
    for n in range(60):
        mark_deploy(of, f"v{n}", now - timedelta(minutes=20 * n))
    with CaptureQueriesContext(connection) as many:
        page = person.get(url)
    assert len(many) == len(few)
    assert len(page.context["marks"]) <= 20
