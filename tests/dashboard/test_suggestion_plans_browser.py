"""The planner's evidence and the plans side by side in Chromium, from a real run of the advisor."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from analyzer.models import SuggestionRecord
from analyzer.steps import run as pipeline
from dashboard.people.accounts import one_time_login_link
from tests.dashboard import advised
from tests.dashboard.test_accessibility import Walk
from tests.dashboard.test_browser import Watched

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
HOSTILE = '<img src=x onerror=alert(1)></iframe><script>alert(2)</script>" \u202e'


@pytest.fixture
def real(postgres18, scratch_database, settings, own_dir):
    settings.VAR_DIR = own_dir
    database = scratch_database(postgres18)
    advised.fill(database)
    return database


@pytest.fixture
def watched(browser, live_server):
    context = browser.new_context(reduced_motion="reduce")
    watched = Watched(context, live_server.url)
    watched.page.on("dialog", lambda dialog: (watched.complaints.append(dialog.message), dialog.dismiss()))
    watched.log_in()
    yield watched
    context.close()


def by_customer() -> SuggestionRecord:
    return SuggestionRecord.objects.get(columns=["customer_id"])


def test_a_statement_leads_from_its_cost_to_both_plans(watched, real):
    advised.advised(real, "shop")
    page = watched.page
    page.goto(watched.base + reverse("suggestion", args=[by_customer().pk]))
    row = page.locator("#evidence tbody tr")
    expect(row).to_contain_text("Seq Scan on purchase became Bitmap Heap Scan using ix_purchase_customer_id")
    row.get_by_role("link", name="Plans before and after").click()
    for title, node in (("Without the index", "Seq Scan"), ("With the index", "Bitmap Heap Scan")):
        frame = page.frame_locator(f"iframe[title^='{title}']")
        expect(frame.locator(".plan-node-body").first).to_contain_text(node)
        expect(page.get_by_role("region", name=f"{title}, as text")).to_contain_text(f"{node} on purchase")
    page.set_viewport_size({"width": 1440, "height": 900})
    left, right = (page.locator(".plan-pair > section").nth(n).bounding_box() for n in (0, 1))
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] < right["x"]
    page.set_viewport_size({"width": 390, "height": 900})
    left, right = (page.locator(".plan-pair > section").nth(n).bounding_box() for n in (0, 1))
    assert left["x"] == right["x"]
    assert left["y"] + left["height"] < right["y"]
    watched.is_clean()


@pytest.mark.long
def test_axe_finds_nothing_on_evidence_and_plans(browser, live_server, real):
    advised.advised(real, "shop")
    record = by_customer()
    [helped] = record.evidence["statements"]
    name = helped["fingerprint"]
    record.evidence |= {
        "hurt": [{"fingerprint": name, "values": "rare", "cost_before": 1.0, "cost_after": 2.0}],
        "at_risk": [{"fingerprint": name, "reason": "It reads the index to its end when few rows match."}],
        "makes_redundant": [{"index": "public.a", "reason": "b begins with it.", "ddl": "DROP INDEX a;\n"}],
    }
    figures = {"calls": 40, "mean_exec_time_ms": 4.0, "blocks_per_call": 120.0}
    outcome = {"fingerprint": name, "before": figures, "after": figures, "plan_change": helped["change"]}
    record.outcome = {"statements": [outcome]}
    record.save()
    walk = Walk(browser, live_server.url)
    walk.open(
        reverse("suggestion", args=[record.pk]),
        reverse("suggestion_plans", args=[record.pk, name]),
        reverse("statement", args=["shop", name]),
    )
    walk.close()
    walk.found_nothing()


def test_without_scripts_the_plans_stand_there_as_text(browser, live_server, real):
    advised.advised(real, "shop")
    record = by_customer()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(one_time_login_link(live_server.url))
    page.get_by_role("button", name="Log in").click()
    name = record.evidence["statements"][0]["fingerprint"]
    page.goto(live_server.url + reverse("suggestion_plans", args=[record.pk, name]))
    expect(page.get_by_role("region", name="With the index, as text")).to_contain_text(
        "Bitmap Index Scan on ix_purchase_customer_id"
    )
    context.close()


def test_names_from_the_server_do_nothing_on_the_page(watched, real):
    table = '"' + HOSTILE[:60].replace('"', '""') + '"'
    real.execute(
        f"create table {table} as select i as id, i % 5000 as owner, md5(i::text) as note"
        " from generate_series(1, 30000) i",
        "analyze",
    )
    server = advised.recorded(real, "shop")
    with real.connect() as connection:
        for n in range(20):
            connection.execute(f"select note from {table} where owner = %s", (n,))
    pipeline.take_snapshot(server)
    assert pipeline.advise_on_indexes(server) == ""
    record = SuggestionRecord.objects.get(columns=["owner"])
    page, name = watched.page, record.evidence["statements"][0]["fingerprint"]
    for path in (reverse("suggestion", args=[record.pk]), reverse("suggestion_plans", args=[record.pk, name])):
        page.goto(watched.base + path)
        page.wait_for_load_state("networkidle")
        assert "<img src=x" in page.evaluate("document.body.innerText")
        watched.is_clean()
    frame = page.frame_locator("iframe[title^='With the index']")
    expect(frame.locator(".plan-node-body").first).to_contain_text("Scan")
    frame.locator(".plan-node-body header h4").first.click()
    watched.is_clean()
