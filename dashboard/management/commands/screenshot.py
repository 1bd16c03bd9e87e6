"""`manage.py screenshot URL FILE`: a page as a logged-in person sees it, as PNG (the README's picture).

Needs Playwright (requirements-dev.txt) and Chromium; logs in through a one-time link like everybody.
"""

import shutil
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError

from dashboard.people.accounts import one_time_login_link

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Command(BaseCommand):
    help = "Save a picture of a page of the running dashboard"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", help="of the page, e.g. http://127.0.0.1:8000/")
        parser.add_argument("file", help="where the PNG goes")
        parser.add_argument("--width", type=int, default=1440)
        parser.add_argument("--height", type=int, default=900)
        parser.add_argument("--dark", action="store_true")
        parser.add_argument("--full-page", action="store_true")
        parser.add_argument("--scale", type=float, default=1.0, help="device pixels per pixel")

    def handle(self, *args: Any, url: str, file: str, **options: Any) -> None:
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            raise CommandError("Playwright is not installed: pip install -r requirements-dev.txt") from None
        chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
        if chromium is None:
            raise CommandError(f"No Chromium on PATH (looked for {', '.join(CHROMIUM_NAMES)})")
        parts = urlsplit(url)
        link = one_time_login_link(f"{parts.scheme}://{parts.netloc}")
        with sync_playwright() as playwright:
            flags = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            page = browser.new_page(
                viewport={"width": options["width"], "height": options["height"]},
                color_scheme="dark" if options["dark"] else "light",
                device_scale_factor=options["scale"],
            )
            page.goto(link)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(f"{parts.scheme}://{parts.netloc}/")
            page.goto(url)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(500)  # charts ease in
            page.screenshot(path=file, full_page=options["full_page"])
            browser.close()
        self.stdout.write(f"Saved {file}")
