"""Chromium for tests, without what a window for people costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.environment import IN_VAIN_S

PLAIN_HTTP_NAME = "dashboard.example"
# Of this flag Chromium heeds the last only: those of Playwright's own list that decide what is asked of whom, and the
# address bar's two lists of proposals. They are pages of their own; every window loads both, for 1.5 s of processor.
NOT_WANTED = (
    "AimEnabled", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay", "MediaRouter",
    "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding", "PreconnectToSearch",
    "WebUIOmniboxAimPopup", "WebUIOmniboxPopup",
)  # fmt: skip
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    f"--disable-features={','.join(NOT_WANTED)}",
    f"--host-resolver-rules=MAP {PLAIN_HTTP_NAME} 127.0.0.1",
)


@contextmanager
def launched(chromium: Path) -> Iterator[Browser]:
    expect.set_options(timeout=IN_VAIN_S * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        yield browser
        browser.close()
