"""Pages where two addresses are one server: the form adds a database, the servers' pages offer to merge."""

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.utils import timezone

from analyzer.models import Server, Snapshot
from analyzer.steps import run as pipeline
from analyzer.store.databases import inspected_databases
from tests.dashboard import world
from tests.dashboard.test_server_form import LOOPBACK, of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _operator(client, settings):
    cache.clear()
    world.user()
    client.force_login(get_user_model().objects.get())
    settings.ADDRESS_POLICY = LOOPBACK


@pytest.mark.postgres
def test_another_database_is_added_to_the_server_that_is_watched(client, postgres18, scratch_database):
    one, other = (scratch_database(postgres18) for _ in range(2))
    client.post("/servers/add/", of(one, name="Shop"))
    pipeline.take_snapshot(Server.objects.get())
    tried = text_of(client.post("/servers/add/", of(other, action="test")))
    assert "It works: a database of Shop, which is watched already" in tried
    assert [database.name for database in inspected_databases(Server.objects.get())] == [one.name]
    saved = client.post("/servers/add/", of(other, name="Second"), follow=True)
    assert saved.redirect_chain == [("/servers/shop/", 302)]
    assert f"{other.name} is a database of Shop, which is watched already" in text_of(saved)
    assert [database.name for database in inspected_databases(Server.objects.get())] == [one.name, other.name]


@pytest.mark.postgres
def test_the_same_database_by_another_name_of_its_host_is_refused(client, postgres18, scratch_database):
    one = scratch_database(postgres18)
    client.post("/servers/add/", of(one, name="Shop"))
    refused = client.post("/servers/add/", of(one, host="localhost"))
    assert refused.status_code == 422
    assert "Shop watches this database already." in text_of(refused)
    assert Server.objects.count() == 1


def test_both_pages_offer_to_merge_and_do(client):
    one, other = world.server("Shop", "shop"), world.server("Billing", "billing")
    at = timezone.now()
    for server in (one, other):
        Snapshot.objects.create(server=server, taken_at=at, server_started_at=at, statements_version="1.11")
    page = text_of(client.get("/servers/shop/"))
    assert "Billing is this PostgreSQL server as well" in page
    assert 'href="/servers/shop/merge/billing/"' in page
    assert 'href="/servers/shop/merge/billing/"' in text_of(client.get("/servers/billing/"))
    assert "Keep Shop, remove Billing?" in text_of(client.get("/servers/shop/merge/billing/"))
    done = client.post("/servers/shop/merge/billing/", follow=True)
    assert "Billing is removed" in text_of(done)
    assert list(Server.objects.values_list("slug", flat=True)) == ["shop"]


def test_two_servers_that_are_not_one_cannot_be_merged(client):
    world.server("Shop", "shop"), world.server("Billing", "billing")
    assert client.post("/servers/shop/merge/billing/").status_code == 404
    assert Server.objects.count() == 2
