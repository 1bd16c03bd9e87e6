"""The index page, the what-if box and the query box in Chromium, on a real twin."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from dashboard.people.accounts import one_time_login_link
from tests.dashboard import advised
from tests.dashboard.test_accessibility import AXE, LOOKS, NEXT_FRAME, RUN_AXE, TOO_WIDE, Walk
from tests.dashboard.test_browser import Watched
from tests.environment import IN_VAIN_S

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
STATEMENT = (
    "select p.note from purchase p join customer c on c.id = p.customer_id where c.email = 'user77@example.org'"
    " order by p.placed desc limit 5"
)


@pytest.fixture
def shop(postgres18, scratch_database, settings, own_dir):
    settings.VAR_DIR = own_dir
    database = scratch_database(postgres18)
    advised.fill(database)
    return advised.advised(database, "shop")


@pytest.fixture
def watched(browser, live_server):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], reduced_motion="reduce")
    watched = Watched(context, live_server.url)
    watched.log_in()
    yield watched
    context.close()


def test_the_slider_chooses_the_set_and_the_mark_follows(watched, shop):
    page = watched.page
    page.goto(watched.base + reverse("indexes", args=["shop"]))
    expect(page.locator("#plan-words")).to_contain_text("2 indexes to create")
    mark = page.locator(".chart-plot .dot.line-2")
    before = mark.get_attribute("d")
    last = int(page.locator("#point").get_attribute("max"))

    page.locator("#point").press("ArrowLeft")
    expect(page.locator("#plan-words")).to_contain_text("1 index to create")
    expect(page.locator("#index-plan article")).to_have_count(1)
    expect(mark).not_to_have_attribute("d", before)
    assert parse_qs(urlsplit(page.url).query) == {"point": [str(last - 1)]}
    expect(page.locator("#point")).to_have_attribute(
        "aria-valuetext", re.compile("of the statement time saved, as planned")
    )

    page.locator("#index-plan").get_by_role("button", name="Copy: Copy all").click()
    expect(page.locator("#announcement")).to_contain_text("copied to the clipboard")
    assert re.fullmatch(
        r"-- 9\d\d kB, helps 1 statement\n"
        r"CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_purchase_customer_id ON public\.purchase \(customer_id\);\n",
        page.evaluate("navigator.clipboard.readText()"),
    )

    page.locator(".curve .chart-open").click()
    page.locator(".curve[data-drawn]").wait_for(timeout=IN_VAIN_S * 1000)
    drawn = page.evaluate("document.querySelector('.chart-stage').data[1].x[0]")
    assert 0 < drawn < 1.2  # megabytes of the one index
    watched.is_clean()


def test_what_if_tells_what_changes_and_what_cannot_be_tried(watched, shop):
    page = watched.page
    page.goto(watched.base + reverse("what_if", args=["shop"]))
    page.get_by_label("Indexes to try").fill("purchase (customer_id)")
    page.get_by_text("Existing indexes to hide").click()
    page.get_by_label("purchase_placed_idx").check()
    page.get_by_role("button", name="See what changes").click()
    answer = page.locator("#what-if-answer")
    expect(answer.get_by_role("heading", level=3)).to_have_text("2 of 4 statements change")
    rows = answer.locator(".changes-table tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Seq Scan on purchase became Bitmap Heap Scan using ix_purchase_customer_id")
    expect(rows.nth(1)).to_contain_text("Dearer")
    expect(rows.nth(1)).to_contain_text("became one using purchase_placed_spare")
    expect(answer).to_contain_text("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_purchase_customer_id")
    expect(answer).to_contain_text("DROP INDEX CONCURRENTLY IF EXISTS public.purchase_placed_idx")
    rows.nth(0).get_by_text("Both plans").click()
    expect(rows.nth(0).locator("pre").first).to_contain_text("Filter: (purchase.customer_id = ")
    watched.is_clean()

    page.get_by_label("Indexes to try").fill("purchase (custmer_id)")
    page.get_by_role("button", name="See what changes").click()
    expect(answer).to_have_text("public.purchase has no column custmer_id; did you mean customer_id?")
    expect(page.get_by_label("Indexes to try")).to_have_value("purchase (custmer_id)")


def test_a_new_statement_shows_its_plans_and_leads_to_what_if(watched, shop):
    page = watched.page
    page.goto(watched.base + reverse("query", args=["shop"]))
    page.get_by_label("SQL").fill(STATEMENT)
    page.get_by_role("button", name="Plan it").click()
    answer = page.locator("#query-answer")
    expect(answer.get_by_role("heading", name="It would like these indexes")).to_be_visible()
    # (email, id) would save one page a call, which one call a day does not pay for
    expect(answer).to_contain_text("ON public.customer (email);")
    now = page.frame_locator("iframe[title^='The plan as things are']")
    expect(now.get_by_text("Hash Inner Join").first).to_be_visible()
    page.get_by_text("With the indexes").click()
    then = page.frame_locator("iframe[title^='The plan with the indexes']")
    expect(then.get_by_role("cell", name="Bitmap Heap Scan").first).to_be_visible()
    watched.is_clean()

    page.get_by_role("link", name="What it would change for the recorded workload").click()
    expect(page.get_by_label("Indexes to try")).to_have_value(
        re.compile(r"^public\.purchase \(customer_id\)\npublic\.customer \(email\)$")
    )

    page.go_back()
    page.get_by_label("SQL").fill("selec 1")
    page.get_by_role("button", name="Plan it").click()
    expect(answer).to_have_text('It is not valid SQL in line 1: syntax error at or near "selec".')
    expect(page.get_by_label("SQL")).to_have_value("selec 1")


def test_all_of_it_works_without_scripts(browser, live_server, shop):
    link = one_time_login_link(live_server.url)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Log in").click()
    page.goto(live_server.url + reverse("indexes", args=["shop"]) + "?point=0")
    page.get_by_role("button", name="Show").click()
    assert "point=0" in page.url
    expect(page.get_by_role("heading", name="The plan")).to_be_visible()
    page.get_by_label("Indexes to try").fill("purchase (customer_id)")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_text("1 of 4 statements change")).to_be_visible()
    assert urlsplit(page.url).path == reverse("what_if", args=["shop"])
    page.goto(live_server.url + reverse("query", args=["shop"]))
    page.get_by_label("SQL").fill("select * from nope")
    page.get_by_role("button", name="Plan it").click()
    expect(page.get_by_role("alert")).to_have_text('Relation "nope" does not exist.')
    expect(page.get_by_label("SQL")).to_have_value("select * from nope")
    context.close()


@pytest.mark.long
def test_axe_finds_nothing_on_the_answers(browser, live_server, shop):
    walk = Walk(browser, live_server.url)
    walk.open(reverse("indexes", args=["shop"]), reverse("indexes", args=["shop"]) + "?point=0")
    walk.open(reverse("what_if", args=["shop"]) + "?index=purchase+(customer_id)", reverse("query", args=["shop"]))
    page = walk._person.page
    for path, button, field, text in (
        (reverse("what_if", args=["shop"]), "See what changes", "Indexes to try", "purchase (customer_id)"),
        (reverse("query", args=["shop"]), "Plan it", "SQL", STATEMENT),
    ):
        page.goto(live_server.url + path)
        page.get_by_label(field).fill(text)
        page.get_by_role("button", name=button).click()
        page.locator(".answer .code-block").first.wait_for(timeout=IN_VAIN_S * 1000)
        page.evaluate(AXE)
        for scheme, width, rules in LOOKS:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            page.evaluate(NEXT_FRAME)
            walk.faults += [f"{path} {width} {scheme}: {fault}" for fault in page.evaluate(RUN_AXE, rules)]
            if page.evaluate(TOO_WIDE) > 0:
                walk.faults.append(f"{path} {width} {scheme}: something sticks out")
    walk.close()
    walk.found_nothing()
