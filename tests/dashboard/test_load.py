"""Load by wait on the server's page: what is drawn, what is said of it, and what a click leads to."""

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import plotly.graph_objects as go
import pytest
from django.utils import timezone

from analyzer.store.series.load_reading import LoadBucket, LoadTimeline
from analyzer.store.series.session_load import SessionTraits, ensure_load_partitions, keep_look
from dashboard.charts.load_chart import load_chart
from tests.dashboard import world
from tests.dashboard.test_browser import Watched

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def chart_of(*buckets: tuple[int, dict[str, float]], cores: int | None = None):
    rows = [LoadBucket(START + timedelta(minutes=i), looks, active) for i, (looks, active) in enumerate(buckets)]
    end = START + timedelta(minutes=len(rows))
    timeline = LoadTimeline(60, START, end, "session_load", rows, 10.0)
    return load_chart(timeline, cores, START, lambda wait, start, end: f"?{wait}&{start:%H:%M}-{end:%H:%M}")


def rectangles(svg: str) -> list[tuple[str, str, list[tuple[float, float, float, float]]]]:
    """Address, wait and bars (x, bottom, top, width) of each link."""
    found = re.findall(r'<a href="([^"]+)" tabindex="-1"><path class="wait-(\w+)" d="([^"]+)">', svg)
    bar = r"M([\d.]+) ([\d.]+)V([\d.]+)h([\d.]+)"
    return [(unescape(a), w, [tuple(map(float, b)) for b in re.findall(bar, d)]) for a, w, d in found]


def test_waits_are_stacked_to_scale_and_lead_to_their_span():
    chart = chart_of((6, {"IO": 6.0, "CPU": 12.0}), (0, {}), (6, {"CPU": 6.0}), cores=4)
    third = 1000 / 3
    expect = [
        ("?CPU&12:00-12:01", "cpu", [(0, 1000, 600, third)]),
        ("?IO&12:00-12:01", "io", [(0, 600, 400, third)]),
        ("?CPU&12:02-12:03", "cpu", [(2 * third, 1000, 800, third)]),
    ]  # of 5, up from 1000
    found = rectangles(chart.svg)
    assert [link[:2] for link in found] == [link[:2] for link in expect]
    for (_, _, bars), (_, _, wanted) in zip(found, expect, strict=True):
        assert bars == [pytest.approx(bar, abs=0.1) for bar in wanted]
    assert re.search(r'<rect class="gap" x="333.3" y="0" width="333.3"', chart.svg)
    assert '<path class="cores" d="M0 200H1000"/>' in chart.svg
    assert [(w.name, w.average, round(w.share_ratio, 2)) for w in chart.waits] == [
        ("CPU", 1.5, 0.75),
        ("IO", 0.5, 0.25),
    ]
    assert [(row.looks, row.average) for row in chart.rows] == [(6, 3.0), (0, None), (6, 1.0)]


def test_plotly_knows_the_figure_and_draws_the_same():
    chart = chart_of((6, {"IO": 6.0, "CPU": 12.0, "NewWait": 3.0}), (0, {}), cores=4)
    figure = {name: chart.figure[name] for name in ("data", "layout")}
    known = json.loads(go.Figure(figure).to_json())
    assert known["data"] == figure["data"]
    assert {name: value for name, value in known["layout"].items() if name != "template"} == figure["layout"]
    assert [(t["name"], t["y"], t["meta"]) for t in figure["data"]] == [
        ("CPU", [2.0, None], "wait-cpu"), ("IO", [1.0, None], "wait-io"), ("NewWait", [0.5, None], "wait-other"),
    ]  # fmt: skip
    assert {shape["name"]: shape["y0"] for shape in figure["layout"]["shapes"]} == {"gap": 0, "cores": 4}


def test_nobody_looked_is_no_chart():
    assert chart_of((0, {})) is None


@pytest.mark.django_db
def test_a_wait_and_a_span_name_who_made_them(client):
    client.force_login(world.user())
    of = world.server(cores=None)
    (statement,) = world.figures(of, world.SHOP[:1], hours=1)
    world.database(of)
    of.roles.create(oid=10, name="<b>app</b>")
    now = timezone.now()
    for minute in range(40):
        ensure_load_partitions(at := now - timedelta(minutes=minute))
        look = {SessionTraits("CPU", "", statement.pk, 10, 5, "web", "orders.list"): 1.0}
        if minute >= 30:
            look = {SessionTraits("IO", "DataFileRead", 0, 10, 5, "batch", ""): 3.0}
        keep_look(of.pk, at, look)
    page = client.get("/servers/shop/?window=1h").content.decode()
    assert "1.5 sessions at work on average" in page
    assert "40 samples, one every" in page
    assert "No line for the cores" in page
    (link,) = {unescape(url) for url in re.findall(r'<li><a href="([^"]+)"><svg class="wait-key wait-io"', page)}
    page = client.get(link.partition("#")[0]).content.decode()
    below = page[page.index('id="made-up"') : page.index('aria-label="Summary"')]
    assert "What makes up IO" in below
    assert "batch" in below
    assert "DataFileRead" in below
    assert "&lt;b&gt;app&lt;/b&gt;" in below
    assert "Statements that are not known by their text" in below
    assert "web" not in below
    assert "orders.list" not in below
    start, end = (f"{now - timedelta(minutes=minutes):%Y-%m-%dT%H:%M}" for minutes in (20, 5))
    page = client.get("/servers/shop/", {"from": start, "to": end}).content.decode()
    below = page[page.index('id="made-up"') : page.index('aria-label="Summary"')]
    assert "orders.list" in below
    assert "batch" not in below
    assert f"/statements/{statement.fingerprint}/" in below


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_click_on_a_colour_asks_for_it(browser, live_server):
    of = world.shop(hours=2, every_s=600).shop
    context = browser.new_context()
    watched = Watched(context, live_server.url)
    watched.log_in()
    page = watched.page
    page.goto(f"{watched.base}/servers/{of.slug}/?window=1h")
    page.locator("#load-by-wait-box").hover()
    page.locator("#load-by-wait-box[data-drawn]").wait_for()
    bar = page.locator("#load-by-wait-box .barlayer .trace").first.locator("path").first.bounding_box()
    page.mouse.click(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2)
    page.wait_for_url(re.compile(r"from=.*&to=.*&wait=CPU"))
    assert page.locator("#made-up").inner_text().startswith("What makes up CPU")
    watched.is_clean()
    context.close()
