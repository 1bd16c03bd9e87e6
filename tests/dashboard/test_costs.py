"""What findings cost a server: by check, over all its statements."""

import re
from dataclasses import replace
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from analyzer.models import FindingRecord
from analyzer.store.findings import keep_findings
from analyzer.store.series.totals import StatementRate
from dashboard.findings.costs import costs_by_check
from tests.dashboard import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(client):
    client.force_login(world.user())
    of = world.server()
    return of, world.figures(of)


def keep(of, *findings):
    return keep_findings(of, world.database(of), findings, {f.code for f in findings})


def scan(statement, impact: float, subject: str = "Seq Scan on a", **more):
    values = {"impact_s_per_day": impact, "subject": subject, **more}
    return replace(world.scan_finding(statement.fingerprint), **values)


def test_a_check_counts_each_statement_once_and_never_above_its_time(shop):
    of, (orders, customers, *_) = shop
    keep(of, scan(orders, 60.0, "a"), scan(orders, 70.0, "b"), scan(customers, 30.0))
    daily = {orders.pk: StatementRate(1000, 100.0, 100.0, 1.0), customers.pk: StatementRate(10, 60.0, 6000.0, 1.0)}
    (cost,) = costs_by_check(FindingRecord.objects.order_by("-impact_s_per_day"), daily, 520.0)
    assert (cost.code, cost.time_s_per_day, cost.share_ratio, cost.findings) == ("PL004", 130.0, 0.25, 3)
    assert [(c.finding.subject, c.time_s_per_day, c.share_ratio) for c in cost.statements] == [
        ("b", 100.0, 1.0),
        ("Seq Scan on a", 30.0, 0.5),
    ]


def test_page_ranks_checks_by_measured_time(client, shop):
    of, (orders, customers, search, reviews, *_) = shop
    muted, *_ = keep(of, scan(search, 9_000.0))
    FindingRecord.objects.filter(pk=muted.pk).update(muted_at=timezone.now())
    keep(
        of,
        scan(search, 9_000.0),
        scan(orders, 700.0, "Seq Scan on <b>shop_order</b>"),
        scan(customers, 200.0, code="PL051", title="A sort"),
        world.nplusone_finding(reviews.fingerprint, orders.fingerprint),  # 14,300 s measured, 2,100 s assumed
        scan(reviews, 5_000.0, code="ST002", impact_assumed_s_per_day=5_000.0),
        world.key_finding(),  # of no statement
    )
    page = client.get("/servers/shop/costs/").content.decode()
    assert re.findall(r'id="check-(\w+)"', page) == ["ST001", "PL004", "PL051"]
    said = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page))).replace("\u202f", " ")
    assert "3 checks found something in 3 statements" in said
    assert "shop_review is looked up once per row of shop_product (N+1)" in said
    assert "11 min 40 s a day" in said
    assert "<b>shop_order" not in page
    assert client.get("/findings/costs/?server=shop").url == "/servers/shop/costs/"
    assert "/findings/costs/" in client.get("/findings/").content.decode()


def test_queries_do_not_grow_with_what_is_found(client, shop):
    of, statements = shop
    client.get("/servers/shop/costs/")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get("/servers/shop/costs/")
        return len(captured)

    keep(of, scan(statements[0], 50.0))
    few = queries()
    keep(
        of, *(scan(s, 50.0, f"{code} {n}", code=code) for s in statements for code in ("PL004", "PL051") for n in "ab")
    )
    assert queries() == few


def test_without_measured_time_it_says_so(client, shop):
    of, _ = shop
    assert "Nothing found so far" in client.get("/servers/shop/costs/").content.decode()
    keep(of, world.key_finding())
    assert "No finding takes measured time" in client.get("/servers/shop/costs/").content.decode()
