"""`manage.py demo` as a person runs it; and the main job: login link, finding, its statement, its plan, its DDL."""

import re
import socket
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from analyzer.demo import service
from tests.running import Running, new_var_dir

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.fault]


@pytest.fixture
def demo() -> Iterator[Callable[..., Running]]:
    var_dir = new_var_dir("demo")
    made: list[Running] = []

    def start(*arguments: str) -> Running:
        made.append(Running("demo", *arguments, var_dir=var_dir))
        return made[-1]

    yield start
    for one in reversed(made):  # the one that runs, then those before it in the same directory
        one.remove()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


def at_work(demo: Running) -> bool:
    return "The demo shop is at work" in demo.output


def test_demo_leads_to_ddl_in_the_clipboard_and_keeps_its_data(demo: Callable[..., Running], page: Page) -> None:
    first = demo()
    first.wait_for(lambda: at_work(first), "the shop")
    assert "Making the demo shop" in first.output
    assert re.search(r"^pgLoupe: http://\S+  Log in once with http://\S+$", first.output, re.MULTILINE)
    servers = 'select name, slug, host, port, "user", dbname, sample_interval_s from analyzer_server'
    [(name, slug, host, port, user, dbname, interval_s)] = first.store(servers)
    assert (name, slug, host, user, dbname, interval_s) == (
        service.SERVER_NAME, service.SERVER_SLUG, "127.0.0.1", "pgloupe", "shop", 5,
    )  # fmt: skip
    assert first.processes("analyzer.demo.workload")
    assert not first.processes("password")

    # Two snapshots without a gap between them: statements of the shop have figures.
    seen = "select count(*) from analyzer_statement where normalized_sql like '%shop_orderline%'"
    first.wait_for(lambda: first.store(seen)[0][0] > 0, "figures of the shop's statements")
    copy_the_ddl_of_a_finding(first, page)
    assert first.stop() == 0
    assert " 0 errors" in (first.var_dir / "log" / "demo-workload.log").read_text()

    with socket.socket() as squatter:  # the shop's port is taken: it is the same server all the same
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", service.PORT_WANTED if port == service.PORT_WANTED else 0))
        squatter.listen()
        second = demo("--rate", "50")
        second.wait_for(lambda: at_work(second), "the shop")
        assert "Making the demo shop" not in second.output
        [(*_, second_port, _, _, _)] = second.store(servers)
        if port == service.PORT_WANTED:
            assert second_port != port
        failing = "select step, last_error from analyzer_stepstatus where last_error <> ''"
        taken = "select count(*) from analyzer_snapshot"
        [(before,)] = second.store(taken)
        second.wait_for(lambda: second.store(taken)[0][0] >= before + 2, "two rounds with the new password")
        snapshots = [row for row in second.store(failing) if row[0] == "snapshot"]
        assert snapshots == []
        assert second.stop() == 0


def copy_the_ddl_of_a_finding(demo: Running, page: Page) -> None:
    page.goto(demo.login_link)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("navigation").first).to_be_visible()
    # The promise is a minute from the workload's start on an idle machine; tests share theirs.
    found = "select f.id from analyzer_findingrecord f where code = 'PL004' and f.\"table\" = 'public.shop_order'"
    demo.wait_for(lambda: demo.store(found), "a sequential scan")
    suggested = "select ddl from analyzer_suggestionrecord where columns = '[\"tracking_code\"]'"
    ddl = demo.wait_for(lambda: demo.store(suggested), "its suggestion")[0][0]

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
