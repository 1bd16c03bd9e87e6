"""A click on a finding lights up its node in the drawing, in Chromium."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from dashboard.people.accounts import one_time_login_link
from tests.dashboard.test_browser import Watched
from tests.dashboard.test_plan_reader import SPILLED
from tests.plans.test_inspect_plan import AFTER, BEFORE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_finding_leads_to_its_node(browser, live_server):
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1440, "height": 1000})
    watched = Watched(context, live_server.url)
    watched.log_in()
    page = watched.page
    page.goto(watched.base + reverse("read_plan"))
    page.get_by_label("Plan", exact=True).fill(SPILLED)
    page.get_by_role("button", name="Read it").click()
    frame = page.frame_locator("iframe[title^='The plan']")
    expect(frame.locator(".plan-node-body").first).to_be_visible()
    page.locator(".plan-finding a[data-node]").first.click()
    expect(frame.locator(".plan-node.selected, .plan-node.highlight").first).to_be_visible()
    watched.is_clean()
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_two_plans_stand_side_by_side_without_scripts_and_on_a_phone(browser, live_server, width):
    context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    page.goto(one_time_login_link(live_server.url))
    page.get_by_role("button", name="Log in").click()
    page.goto(live_server.url + reverse("read_plan"))
    page.get_by_text("Compare it with a second plan").click()
    page.get_by_label("Plan", exact=True).fill(BEFORE)
    page.get_by_label("Second plan, after a change").fill(AFTER)
    page.get_by_role("button", name="Read it").click()
    changes = page.locator(".plan-changes")
    expect(changes.locator("tbody tr")).to_have_count(3)
    expect(changes.get_by_text("gone", exact=True)).to_be_visible()
    box = changes.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    context.close()
