"""Load by the code that sent it: on a page of its own, on a statement's page, and as a filter of the statements."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from analyzer.store.series.session_load import SessionTraits, ensure_load_partitions, keep_look
from tests.dashboard import world

pytestmark = pytest.mark.django_db
SEARCH = "products.<search>"


@pytest.fixture
def shop(client):
    """Forty looks: the first statement mostly from a list, sometimes from a job; the second from a search."""
    client.force_login(world.user())
    of = world.server()
    statements = world.figures(of, world.SHOP[:3], hours=1)
    of.roles.create(oid=10, name="app")
    now = timezone.now()
    for minute in range(40):
        ensure_load_partitions(at := now - timedelta(minutes=minute))
        job = SessionTraits("Lock", "tuple", statements[0].pk, 10, 5, "celery", "orders.tasks.close")
        listing = SessionTraits("CPU", "", statements[0].pk, 10, 5, "web", "orders.views.list")
        search = SessionTraits("IO", "DataFileRead", statements[1].pk, 10, 5, "web", SEARCH)
        keep_look(of.pk, at, {job if minute < 10 else listing: 1.0, search: 1.0})
    return of, statements


def rows(page: str) -> list[str]:
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    return [re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", row))).strip() for row in body.split("</tr>")[:-1]]


def test_routes_with_their_waits_lead_to_their_statements(client, shop):
    _, statements = shop
    page = client.get("/servers/shop/routes/?window=1h").content.decode()
    assert [row.replace("\u202f", " ") for row in rows(page)] == [
        "products.<search> 1 IO 1 1 50 % ± 11 %",
        "orders.views.list 0.75 CPU 0.75 1 38 % ± 11 %",
        "orders.tasks.close 0.25 Lock 0.25 1 12 % ± 7.4 %",
    ]
    (link,) = {unescape(url) for url in re.findall(r'<a href="(/servers/shop/statements/[^"]+)">products', page)}
    page = client.get(link).content.decode()
    assert statements[1].fingerprint in page
    assert statements[0].fingerprint not in page
    assert "Seen running from products.&lt;search&gt;" in page
    assert f'<option value="{SEARCH.replace("<", "&lt;").replace(">", "&gt;")}" selected>' in page


def test_a_route_nobody_was_seen_running_shows_no_statement(client, shop):
    page = client.get("/servers/shop/statements/?window=1h&route=nowhere").content.decode()
    assert "No statement matches" in page


def test_divided_by_application_and_role(client, shop):
    by_application = rows(client.get("/servers/shop/routes/?window=1h&by=application").content.decode())
    assert [row.split()[0] for row in by_application] == ["web", "celery"]
    (by_role,) = rows(client.get("/servers/shop/routes/?window=1h&by=role").content.decode())
    assert by_role.startswith("app 2")


def test_a_statements_page_says_who_runs_it(client, shop):
    _, statements = shop
    page = client.get(f"/servers/shop/statements/{statements[0].fingerprint}/?window=1h").content.decode()
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page[page.index('id="callers"') :])).replace("\u202f", " ")
    assert "Seen at work 40 times in 40 samples" in said
    assert "75 % of its load is from orders.views.list." in said
    page = client.get(f"/servers/shop/statements/{statements[2].fingerprint}/?window=1h").content.decode()
    assert 'id="callers"' not in page


def test_without_a_tag_it_says_how_to_get_one(client):
    client.force_login(world.user())
    of = world.server()
    ensure_load_partitions(now := timezone.now())
    keep_look(of.pk, now, {SessionTraits("CPU", "", 0, 10, 5, "web", ""): 1.0})
    assert "No statement bears a tag" in client.get("/servers/shop/routes/").content.decode()


@pytest.mark.parametrize(("page", "says_of_the_copy"), [("routes", False), ("query", True), ("what-if", True)])
def test_a_server_that_is_down_is_said_to_be_on_pages_about_something_else(client, shop, page, says_of_the_copy):
    of, _ = shop
    address = f"/servers/shop/{page}/"
    assert "has given no figures" not in client.get(address).content.decode()
    of.steps.update_or_create(
        step="snapshot", defaults={"failing_since": timezone.now(), "last_error": "no answer\x1b[2J in time"}
    )
    text = client.get(address).content.decode()
    assert "has given no figures since" in text
    assert ("the copy that was read last" in text) == says_of_the_copy
    assert "\x1b" not in text
