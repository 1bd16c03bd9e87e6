"""The main job as a person does it: `manage.py demo`, the login link, the finding, its statement, its plan, its DDL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.dashboard.test_browser import FLAGS
from tests.running import Running

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.fault]


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    running = Running("demo")
    yield running
    running.remove()


@pytest.fixture
def page(chromium: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        yield context.new_page()
        browser.close()


def test_from_the_login_link_to_the_copied_ddl(demo: Running, page: Page) -> None:
    page.goto(demo.login_link)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("navigation").first).to_be_visible()
    demo.wait_for(lambda: "The demo shop is at work" in demo.output, "the shop", 90)
    # The promise is a minute from the workload's start on an idle machine; tests share theirs.
    found = "select f.id from analyzer_findingrecord f where code = 'PL004' and f.\"table\" = 'public.shop_order'"
    demo.wait_for(lambda: demo.store(found), "a sequential scan", 180)
    suggested = "select ddl from analyzer_suggestionrecord where columns = '[\"tracking_code\"]'"
    ddl = demo.wait_for(lambda: demo.store(suggested), "its suggestion", 120)[0][0]

    page.get_by_role("link", name="Findings").first.click()
    expect(page.get_by_role("heading", name="Seq Scan on shop_order").first).to_be_visible()

    page.goto(page.url.partition("/findings")[0] + statement_path(demo))
    page.get_by_role("button", name="Copy: Create it").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == ddl.strip()
    assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_shop_order_tracking_code" in copied
    page.locator("iframe.plan-frame").scroll_into_view_if_needed()
    expect(page.frame_locator("iframe.plan-frame").get_by_text("Seq Scan").first).to_be_visible(timeout=20_000)


def statement_path(demo: Running) -> str:
    [(slug, fingerprint)] = demo.store(
        "select s.slug, t.fingerprint from analyzer_statement t join analyzer_server s on s.id = t.server_id"
        " where t.normalized_sql like '%\"tracking_code\" = $1%'"
    )
    return f"/servers/{slug}/statements/{fingerprint}/"
