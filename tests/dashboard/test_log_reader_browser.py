"""A log chosen and read in Chromium: nothing that the page's policy refuses, nothing of the log that runs."""

import os
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.dashboard.test_browser import Watched
from tests.dashboard.test_log_reader import LOG

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_log_is_chosen_and_read(browser: Any, live_server: Any) -> None:
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1200, "height": 900})
    watched = Watched(context, live_server.url)
    watched.log_in()
    page = watched.page
    page.goto(watched.base + reverse("read_log"))
    page.get_by_label("File").set_input_files([{"name": "a.log", "mimeType": "text/plain", "buffer": LOG.encode()}])
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_role("heading", name="in 1 logged run").first).to_be_visible()
    expect(page.get_by_role("heading", name="Sort spilled to disk")).to_be_visible()
    watched.is_clean()
    if place := os.environ.get("SHOT"):
        page.screenshot(path=place, full_page=True)
    context.close()
