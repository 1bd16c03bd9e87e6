"""Pages where two addresses are one server: the form adds a database, the servers' pages offer to merge."""

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.utils import timezone

from analyzer.errors import BadInput
from analyzer.models import Database, Server, Snapshot
from analyzer.steps import run as pipeline
from analyzer.store import same_server
from analyzer.store.databases import inspected_databases
from analyzer.store.same_server import merge
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
def test_settings_typed_otherwise_are_not_set_aside_without_asking(client, postgres18, scratch_database):
    one, other = (scratch_database(postgres18) for _ in range(2))
    client.post("/servers/add/", of(one, name="Shop", explain_mode="analyze"))
    pipeline.take_snapshot(Server.objects.get())
    asked = client.post("/servers/add/", of(other, explain_mode="off"))
    assert "Run them: EXPLAIN ANALYZE on Shop, Leave them alone typed here" in text_of(asked)
    assert [database.name for database in inspected_databases(Server.objects.get())] == [one.name]
    Server.objects.update(is_active=False)
    saved = text_of(client.post("/servers/add/", of(other, explain_mode="off", action="join"), follow=True))
    assert "Its statements are run with EXPLAIN ANALYZE where the gate allows it" in saved
    assert "it is looked into there once that server, which is paused, is watched again" in saved


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


def test_two_merges_the_opposite_ways_keep_one_server():
    one, other = world.server("Shop", "shop"), world.server("Billing", "billing")
    at = timezone.now()
    for server in (one, other):
        Snapshot.objects.create(server=server, taken_at=at, server_started_at=at, statements_version="1.11")
    gone = Server.objects.get(pk=other.pk)  # as the other request read it
    merge(one, other)
    with pytest.raises(BadInput, match="are not two addresses of one server any more"):
        merge(gone, one)
    assert list(Server.objects.all()) == [one]


def test_databases_that_settings_leave_out_are_named_before_a_merge_and_stay_away(client, monkeypatch):
    monkeypatch.setattr(same_server, "MOST", 2)
    kept, gone = world.server("Shop", "shop"), world.server("Billing", "billing")
    Server.objects.filter(pk=gone.pk).update(dbname="bills")
    Server.objects.filter(pk=kept.pk).update(dbname="shop", databases_not=["old_*"])
    at = timezone.now()
    for server in (kept, gone):
        Snapshot.objects.create(server=server, taken_at=at, server_started_at=at, statements_version="1.11")
    Database.objects.filter(server__in=[kept, gone]).delete()
    Database.objects.create(server=kept, oid=1, name="shop")
    for oid, name in ((2, "bills"), (3, "old_bills"), (4, "one_too_many")):
        Database.objects.create(server=gone, oid=oid, name=name, is_inspected=True)
    page = text_of(client.get("/servers/shop/merge/billing/"))
    assert "<code>old_bills</code>: Shop does not take it (settings leave it out: old_*)" in page
    assert "<code>one_too_many</code>: Shop does not take it (2 databases" in page
    assert "looks into <code>bills</code> from now on" in page
    done = text_of(client.post("/servers/shop/merge/billing/", follow=True))
    assert "looked into under Shop from now on: bills." in done
    assert [database.name for database in inspected_databases(Server.objects.get())] == ["shop", "bills"]


def test_two_servers_that_are_not_one_cannot_be_merged(client):
    world.server("Shop", "shop"), world.server("Billing", "billing")
    assert client.post("/servers/shop/merge/billing/").status_code == 404
    assert Server.objects.count() == 2
