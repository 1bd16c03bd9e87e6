"""The N+1 check on a simulated web application whose pages are known."""

import numpy as np
import pytest

from analyzer.behaviour import SessionEvidence, StatementSeries, Workload
from analyzer.checks import NotRun
from analyzer.checks.n_plus_one_burst import check
from analyzer.facts import ColumnFacts, ForeignKeyFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.statements.fingerprint import fingerprint

BIGINT = 20


def table(oid: int, name: str, columns: str, keys: dict[str, tuple[int, str]] | None = None) -> TableFacts:
    names = columns.split()
    return TableFacts(
        oid=oid,
        schema="public",
        name=name,
        kind="r",
        rows=100_000.0,
        size_bytes=10_000_000,
        columns=tuple(ColumnFacts(c, n, "bigint", BIGINT, True, 100_000.0) for n, c in enumerate(names, 1)),
        indexes=(
            IndexFacts(oid * 10, "public", f"{name}_pkey", "btree", (names[0],), is_unique=True, is_primary=True),
            *(IndexFacts(oid * 10 + 1, "public", f"ix_{name}_{c}", "btree", (c,)) for c in keys or {}),
        ),
        foreign_keys=tuple(
            ForeignKeyFacts(f"{name}_{c}_fk", (c,), target, "public", target_name, ("id",))
            for c, (target, target_name) in (keys or {}).items()
        ),
        primary_key=(names[0],),
        unique_keys=((names[0],),),
    )


FACTS = SchemaFacts(
    "shop",
    180_000,
    (
        table(1, "shop_customer", "id name"),
        table(2, "shop_order", "id customer_id status created", {"customer_id": (1, "shop_customer")}),
        table(3, "shop_orderline", "id order_id product", {"order_id": (2, "shop_order")}),
        table(4, "shop_product", "id name"),
        table(5, "shop_review", "id product_id stars", {"product_id": (4, "shop_product")}),
        table(6, "django_session", "session_key data"),
        table(7, "shop_job", "id state"),
    ),
)
ORDERS = 'select "id", "customer_id", "status" from "shop_order" order by "created" desc limit $1'
CUSTOMER = 'select "id", "name" from "shop_customer" where "shop_customer"."id" = $1 limit $2'
LINES = 'select "id", "order_id", "product" from "shop_orderline" where "shop_orderline"."order_id" = $1'
PRODUCTS = 'select "id", "name" from "shop_product" order by "name" limit $1'
REVIEWS = 'select count(*) as "n" from "shop_review" where "shop_review"."product_id" = $1'
SESSION = 'select "session_key", "data" from "django_session" where "session_key" = $1 limit $2'
PRODUCT = 'select "id", "name" from "shop_product" where "shop_product"."id" = $1 limit $2'
POLL = 'select "id" from "shop_job" where "state" = $1 order by "id" limit $2 for update skip locked'
BATCHED = 'select "id", "order_id" from "shop_orderline" where "order_id" in ($1, $2, $3)'


class App:
    """Pages arrive by chance, each with a rate that drifts on its own; every page looks its session up."""

    def __init__(self, seed: int, intervals: int = 60) -> None:
        self.random, self.intervals = np.random.default_rng(seed), intervals
        self.series: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def calls(self, per_interval: float) -> np.ndarray:
        wave = np.exp(np.cumsum(self.random.normal(0, 0.15, self.intervals)))
        return self.random.poisson(per_interval * wave / wave.mean()).astype(float)

    def run(self, sql: str, calls: np.ndarray, rows: np.ndarray | None = None) -> None:
        before_calls, before_rows = self.series.get(sql, (0, 0))
        self.series[sql] = (before_calls + calls, before_rows + (calls if rows is None else rows))

    def rows(self, calls: np.ndarray, mean: float) -> np.ndarray:
        return np.array([self.random.poisson(mean, int(n)).sum() for n in calls], dtype=float)

    def workload(self, sessions: SessionEvidence | None = None) -> Workload:
        series = tuple(
            StatementSeries(fingerprint(sql) or "", sql, 10, True, calls, rows, calls * 0.05)
            for sql, (calls, rows) in self.series.items()
        )
        return Workload(60.0, series, FACTS, sessions or SessionEvidence())


def shop(seed: int) -> App:
    app = App(seed)
    orders, products, detail, other = app.calls(30), app.calls(25), app.calls(200), app.calls(400)
    order_rows, product_rows = app.rows(orders, 18), app.rows(products, 22)
    app.run(ORDERS, orders, order_rows)
    app.run(CUSTOMER, order_rows * 0.95)  # to-one, now and then from the cache
    app.run(LINES, order_rows, order_rows * 3)  # to-many
    app.run(PRODUCTS, products, product_rows)
    app.run(REVIEWS, product_rows)  # count per row
    app.run(PRODUCT, detail)
    app.run(CUSTOMER, detail)  # also read once by another page
    app.run(SESSION, orders + products + detail + other)
    app.run(POLL, app.random.poisson(600, app.intervals).astype(float))
    app.run(BATCHED, other, other * 8)
    return app


@pytest.mark.parametrize("seed", range(12))
def test_three_planted_bursts_are_found_and_nothing_else(seed: int) -> None:
    found = {f.subject: f for f in check.run(shop(seed).workload())}
    assert set(found) == {
        "public.shop_customer(id) per row of public.shop_order",
        "public.shop_orderline(order_id) per row of public.shop_order",
        "public.shop_review(product_id) per row of public.shop_product",
    }
    lines = found["public.shop_orderline(order_id) per row of public.shop_order"]
    assert lines.evidence["lookups_per_call"] == pytest.approx(18, rel=0.25)
    assert lines.related_fingerprints == (fingerprint(ORDERS),)
    assert lines.fixes[0].code.startswith('Order.objects.prefetch_related("orderline_set")')


def test_fix_follows_the_shape() -> None:
    codes = {f.table: f.fixes[0].code for f in check.run(shop(1).workload())}
    assert codes["public.shop_customer"] == 'Order.objects.select_related("customer")'
    assert codes["public.shop_review"].startswith('Product.objects.annotate(review_count=Count("review"))')


def test_sessions_confirm_what_the_fit_finds() -> None:
    lines = fingerprint(LINES) or ""
    seen = SessionEvidence({lines: 40, "x": 400}, {(lines, lines): 38}, {lines: (9, 7, 5)})
    confidence = {f.table: f.evidence["confidence"] for f in check.run(shop(3).workload(seen))}
    assert confidence["public.shop_orderline"] == "confirmed"
    assert confidence["public.shop_review"] == "likely"


def test_nightly_batch_is_no_page() -> None:
    app = App(5)
    calls = np.zeros(60)
    calls[10:14] = 10.0
    rows = calls * 100
    app.run(ORDERS, calls, rows)
    app.run(LINES, rows, rows)
    app.run(SESSION, app.calls(300))
    assert check.run(app.workload()) == []


def test_loop_without_a_visible_parent_is_possible() -> None:
    app = App(6)
    app.run(CUSTOMER, app.calls(300))
    app.run(SESSION, app.calls(300))
    customer = fingerprint(CUSTOMER) or ""
    (finding,) = check.run(app.workload(SessionEvidence({customer: 50}, {}, {customer: (14, 12, 11)})))
    assert finding.subject == "public.shop_customer(id) in a loop"
    assert finding.evidence["confidence"] == "possible"


def test_too_few_intervals_are_said() -> None:
    app = App(7, intervals=19)
    app.run(ORDERS, app.calls(30))
    with pytest.raises(NotRun, match="needs 20 intervals without a gap, there are 19"):
        check.run(app.workload())
