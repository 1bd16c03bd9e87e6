"""A click on a finding lights up its node in the drawing, in Chromium."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.dashboard.test_browser import Watched
from tests.dashboard.test_plan_reader import SPILLED

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DRAWN_MS = 30_000


def test_a_finding_leads_to_its_node(browser, live_server):
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1440, "height": 1000})
    watched = Watched(context, live_server.url)
    watched.log_in()
    page = watched.page
    page.goto(watched.base + reverse("read_plan"))
    page.get_by_label("Plan", exact=True).fill(SPILLED)
    page.get_by_role("button", name="Read it").click()
    frame = page.frame_locator("iframe[title^='The plan']")
    expect(frame.locator(".plan-node-body").first).to_be_visible(timeout=DRAWN_MS)
    page.locator(".plan-finding a[data-node]").first.click()
    expect(frame.locator(".plan-node.selected, .plan-node.highlight").first).to_be_visible(timeout=DRAWN_MS)
    watched.is_clean()
    context.close()
