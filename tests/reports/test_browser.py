"""The mail in Chromium: as a mail, and in its frame on the page. Pictures go to var/screenshots/."""

from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from playwright.sync_api import Browser

from analyzer.models import Server
from dashboard.mail import queue as mail_queue
from dashboard.mail.compose import compose
from dashboard.mail.report_figures import report_of
from dashboard.people.accounts import one_time_login_link
from tests.dashboard import world
from tests.reports import nights
from tests.running import REPOSITORY

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PICTURES = REPOSITORY / "var" / "screenshots"


@pytest.fixture(scope="module", autouse=True)
def _pictures() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)


def picture(browser: Browser, html: str, name: str) -> None:
    """At a desk's and a phone's width; nothing may stick out, and nothing may be asked for."""
    for width in (760, 390):
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme="dark")
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.set_content(html)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(244, 244, 242)"
        page.screenshot(path=PICTURES / f"mail-{name}-{width}.png", full_page=True)
        assert asked == []
        page.close()


def test_quiet_night_and_one_with_the_server_down(browser):
    shop = world.server()
    status = world.step(shop)
    subscription = nights.subscription(world.user())
    zone, url = mail_queue.zone_of("Europe/Berlin"), mail_queue.unsubscribe_url(subscription)

    def mail(name: str, **options: object) -> None:
        now = timezone.now()
        report = report_of([shop], now - nights.DAY, now, now)
        picture(browser, compose(report, zone, unsubscribe_url=url, **options).html, name)

    nights.found(shop, world.key_finding(), at=timezone.now() - 9 * nights.DAY)
    mail("quiet", is_short=True)
    status.failing_since = timezone.now() - nights.DAY / 6
    status.last_error = "db.example.com refused the connection on port 5432; is PostgreSQL running there?"
    status.save()
    mail("down")


def test_busy_night_on_the_page(browser, live_server):
    nights.busy()
    evil = world.server("evil")
    name = '"><script>parent.done=1</script><img src=x onerror=alert(1)>\u202e'
    Server.objects.filter(pk=evil.pk).update(name=name)
    world.step(evil, error="<script>alert(1)</script> " + "x" * 3_000, failing_s=900)
    nights.subscription(world.user())
    for scheme, width in (("light", 1440), ("dark", 1440), ("light", 390)):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        complaints, hosts = [], set()
        page.on("console", lambda m, said=complaints: said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error, said=complaints: said.append(str(error)))
        page.on("dialog", lambda dialog, said=complaints: (said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request, seen=hosts: seen.add(urlsplit(request.url).netloc))
        page.goto(one_time_login_link(live_server.url))
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{live_server.url}/")
        page.goto(f"{live_server.url}/report/")
        framed = page.frame_locator("iframe.mail-frame")
        framed.get_by_role("heading", name="Still open").wait_for()
        assert "1 worse" in framed.locator("h1").inner_text()
        # its own styles count: without them the paper would be white
        colour = framed.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
        assert colour == "rgb(244, 244, 242)"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=PICTURES / f"report-{scheme}-{width}.png", full_page=True)
        page.goto(f"{live_server.url}/report/settings/")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=PICTURES / f"report-settings-{scheme}-{width}.png", full_page=True)
        assert complaints == []
        assert hosts == {urlsplit(live_server.url).netloc}
        html = page.request.get(f"{live_server.url}/report/preview/").text()
        context.close()
    picture(browser, html, "busy")
