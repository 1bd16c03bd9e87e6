"""The pages in Chromium: charts and plans drawn, things copied, nothing blocked, nothing fetched from elsewhere."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from analyzer.models import FindingRecord, StepStatus
from dashboard.people.accounts import one_time_login_link
from tests.chromium import PLAIN_HTTP_NAME
from tests.dashboard import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MOST_BYTES = 300_000  # a page without the plan viewer, compressed: a promise of the design
# Runs in frames too.
WATCH = """
addEventListener("securitypolicyviolation", (e) => {
  console.error("CSP: " + e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile);
});
"""


class Watched:
    """A page, what it complained about and what it asked for."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base = base
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.page: Page = context.new_page()
        self.page.add_init_script(WATCH)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def _said(self, message) -> None:  # type: ignore[no-untyped-def]
        # On plain http with a name Chromium says that it ignores this header: nothing for us to do.
        is_about_http = message.text.startswith("The Cross-Origin-Opener-Policy header has been ignored")
        if message.type in ("error", "warning") and not is_about_http:
            self.complaints.append(message.text)

    def log_in(self) -> None:
        self.page.goto(one_time_login_link(self.base))
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(f"{self.base}/")

    def is_clean(self) -> None:
        assert self.complaints == []
        assert self.hosts == {urlsplit(self.base).netloc}


@pytest.fixture
def open_page(browser: Browser, live_server) -> Iterator:  # type: ignore[no-untyped-def,type-arg]
    made = []

    def make(base: str = live_server.url, **options: object) -> Watched:
        context = browser.new_context(**options)
        made.append(context)
        return Watched(context, base)

    yield make
    for context in made:
        context.close()


def test_from_the_login_to_the_ddl_in_the_clipboard(open_page):
    shop = world.shop(hours=2, every_s=600)
    watched = open_page(permissions=["clipboard-read", "clipboard-write"])
    page = watched.page
    watched.log_in()
    page.get_by_role("link", name="Statements", exact=True).click()
    page.locator(".statement-name a").first.click()

    expect(page.locator("#statement-load-box .chart-plot path.line")).to_have_count(2)
    plan = page.frame_locator("iframe.plan-frame")
    page.locator("iframe.plan-frame").scroll_into_view_if_needed()
    expect(plan.locator(".plan-node").first).to_be_visible()
    expect(plan.get_by_text("Seq Scan").first).to_be_visible()

    button = page.get_by_role("button", name="Copy: Create it").first
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#announcement")).to_have_text("Create it copied to the clipboard")
    assert page.evaluate("navigator.clipboard.readText()") == shop.suggestion.ddl
    watched.is_clean()


def sent_bytes(watched: Watched) -> dict[str, int]:
    """What each response of the page weighs on the wire, as the browser counts it; the plan's own page aside."""
    weights: dict[str, int] = {}

    def finished(request: Request) -> None:
        if request.frame == watched.page.main_frame:
            sizes = request.sizes()
            path = urlsplit(request.url).path
            weights[path] = weights.get(path, 0) + sizes["responseBodySize"] + sizes["responseHeadersSize"]

    watched.page.on("requestfinished", finished)
    return weights


LOAD = r"Load: \d*\.?\d+ at once"


@pytest.mark.parametrize(
    ("page_name", "chart_id", "says"),
    [("server", "load-by-wait", r"CPU: \d"), ("server", "server-load", LOAD), ("statement", "statement-load", LOAD)],
)
def test_a_page_with_a_chart_is_small_until_somebody_reaches_for_it(open_page, page_name, chart_id, says):
    shop = world.shop(hours=12, every_s=600)
    login = open_page(viewport={"width": 1440, "height": 900})
    login.log_in()
    state = login.page.context.storage_state()
    watched = open_page(viewport={"width": 1440, "height": 900}, storage_state=state)  # nothing cached
    page, weights = watched.page, sent_bytes(watched)
    path = {
        "server": "/servers/shop/?window=24h",
        "statement": f"/servers/shop/statements/{shop.statements[0].fingerprint}/?window=24h",
    }[page_name]
    page.goto(watched.base + path)
    page.wait_for_load_state("networkidle")
    assert 20_000 < sum(weights.values()) < MOST_BYTES, weights
    assert not any("plotly" in name for name in weights)

    chart = page.locator(f"#{chart_id}-box")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    values = chart.locator(".hoverlayer")
    for moves in range(100):  # whoever reads values moves the mouse until there are some; the gap is at 0.7
        page.mouse.move(box["x"] + box["width"] * 0.85 + moves % 2, box["y"] + 150)
        page.wait_for_timeout(100)
        if values.count() and re.search(says, values.text_content() or ""):
            break
    expect(values).to_contain_text(re.compile(says))
    assert any("plotly-basic" in name for name in weights)
    assert chart.bounding_box() == box  # nothing jumps
    plot = chart.locator(".chart-plot").bounding_box()
    drawn = chart.locator(".nsewdrag").first.bounding_box()
    assert [abs(plot[side] - drawn[side]) < 1 for side in plot] == [True] * 4
    expect(chart.locator(".chart-plot")).to_be_hidden()

    page.mouse.down()  # a part of the time, and back
    page.mouse.move(box["x"] + box["width"] * 0.85 - 200, box["y"] + 150, steps=5)
    page.mouse.up()
    chart.get_by_role("button", name="Show all").click()
    expect(chart.get_by_role("button", name="Show all")).to_be_hidden()
    watched.is_clean()


def test_the_keyboard_and_a_finger_reach_the_chart_too(open_page):
    shop = world.shop(hours=1, every_s=300)
    path = f"/servers/shop/statements/{shop.statements[0].fingerprint}/"
    watched = open_page()
    watched.log_in()
    watched.page.goto(watched.base + path)
    watched.page.get_by_role("button", name="Zoom and read values").focus()
    expect(watched.page.locator("#statement-load-box[data-drawn] .main-svg").first).to_be_visible()
    watched.is_clean()

    touching = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    touching.log_in()
    touching.page.goto(touching.base + path)
    touching.page.locator(".chart-area").tap()
    expect(touching.page.locator("#statement-load-box[data-drawn] .main-svg").first).to_be_visible()
    touching.is_clean()


def test_copying_works_without_the_clipboard_api_on_plain_http(open_page, live_server, settings):
    shop = world.shop(hours=1, every_s=600)
    settings.ALLOWED_HOSTS = ["*"]
    # Another name than localhost is no secure context: navigator.clipboard is missing there.
    watched = open_page(f"http://{PLAIN_HTTP_NAME}:{urlsplit(live_server.url).port}")
    page = watched.page
    watched.log_in()
    assert page.evaluate("[window.isSecureContext, navigator.clipboard === undefined]") == [False, True]
    page.goto(f"{watched.base}/servers/shop/statements/{shop.statements[0].fingerprint}/")
    page.get_by_role("button", name="Copy: Create it").first.click()
    expect(page.locator("#announcement")).to_have_text("Create it copied to the clipboard")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<textarea id=paste></textarea>')")
    page.locator("#paste").focus()
    page.keyboard.press("Control+V")
    assert page.locator("#paste").input_value() == shop.suggestion.ddl
    watched.is_clean()


def test_the_overview_refreshes_itself_and_says_when_it_cannot(open_page):
    world.shop(hours=1, every_s=600)
    watched = open_page()
    page = watched.page
    watched.log_in()
    expect(page.get_by_text("Deletes from shop_order read all of shop_order_line")).to_be_visible()
    FindingRecord.objects.filter(code="SC001").delete()
    expect(page.get_by_text("Deletes from shop_order read all of shop_order_line")).to_have_count(0)
    watched.is_clean()
    page.route("**/_findings/**", lambda route: route.abort())
    expect(page.get_by_text("pgLoupe does not answer")).to_be_visible(timeout=15_000)
    page.unroute("**/_findings/**")
    expect(page.get_by_text("pgLoupe does not answer")).to_have_count(0)


def test_the_server_page_says_by_itself_that_the_server_went_down(open_page):
    shop = world.shop(hours=1, every_s=600)
    watched = open_page()
    page = watched.page
    watched.log_in()
    page.goto(f"{watched.base}/servers/shop/")
    expect(page.get_by_text("This server is down since")).to_have_count(0)
    step = StepStatus.objects.get(server=shop.shop, step="snapshot")
    step.failing_since, step.last_error = step.last_success_at, "Cannot connect to db.example.com:5432: gone"
    step.save()
    expect(page.get_by_text("This server is down since")).to_be_visible(timeout=15_000)
    expect(page.locator("#server-steps").get_by_text("Failing since")).to_be_visible()
    watched.is_clean()


def test_pages_work_without_scripts(open_page):
    shop = world.shop(hours=1, every_s=600)
    watched = open_page(java_script_enabled=False)
    page = watched.page
    watched.log_in()
    page.goto(f"{watched.base}/servers/shop/statements/{shop.statements[0].fingerprint}/")
    expect(page.locator("#statement-load-box .chart-plot path.area")).to_be_visible()
    expect(page.get_by_role("button", name="Zoom and read values")).to_have_count(0)
    page.get_by_text("The same in numbers").click()
    expect(page.get_by_role("columnheader", name="Mean time of a call")).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.get_by_text("The plan as text").click()
    expect(page.get_by_text("-> ").first).to_be_visible()
    page.goto(f"{watched.base}/findings/{shop.findings[0].pk}/")
    page.get_by_label("Reason").fill("known")
    page.get_by_role("button", name="Mute this finding").click()
    expect(page.get_by_text("“known”")).to_be_visible()


def test_the_keyboard_reaches_the_content_first(open_page):
    world.shop(hours=1, every_s=600)
    watched = open_page()
    watched.log_in()
    watched.page.keyboard.press("Tab")
    expect(watched.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    watched.page.keyboard.press("Enter")
    expect(watched.page.locator("#content")).to_be_focused()


def test_somebody_is_invited_by_keyboard_and_comes_in_by_the_copied_link(open_page):
    watched = open_page(permissions=["clipboard-read", "clipboard-write"])
    page = watched.page
    watched.log_in()
    page.get_by_role("link", name="Users", exact=True).press("Enter")
    page.get_by_label("Mail address").focus()
    page.keyboard.type("vera@example.com")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("vera@example.com is invited as an operator")).to_be_visible()
    page.get_by_role("button", name="Copy: Invitation").press("Enter")
    expect(page.locator("#announcement")).to_contain_text("copied to the clipboard")
    link = page.evaluate("navigator.clipboard.readText()")
    watched.is_clean()

    guest = open_page()
    guest.page.goto(link)
    guest.page.get_by_label("Password", exact=True).fill("a long enough one")
    guest.page.get_by_label("The password again").fill("a long enough one")
    guest.page.keyboard.press("Enter")
    guest.page.wait_for_url(f"{guest.base}/")
    guest.page.goto(f"{guest.base}/audit/")
    expect(guest.page.get_by_role("cell", name="came in by an invitation")).to_be_visible()
    guest.is_clean()
