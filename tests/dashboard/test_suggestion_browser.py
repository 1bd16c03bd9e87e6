"""The page of a suggestion in Chromium: every tab copied and read back, by mouse, keyboard and without scripts."""

import re
from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from analyzer.store.models_map import keep_models
from tests.dashboard import world
from tests.dashboard.test_accessibility import Walk, tab_to
from tests.dashboard.test_browser import Watched

REMARKS = re.compile(r"(?:-- .*\n)*")  # what is to be known of the index, before its SQL
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# what each tab's first and second text begin and end with
COPIED = {
    "SQL": [("CREATE INDEX CONCURRENTLY", "(status, placed_at);\n"), ("DROP INDEX CONCURRENTLY", "placed_at;\n")],
    "Rollout script": [
        ("-- Create index ix_shop", ".undo.sql\n"),
        ("-- Undo: Create index ix_shop", "SELECT 'Done.';\n"),
    ],
    "Django": [("# Create index ix_shop", "    ]\n"), ("# add this line to the indexes", "        ]\n")],
    "Alembic": [("# Create index ix_shop", 'op.execute("RESET statement_timeout")\n')],
    "SQLAlchemy": [("from sqlalchemy import Index\n", ")\n")],
    "SQLModel": [("from sqlmodel import Index\n", ")\n")],
    "SQL files": [("-- Create index ix_shop", "RESET statement_timeout;\n"), ("-- Undo", "RESET statement_timeout;\n")],
}


@pytest.fixture
def watched(browser, live_server, request) -> Iterator[Watched]:  # type: ignore[no-untyped-def]
    options = getattr(request, "param", {"permissions": ["clipboard-read", "clipboard-write"]})
    context = browser.new_context(**options)
    made = Watched(context, live_server.url)
    made.log_in()
    yield made
    context.close()


def open_suggestion(watched: Watched, shop: world.World) -> Page:
    watched.page.goto(watched.base + reverse("suggestion", args=[shop.suggestion.pk]))
    return watched.page


def test_each_tab_is_copied_whole(watched):
    page = open_suggestion(watched, world.shop(hours=1, every_s=600))
    for name, texts in COPIED.items():
        page.get_by_text(name, exact=True).first.click()
        expect(page.get_by_role("radio", name=name, exact=True)).to_be_checked()
        expect(page.locator(".panel:visible")).to_have_count(1)
        blocks = page.locator(".panel:visible .code-block")
        expect(blocks).to_have_count(len(texts))
        for at, (start, end) in enumerate(texts):
            button = blocks.nth(at).get_by_role("button")
            label = button.get_attribute("data-copy-label")
            button.click()
            expect(page.locator("#announcement")).to_have_text(f"{label} copied to the clipboard")
            copied = page.evaluate("navigator.clipboard.readText()")
            assert copied == blocks.nth(at).locator("pre code").text_content()
            told = 0 if start.startswith("--") else REMARKS.match(copied).end()
            assert copied.startswith(start, told), (name, copied[:80])
            assert copied.endswith(end), (name, copied[-80:])
    watched.is_clean()


def test_the_keyboard_goes_through_the_tabs(watched):
    page = open_suggestion(watched, world.shop(hours=1, every_s=600))
    page.locator("#content").focus()
    first = page.get_by_role("radio", name="SQL", exact=True)
    for _ in range(6):
        page.keyboard.press("Tab")
        if first.evaluate("(e) => e === document.activeElement"):
            break
    expect(first).to_be_focused()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Django")).to_be_checked()
    label = page.locator("label[for=tab-django]")
    assert label.evaluate("(e) => getComputedStyle(e).outlineStyle") == "solid"
    tab_to(page, page.get_by_role("button", name="Copy: Django", exact=True), 2)
    page.keyboard.press("Enter")
    expect(page.locator("#announcement")).to_have_text("Django copied to the clipboard")
    watched.is_clean()


@pytest.mark.parametrize("watched", [{"java_script_enabled": False}], indirect=True)
def test_tabs_and_the_map_work_without_scripts(watched):
    page = open_suggestion(watched, world.shop(hours=1, every_s=600))
    page.get_by_text("Alembic", exact=True).click()
    expect(page.get_by_text("def downgrade() -> None:")).to_be_visible()
    expect(page.get_by_text("AddIndexConcurrently").first).to_be_hidden()
    page.get_by_label("The map, pasted").fill("shop_order = sales.Purchase")
    page.get_by_role("button", name="Keep this map").click()
    expect(page.get_by_text("The map of 1 table is kept.")).to_be_visible()
    expect(page.get_by_text('model_name="purchase"')).to_be_visible()
    page.get_by_label("The map, pasted").fill("shop_order = Purchase")
    page.get_by_role("button", name="Keep this map").click()
    expect(page.get_by_role("alert")).to_contain_text("'Purchase' is not of the form app.Model")
    expect(page.get_by_label("The map, pasted")).to_have_value("shop_order = Purchase")
    expect(page.get_by_role("alert")).to_be_in_viewport()


@pytest.mark.long
def test_axe_and_widths(browser, live_server):
    shop = world.shop(hours=1, every_s=600)
    walk = Walk(browser, live_server.url)
    path = reverse("suggestion", args=[shop.suggestion.pk])
    walk.open(path, f"{path}?tab=rollout", f"{path}?tab=django", f"{path}?tab=alembic")
    keep_models(shop.suggestion.database, "shop_order = sales.Purchase", "ada")
    walk.open(f"{path}?tab=django", f"{path}?tab=sqlalchemy")
    walk.close()
    walk.found_nothing()
