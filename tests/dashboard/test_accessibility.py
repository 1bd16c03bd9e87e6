"""Every page with figures, with its server down and with nothing to show yet, in Chromium; the main path by keyboard.

On each, at a desk's and a phone's width, light and dark: axe-core finds nothing serious, nothing sticks out at the
side, the console stays silent, the policy is kept and nothing is asked of another host. One load per page serves all.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.urls import URLPattern, resolve, reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

import dashboard.urls
from analyzer.models import FindingRecord, ReportMail, Server
from dashboard import tasks as dashboard_tasks
from dashboard.mail import queue as mail_queue
from dashboard.people import accounts
from dashboard.permissions import PUBLIC
from tests.dashboard import world
from tests.dashboard.test_browser import Watched
from tests.reports import nights

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

VENDOR = Path(__file__).parent / "vendor"
AXE = (VENDOR / "axe-core-4.10.3" / "axe.min.js").read_text()
# Everything at once where the markup differs; where only colours do, only those.
LOOKS = (
    ("light", 1440, None),
    ("dark", 1440, ["color-contrast"]),
    ("dark", 390, None),
    ("light", 390, ["color-contrast"]),
)
RUN_AXE = """async (rules) => {
  const only = rules ? {runOnly: {type: "rule", values: rules}} : {};
  const found = await axe.run(document, {...only, resultTypes: ["violations"], iframes: false, preload: false});
  return found.violations
    .filter((v) => v.impact === "serious" || v.impact === "critical")
    .flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 200)} ${n.failureSummary.slice(0, 300)}`));
}"""
NEXT_FRAME = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def walk(browser: Browser, live_server) -> Iterator["Walk"]:  # type: ignore[no-untyped-def]
    walk = Walk(browser, live_server.url)
    yield walk
    walk.close()


class Walk:
    """A person and a stranger who open page after page; what is wrong with any is collected, then said at once."""

    def __init__(self, browser: Browser, base: str) -> None:
        contexts = [browser.new_context(reduced_motion="reduce", permissions=[]) for _ in range(2)]
        self._person, self._stranger = (Watched(context, base) for context in contexts)
        self._person.log_in()
        self.faults: list[str] = []
        self.names: set[str] = set()  # of the URLs that were opened

    def close(self) -> None:
        for watched in (self._person, self._stranger):
            watched.page.context.close()

    def open(self, *paths: str, logged_in: bool = True, status: int = 200, with_axe: bool = True) -> None:
        watched = self._person if logged_in else self._stranger
        for path in paths:
            page = watched.page
            page.set_viewport_size({"width": LOOKS[0][1], "height": 900})
            page.emulate_media(color_scheme=LOOKS[0][0])  # type: ignore[arg-type]
            answer = page.goto(watched.base + path)
            self.names.add(resolve(urlsplit(path).path).view_name)
            short = path if len(path) < 90 else path[:87] + "..."
            if answer is None or answer.status != status:
                self.faults.append(f"{short}: answered {answer and answer.status}")
                continue
            # A mail's own document lies in a sandbox without scripts, where axe never comes to an end.
            can_run = with_axe and "sandbox" not in answer.headers.get("content-security-policy", "")
            if can_run:
                page.evaluate(AXE)
            for scheme, width, rules in LOOKS:
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                where = f"{short} {width} {scheme}"
                if can_run:
                    page.evaluate(NEXT_FRAME)  # a script may answer the change
                    self.faults += [f"{where}: {fault}" for fault in page.evaluate(RUN_AXE, rules)]
                if (too_wide := page.evaluate(TOO_WIDE)) > 0:
                    self.faults.append(f"{where}: {too_wide} pixels stick out")
            # Chromium itself calls an answer of 4xx an error; here it is the page that is looked at.
            complaints = [c for c in watched.complaints if not (status >= 400 and f"status of {status}" in c)]
            self.faults += [f"{short}: {complaint}" for complaint in complaints]
            watched.complaints.clear()
        try:
            watched.is_clean()
        except AssertionError as fault:
            self.faults.append(f"{paths}: {fault}")

    def found_nothing(self) -> None:
        assert self.faults == [], "\n".join(self.faults)


def pages_of(
    server: Server, *, statement: str = "", plan: int = 0, finding: int = 0, suggestion: int = 0
) -> dict[str, str]:
    """Every page that a server alone is the address of, out of the URL table, and those of what is given."""
    pages = {name: reverse(name, args=[server.slug]) for name in _names(["server"])}
    pages["table"] += "?name=public.shop_order"
    if statement:
        pages["statement"] = reverse("statement", args=[server.slug, statement])
    if plan:
        pages["plan"] = reverse("plan", args=[plan])
    if finding:
        pages["finding"] = reverse("finding", args=[finding])
    if suggestion:
        pages["suggestion"] = reverse("suggestion", args=[suggestion])
    return pages


# Not opened here: what answers POST alone, what a page fetches for a part of itself, what needs a secret link; the
# plans of a suggestion and of a statement written otherwise need a twin (test_suggestion_plans_browser.py,
# test_finding_rewrites.py); two servers that are one have a real one behind them (test_same_server.py).
NO_PAGES = {
    "overview_findings", "server_now", "mute", "mute_all", "unmute", "assign", "check_change", "suggestion_models",
    "logout", "session_end", "sessions_end_others", "user_invite", "invitation_withdraw", "user_role",
    "user_active", "user_link", "report_send", "report_mail_html", "report_mail_retry",
    "password_reset_confirm", "suggestion_plans", "finding_rewrites", "server_merge",
}  # fmt: skip


def common_pages() -> dict[str, str]:
    """Every page whose address holds nothing, out of the URL table."""
    return {name: reverse(name) for name in _names([])}


def _names(parameters: list[str]) -> list[str]:
    """Of pages whose addresses have these parameters."""
    return [
        str(pattern.name)
        for pattern in dashboard.urls.urlpatterns
        if isinstance(pattern, URLPattern)
        and pattern.name not in NO_PAGES | PUBLIC
        and list(pattern.pattern.converters) == parameters
    ]


def test_axe_core_is_the_one_that_is_listed():
    listed = dict(re.findall(r"^\| (\S+) \| `([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.MULTILINE))
    assert listed == {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.glob("*/*")
    }


@pytest.mark.long
def test_every_page_without_anything_to_show(walk):
    walk.open(*common_pages().values())
    fresh = world.server("fresh", preflight=[], preflight_at=None, server_version_num=None)
    walk.open(reverse("admin:auth_user_changelist"), with_axe=False)  # Django's own: its colours change slowly
    walk.open(reverse("overview"), *pages_of(fresh).values(), "/findings/?state=muted", "/findings/?state=closed")
    walk.found_nothing()


@pytest.mark.long
def test_every_page_with_figures_and_with_the_server_down(walk):
    shop = world.shop(hours=2, every_s=600)
    down = world.server("billing")
    world.figures(down, world.SHOP[:3], hours=1)
    for step in ("snapshot", "explain"):
        world.step(down, step, error="Cannot connect to billing:5432: Connection refused", failing_s=600)
    lookups = FindingRecord.objects.get(code="ST001")
    FindingRecord.objects.filter(code="SC001").update(muted_at=timezone.now(), muted_by="ada", mute_reason="known")
    subscription = nights.subscription(get_user_model().objects.get(), hour=(timezone.now().hour + 12) % 24)
    mail_queue.ask_for(get_user_model().objects.get(), timezone.now())
    dashboard_tasks.send_reports()
    mail = ReportMail.objects.get()
    of_shop = pages_of(
        shop.shop, statement=shop.statements[0].fingerprint, plan=shop.plan.pk, finding=lookups.pk,
        suggestion=shop.suggestion.pk,
    )  # fmt: skip
    of_down = pages_of(down, statement=down.statements.first().fingerprint)
    walk.open(*(common_pages() | {f"shop {name}": path for name, path in of_shop.items()}).values())
    walk.open(*(path for name, path in of_down.items() if name in ("server", "statements", "statement")))
    without_a_plan = reverse("statement", args=[shop.shop.slug, shop.statements[2].fingerprint])
    walk.open(of_shop["statement"] + "?window=6h", without_a_plan)
    walk.open("/findings/?state=muted", reverse("report_mail", args=[mail.pk]), "/report/?as=text")
    walk.open(reverse("login"), reverse("password_reset"), reverse("password_reset_sent"), logged_in=False)
    _, token = accounts.invite("eve@example.org", "viewer", "ada")
    leave = urlsplit(mail_queue.unsubscribe_url(subscription)).path
    walk.open(reverse("invitation", args=[token]), leave, logged_in=False)
    walk.open(reverse("login_once", args=["used-up"]), logged_in=False, status=410)
    walk.open(reverse("check", args=["PL004"]), reverse("stored_plan", args=[shop.plan.pk]))
    walk.found_nothing()
    every_name = {str(p.name) for p in dashboard.urls.urlpatterns if isinstance(p, URLPattern)}
    assert every_name - walk.names == NO_PAGES, "a page that nobody looked at"


def focused(page: Page) -> str:
    return str(page.evaluate("(document.activeElement.getAttribute('aria-label') || document.activeElement.innerText)"))


def tab_to(page: Page, locator, within: int) -> int:  # type: ignore[no-untyped-def]
    """Press Tab until it has the focus; how often that was."""
    for presses in range(1, within + 1):
        page.keyboard.press("Tab")
        if locator.evaluate("(e) => e === document.activeElement"):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"nobody sees that {focused(page)!r} has the focus"
            return presses
    raise AssertionError(f"not reached with {within} tabs; the focus is on {focused(page)!r}")


def test_the_main_path_by_keyboard_alone(browser, live_server):
    shop = world.shop(hours=1, every_s=600)
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    watched = Watched(context, live_server.url)
    page = watched.page
    page.goto(accounts.one_time_login_link(live_server.url))
    tab_to(page, page.get_by_role("button", name="Log in"), 6)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    worst = page.locator(f"#content a[href='/findings/{shop.findings[0].pk}/']").first
    tab_to(page, worst, 8)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/findings/{shop.findings[0].pk}/")

    tab_to(page, page.get_by_role("button", name="Copy: Create it").first, 30)
    page.keyboard.press("Enter")
    expect(page.locator("#announcement")).to_have_text("Create it copied to the clipboard")
    assert page.evaluate("navigator.clipboard.readText()") == shop.suggestion.ddl
    statement = page.locator(".statement-name a").first
    tab_to(page, statement, 30)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/statements/{shop.statements[0].fingerprint}/**")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    watched.is_clean()
    context.close()
