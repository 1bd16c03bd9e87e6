"""The N+1 check on a simulated web application whose pages are known."""

from dataclasses import replace

import numpy as np
import pytest

from analyzer.advice.code import parse_map
from analyzer.behaviour.workload import ObservedWorkload, Origin, SessionEvidence, StatementSeries
from analyzer.checks import run_checks
from analyzer.checks.statement.n_plus_one_burst import check
from analyzer.schema.facts import ColumnFacts, ForeignKeyFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.statements.fingerprint import fingerprint
from tests.checks.builders import found_by

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

    def workload(self, sessions: SessionEvidence | None = None) -> ObservedWorkload:
        series = tuple(
            StatementSeries(fingerprint(sql) or "", sql, 10, True, calls, rows, calls * 0.05)
            for sql, (calls, rows) in self.series.items()
        )
        return ObservedWorkload(60.0, series, FACTS, sessions or SessionEvidence())


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


OF_ORDERS = "lookups per row of public.shop_order"


@pytest.mark.parametrize("seed", range(12))
def test_three_planted_bursts_are_found_and_nothing_else(seed: int) -> None:
    found = {f.subject: f for f in found_by(check, shop(seed).workload())}
    assert set(found) == {OF_ORDERS, "public.shop_review(product_id) per row of public.shop_product"}
    orders = found[OF_ORDERS]
    assert orders.evidence["statements"] == 2
    assert orders.evidence["lookups_per_call"] == pytest.approx(35, rel=0.25)
    assert orders.about == fingerprint(CUSTOMER)
    assert orders.related_fingerprints == (fingerprint(ORDERS), fingerprint(LINES))
    assert orders.fixes[0].code == 'Order.objects.select_related("customer").prefetch_related("orderline_set")'
    assert orders.fixes[1].code == "select(Order).options(joinedload(Order.customer), selectinload(Order.orderlines))"


def test_fix_follows_the_shape() -> None:
    codes = {f.table: f.fixes[0].code for f in found_by(check, shop(1).workload())}
    assert codes["public.shop_review"] == 'Product.objects.annotate(review_count=Count("review", distinct=True))'


def test_the_map_of_models_names_classes_fields_and_accessors() -> None:
    models = parse_map(
        """{"shop_order": {"model": "sales.Purchase", "fields": {"customer_id": "buyer"}},
        "shop_orderline": {"model": "sales.PurchaseLine", "reverse": {"order_id": "lines"}}}"""
    )
    codes = {f.subject: f.fixes for f in found_by(check, replace(shop(1).workload(), models=models))}
    assert codes[OF_ORDERS][0].title == "Django"
    assert codes[OF_ORDERS][0].code == 'Purchase.objects.select_related("buyer").prefetch_related("lines")'
    classes = parse_map(
        """{"shop_order": {"class": "sales:Purchase", "one": {"customer_id": "buyer"}},
        "shop_orderline": {"class": "sales:PurchaseLine", "reverse": {"order_id": "lines"}}}"""
    )
    codes = {f.subject: f.fixes for f in found_by(check, replace(shop(1).workload(), models=classes))}
    assert codes[OF_ORDERS][1].code == (
        "select(Purchase).options(joinedload(Purchase.buyer), selectinload(Purchase.lines))"
    )


def seen_at(of: dict[str, dict[Origin, int]], *, in_order: bool = False, elsewhere: str = "search") -> SessionEvidence:
    """Executions of statements by their origin; ``in_order``: each right after itself; ``elsewhere``: the route of all
    other statements."""
    origins = {fingerprint(sql) or "": seen for sql, seen in of.items()} | {"x": {Origin(elsewhere): 400}}
    sampled = {found: sum(seen.values()) for found, seen in origins.items()}
    follows = {(found, found): n for found, n in sampled.items() if in_order and found != "x"}
    return SessionEvidence(sampled, follows, origins=origins)


LIST = Origin("orders.list", "orders/views.py:41", "web")


def test_what_a_finding_rests_on_is_said() -> None:
    confirmed = seen_at({LINES: {Origin(): 40}, CUSTOMER: {Origin(): 40}}, in_order=True)
    found = {f.subject: f for f in found_by(check, shop(3).workload(confirmed))}
    orders, reviews = found[OF_ORDERS], found["public.shop_review(product_id) per row of public.shop_product"]
    assert (orders.evidence["confidence"], reviews.evidence["confidence"]) == ("confirmed", "likely")
    assert orders.evidence["rests_on"] == (
        "the counters, the key that the rows bring and the order of statements in sessions"
    )
    assert reviews.evidence["rests_on"] == "the counters and the key that the rows bring"
    assert "in a comment (/*route=" in reviews.hint


def test_tags_of_sampled_statements_name_the_route_and_the_line() -> None:
    seen = seen_at({ORDERS: {LIST: 1}, CUSTOMER: {LIST: 5, Origin("orders.detail"): 3}, LINES: {LIST: 9}})
    (orders,) = (f for f in found_by(check, shop(3).workload(seen)) if f.subject == OF_ORDERS)
    assert 'on route "orders.list", by orders/views.py:41, of web: ' in orders.message
    assert {name: orders.evidence[name] for name in ("route", "file", "application")} == LIST._asdict()
    assert orders.evidence["rests_on"] == "the counters, the key that the rows bring and their route"


def test_the_one_route_of_an_application_confirms_nothing() -> None:
    graphql = Origin("/graphql")
    seen = seen_at({ORDERS: {graphql: 9}, CUSTOMER: {graphql: 9}, LINES: {graphql: 9}}, elsewhere="/graphql")
    (orders,) = (f for f in found_by(check, shop(3).workload(seen)) if f.subject == OF_ORDERS)
    assert orders.evidence["rests_on"] == "the counters and the key that the rows bring"


def test_names_that_each_process_has_of_its_own_are_no_applications() -> None:
    def workers(first: int, n: int) -> dict[Origin, int]:
        return {Origin(application=f"gunicorn {first + pid}"): 2 for pid in range(n)}

    seen = seen_at({ORDERS: workers(0, 4), CUSTOMER: workers(10, 9), LINES: workers(20, 9)}, elsewhere="")
    assert OF_ORDERS in {f.subject for f in found_by(check, shop(3).workload(seen))}


def test_a_tag_writes_no_line_of_its_own() -> None:
    seen = seen_at({ORDERS: {Origin("a\nb"): 3}, CUSTOMER: {Origin("a\nb"): 3}, LINES: {Origin("a\nb"): 3}})
    (orders,) = (f for f in found_by(check, shop(3).workload(seen)) if f.subject == OF_ORDERS)
    assert (orders.evidence["route"], "\n" in orders.title + orders.message) == ("a⟨U+000A⟩b", False)


def test_the_tag_of_a_text_names_a_route_only_where_samples_agree() -> None:
    """pg_stat_statements keeps the comment of whoever came first."""

    def tagged(seen: SessionEvidence) -> ObservedWorkload:
        workload = shop(3).workload(seen)
        return replace(workload, series=tuple(replace(s, tags={"route": "orders.list"}) for s in workload.series))

    (alone,) = (f for f in found_by(check, tagged(seen_at({}))) if f.subject == OF_ORDERS)
    assert alone.evidence["confidence"] == "likely"
    assert "route" not in alone.evidence
    (agreed,) = (
        f for f in found_by(check, tagged(seen_at({CUSTOMER: {LIST: 4}, LINES: {LIST: 4}}))) if f.about == alone.about
    )
    assert (agreed.evidence["confidence"], agreed.evidence["route"]) == ("confirmed", "orders.list")


@pytest.mark.parametrize("other", [Origin("reports"), Origin(application="worker")])
def test_statements_of_different_routes_or_applications_are_no_page(other: Origin) -> None:
    mine = LIST._replace(application="") if other.route else Origin(application="web")
    seen = seen_at({ORDERS: {other: 5}, CUSTOMER: {mine: 9}, LINES: {mine: 9}})
    assert OF_ORDERS not in {f.subject for f in found_by(check, shop(3).workload(seen))}


def test_a_deferred_column_read_row_by_row_is_named_with_its_call() -> None:
    app = App(8)
    calls = app.calls(30)
    rows = app.rows(calls, 18)
    app.run('select "id", "order_id" from "shop_orderline" order by "id" limit $1', calls, rows)
    app.run('select "id", "product" from "shop_orderline" where "id" = $1 limit $2', rows)
    app.run(SESSION, app.calls(300))
    (found,) = found_by(check, app.workload())
    assert found.subject == "product of public.shop_orderline row by row"
    assert [fix.code for fix in found.fixes] == [
        "Orderline.objects.defer(None)",
        "select(Orderline).options(undefer(Orderline.product))",
        "select ..., product from shop_orderline  -- in the statement that reads the rows",
    ]


def test_a_lookup_of_three_pages_is_three_findings() -> None:
    app = shop(9)
    parents = [ORDERS, *(ORDERS.replace(" limit", f", {more} limit") for more in ('"status"', '"id"'))]
    for parent in parents[1:]:
        orders = app.calls(30)
        rows = app.rows(orders, 18)
        app.run(parent, orders, rows)
        app.run(CUSTOMER, rows)
    found, again = ([f for f in found_by(check, app.workload()) if f.about == fingerprint(CUSTOMER)] for _ in range(2))
    assert {f.related_fingerprints[0] for f in found} == {fingerprint(parent) for parent in parents}
    assert len({f.key for f in found}) == 3
    assert [f.key for f in found] == [f.key for f in again]


@pytest.mark.parametrize("seed", range(4))
def test_what_sessions_confirm_is_said_before_the_counters_alone_would_do(seed: int) -> None:
    app = App(seed, intervals=14)
    orders = app.calls(30)
    rows = app.rows(orders, 18)
    app.run(ORDERS, orders, rows)
    app.run(LINES, rows, rows * 3)
    app.run(SESSION, app.calls(300))
    for seen, subjects in (
        (seen_at({}), []),
        (seen_at({ORDERS: {LIST: 9}, LINES: {LIST: 9}}), []),  # by their route alone
        (
            seen_at({LINES: {Origin(): 9}}, in_order=True),
            ["public.shop_orderline(order_id) per row of public.shop_order"],
        ),
    ):
        outcome = run_checks(app.workload(seen), checks=[check])
        assert [f.subject for f in outcome.findings] == subjects
        assert outcome.not_run == {"ST001": {"": "needs 20 intervals without a gap, there are 14"}}


def test_nightly_batch_is_no_page() -> None:
    app = App(5)
    calls = np.zeros(60)
    calls[10:14] = 10.0
    rows = calls * 100
    app.run(ORDERS, calls, rows)
    app.run(LINES, rows, rows)
    app.run(SESSION, app.calls(300))
    assert found_by(check, app.workload()) == []


def test_loop_without_a_visible_parent_is_possible() -> None:
    app = App(6)
    app.run(CUSTOMER, app.calls(300))
    app.run(SESSION, app.calls(300))
    customer = fingerprint(CUSTOMER) or ""
    (finding,) = found_by(check, app.workload(SessionEvidence({customer: 50}, {}, {customer: (14, 12, 11)})))
    assert finding.subject == "public.shop_customer(id) in a loop"
    assert finding.evidence["confidence"] == "possible"


def test_lists_one_after_another_are_no_loop() -> None:
    app = App(6)
    lists = LINES.replace("= $1", "in ($1 /*, ... */)")
    app.run(lists, app.calls(300))
    app.run(SESSION, app.calls(300))
    seen = fingerprint(lists) or ""
    assert found_by(check, app.workload(SessionEvidence({seen: 50}, {}, {seen: (14, 12, 11)}))) == []


def test_too_few_intervals_are_said() -> None:
    app = App(7, intervals=19)
    app.run(ORDERS, app.calls(30))
    outcome = run_checks(app.workload(), checks=[check])
    assert outcome.not_run == {"ST001": {"": "needs 20 intervals without a gap, there are 19"}}
