"""What looks like an N+1 and is none, and what is one and did not look like it: pages whose statements are known."""

import numpy as np
import pytest

from analyzer.checks.statement.n_plus_one_burst import check
from tests.behaviour.test_check import (
    BATCHED,
    CUSTOMER,
    LINES,
    ORDERS,
    PRODUCT,
    PRODUCTS,
    SESSION,
    App,
)
from tests.checks.builders import found_by

PING, HEALTH = "select $1", 'select "id", "name" from "shop_product" where "shop_product"."id" = $1'
IN_LISTS = LINES.replace("= $1", "in ($1 /*, ... */)")
JOB_ORDERS = 'select "id", "customer_id" from "shop_order" where "status" = $1'


MARKER = 'select "id", "name" from "shop_product" where "name" like $1'
ORDER = 'select "id", "status" from "shop_order" where "id" = $1'
OF_CUSTOMER = 'select "id", "status" from "shop_order" where "customer_id" = $1'
OF_DAY = 'select sum("product") from "shop_orderline" where "id" >= $1 and "id" < $2'


def busy(seed: int) -> App:
    """Traffic that repeats nothing."""
    app = App(seed)
    orders, products, detail, other = app.calls(30), app.calls(25), app.calls(200), app.calls(400)
    app.run(ORDERS, orders, app.rows(orders, 18))
    app.run(PRODUCTS, products, app.rows(products, 22))
    app.run(PRODUCT, detail)
    app.run(CUSTOMER, detail)
    app.run(SESSION, orders + products + detail + other)
    return app


def every(app: App, minutes: int, calls: float, rows_per_call: float) -> None:
    """A job that reads a list and looks up what belongs to each row."""
    runs = np.zeros(app.intervals)
    runs[::minutes] = calls
    rows = runs * rows_per_call + app.random.poisson(20, app.intervals) * (runs > 0)
    app.run(JOB_ORDERS, runs, rows)
    app.run(LINES, rows, rows * 3)


def same_rate(app: App) -> None:
    """A second page that follows the first one's traffic, by chance of its own."""
    wave = np.exp(np.cumsum(app.random.normal(0, 0.15, app.intervals)))
    lists = app.random.poisson(20 * wave / wave.mean()).astype(float)
    app.run(JOB_ORDERS, lists, app.rows(lists, 18))
    app.run(LINES, app.random.poisson(360 * wave / wave.mean()).astype(float))


def late_batch(app: App, length: int) -> None:
    """A job of several minutes that is still running."""
    runs = np.zeros(app.intervals)
    runs[-length:] = 1
    rows = app.random.poisson(500, app.intervals) * runs
    app.run(JOB_ORDERS, runs, rows)
    app.run(LINES, rows, rows * 3)


def same_row(app: App) -> None:
    """A page that reads one row three times, and twice each time what belongs to it."""
    page = app.calls(40)
    app.run(MARKER, page)
    app.run(ORDER, page * 3)
    app.run(LINES, page * 6, page * 18)


def prefetches(app: App) -> None:
    """A page that reads six lists and fetches at once what belongs to the rows of each."""
    page = app.calls(40)
    app.run(MARKER, page)
    app.run(OF_CUSTOMER, page * 6, page * 54)
    app.run(IN_LISTS, page * 6, page * 100)


LOOK_ALIKES = {
    "one row read again and again": same_row,
    "lists with a prefetch each": prefetches,
    "a job every minute": lambda app: every(app, 1, 1, 60),
    "a job every third minute": lambda app: every(app, 3, 1, 200),
    "a job every fifth minute for twenty tenants": lambda app: every(app, 5, 20, 30),
    "an hourly job": lambda app: every(app, 59, 10, 500),
    "a batch that is still running": lambda app: late_batch(app, 6),
    "a longer batch that is still running": lambda app: late_batch(app, 14),
    "two pages of one rate": same_rate,
    "a page that prefetches": lambda app: app.run(BATCHED, app.series[ORDERS][0], app.series[ORDERS][1] * 3),
    "pings of a pool": lambda app: app.run(PING, app.random.poisson(3000, app.intervals).astype(float)),
    "health checks": lambda app: app.run(HEALTH, app.random.poisson(120, app.intervals).astype(float)),
    "three lookups a page": lambda app: app.run(LINES, app.series[PRODUCTS][0] * 3),
    "one lookup a page": lambda app: app.run(LINES, app.series[PRODUCT][0] * 1),
    "lists in chunks": lambda app: app.run(IN_LISTS, app.series[ORDERS][0] * 2, app.series[ORDERS][1] * 3),
    "three ranges a page": lambda app: app.run(OF_DAY, app.series[PRODUCTS][0] * 3),
    "ranges that are polled": lambda app: app.run(OF_DAY, app.random.poisson(900, app.intervals).astype(float)),
    "a range a request": lambda app: app.run(OF_DAY, app.series[SESSION][0] * 1),
    "a report of ranges every minute": lambda app: app.run(OF_DAY, 300.0 + app.random.poisson(30, app.intervals)),
    "a cache that is refilled": lambda app: app.run(LINES, app.random.poisson(3, app.intervals) ** 3.0 * 20),
}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", LOOK_ALIKES)
def test_nothing_is_said_of(kind: str, seed: int) -> None:
    app = busy(seed)
    LOOK_ALIKES[kind](app)
    assert [f.message for f in found_by(check, app.workload())] == []


def new_page(app: App) -> None:
    """Deployed a quarter of an hour ago."""
    rows = app.series[ORDERS][1].copy()
    rows[:-15] = 0
    app.run(LINES, rows, rows * 3)


def busy_page(app: App) -> None:
    """So many requests that the counters hardly vary."""
    calls = app.random.poisson(2000, app.intervals).astype(float)
    rows = calls * 20
    app.run(JOB_ORDERS, calls, rows)
    app.run(LINES, rows, rows * 3)


def twice_a_row(app: App) -> None:
    rows = app.series[ORDERS][1]
    app.run(LINES, rows * 2, rows * 6)


def also_prefetched(app: App) -> None:
    """Another page fetches the same rows at once: one statement, whose text is that of whoever came first."""
    rows, other = app.series[ORDERS][1], app.series[SESSION][0]
    app.run(IN_LISTS, rows + other, rows * 3 + other * 40)


def seldom(app: App) -> None:
    """Less than two requests a minute, by chance: a job would come once whenever its time has come."""
    calls = app.random.poisson(1.7, app.intervals).astype(float)
    rows = app.rows(calls, 18)
    app.run(JOB_ORDERS, calls, rows)
    app.run(LINES, rows, rows * 3)


TRUE = {
    "a page that is called seldom": seldom,
    "a page deployed a quarter of an hour ago": new_page,
    "a very busy page": busy_page,
    "two a row": twice_a_row,
    "looked up row by row here and prefetched there": also_prefetched,
}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", TRUE)
def test_is_named(kind: str, seed: int) -> None:
    app = busy(seed)
    TRUE[kind](app)
    (found,) = found_by(check, app.workload())
    assert found.subject == "public.shop_orderline(order_id) per row of public.shop_order"
    assert found.fixes[0].code == 'Order.objects.prefetch_related("orderline_set")'


@pytest.mark.parametrize("seed", range(6))
def test_ranges_asked_one_by_one_are_named_without_rows_that_bring_them(seed: int) -> None:
    app = busy(seed)
    app.run(OF_DAY, app.series[PRODUCTS][0] * 12)
    (found,) = found_by(check, app.workload())
    assert found.subject == "public.shop_orderline(id) several times per page"
    assert "public.shop_orderline by conditions on id (12.0 times); possible, by the counters" in found.message
    assert [fix.language for fix in found.fixes] == ["sql"]
