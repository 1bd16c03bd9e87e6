"""The shop's pages: what one request or job does to the database, problems included.

Each page is a function of a ``Visit``; those that the staff alone opens are in ``staff_pages.py``. docs/demo.md lists
which of them are bad and how; ``planted.py`` is the same list for programs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from analyzer.demo import staff_pages as staff
from analyzer.demo import statements as s
from analyzer.demo.visit import Visit


def tracking_code(order_id: int) -> str:
    """As data.sql makes it."""
    return f"TRK{order_id * 2654435761 % 2**32:08X}"


# -- N+1


def orders_to_send(visit: Visit) -> None:
    """Staff list of paid orders; the template reads order.customer.name (to-one, no select_related)."""
    visit.route = "staff/orders/"
    visit.sign_in()
    start = visit.shop.built_at - timedelta(days=visit.random.uniform(30, 330))
    end = start + timedelta(days=visit.random.uniform(0.5, 5))
    for order in visit.rows(s.ORDERS_TO_SEND, ["paid", start, end]):
        visit.rows(s.CUSTOMER_OF_ORDER, [order[1]])


def order_history(visit: Visit) -> None:
    """A customer's orders, each with order.lines.all() (to-many, no prefetch_related)."""
    visit.sign_in()
    customer_id = 1 + visit.random.randrange(6000)
    for order in visit.rows(s.ORDERS_OF_CUSTOMER, [customer_id]):
        visit.rows(s.LINES_OF_ORDER, [order[0]])


def category(visit: Visit) -> None:
    """A category's products, each with product.review_set.count() (no annotate)."""
    visit.route = "category/<id>/"
    visit.sign_in(0.6)
    category_id = 1 + visit.random.randrange(visit.shop.categories)
    for product in visit.rows(s.PRODUCTS_OF_CATEGORY, [category_id]):
        visit.rows(s.REVIEW_COUNT, [product[0]])


# -- slow


def track_order(visit: Visit) -> None:
    """Equality on a column without an index."""
    visit.route = "track/"
    visit.sign_in(0.2)
    visit.rows(s.ORDER_BY_TRACKING_CODE, [tracking_code(1 + visit.random.randrange(visit.shop.orders))])


def returns(visit: Visit) -> None:
    """Range on a column without an index, nearly all NULL."""
    visit.sign_in()
    visit.rows(s.RETURNED_ORDERS, [visit.shop.built_at - timedelta(days=visit.random.uniform(6, 14))])


def customer_search(visit: Visit) -> None:
    """Django's icontains: a leading wildcard no btree can serve."""
    visit.route = "staff/customers/search/"
    visit.sign_in()
    part = "".join(visit.random.choices("0123456789abcdef", k=3))
    visit.rows(s.CUSTOMER_SEARCH, [f"%{part}%"])


def latest_reviews(visit: Visit) -> None:
    """ORDER BY ... LIMIT without an index: sorts everything for 20 rows."""
    visit.sign_in(0.2)
    visit.rows(s.LATEST_REVIEWS)


def orders_with_product(visit: Visit) -> None:
    """Join over a foreign key without an index ("bought by")."""
    visit.sign_in()
    visit.rows(s.ORDERS_WITH_PRODUCT, [1000 + visit.random.randrange(visit.shop.products - 1000)])


def coupons(visit: Visit) -> None:
    """Makes a coupon and deletes an old one: the check of shop_order.coupon_id reads the whole table.

    PostgreSQL does that at commit, in a statement of its own (planted.COUPON_CHECK).
    """
    visit.sign_in()
    code = f"ONE{time.time_ns():X}"
    made = visit.rows(s.COUPON_INSERT, [code, 10, visit.now + timedelta(days=30)])
    visit.shop.spare_coupons.append(made[0][0])
    if len(visit.shop.spare_coupons) > 2:
        visit.run(s.COUPON_DELETE, [visit.shop.spare_coupons.popleft()])


# -- well behaved


def home(visit: Visit) -> None:
    visit.sign_in(0.4)
    visit.rows(s.TOP_CATEGORIES)
    visit.rows(s.FEATURED_PRODUCTS)


def product(visit: Visit) -> None:
    """get() by key once per request: follows the load, is no N+1."""
    visit.route = "product/<id>/"
    user_id = visit.sign_in(0.4)
    product_id = visit.skewed(visit.shop.products, 2.5)
    visit.rows(s.PRODUCT, [product_id])
    visit.rows(s.REVIEWS_OF_PRODUCT, [product_id])
    visit.record_event("page_view", user_id, path=f"/products/{product_id}/", ms=visit.random.randrange(300))


def cart(visit: Visit) -> None:
    """prefetch_related: one statement for all products."""
    visit.sign_in(0.7)
    ids = [visit.skewed(visit.shop.products, 2.5) for _ in range(visit.random.randint(1, 6))]
    visit.rows(s.PRODUCTS_IN_CART.format(", ".join(["%s"] * len(ids))), ids)


def order_detail(visit: Visit) -> None:
    """select_related: an order with its customer, its lines with their products."""
    visit.route = "orders/<id>/"
    visit.sign_in()
    order_id = 1 + visit.random.randrange(visit.shop.orders)
    visit.rows(s.ORDER_WITH_CUSTOMER, [order_id])
    visit.rows(s.LINES_WITH_PRODUCTS, [order_id])


def heartbeat(visit: Visit) -> None:
    """The site's scripts ask whether somebody is signed in."""
    visit.sign_in(0.8)


def customers(visit: Visit) -> None:
    """Staff list of customers, paged by key; names users by their id only."""
    visit.sign_in()
    visit.rows(s.CUSTOMERS_PAGE, [50 + visit.random.randrange(visit.shop.customers)])


def event_feed(visit: Visit) -> None:
    """A program that reads the events page by page."""
    visit.rows(s.EVENTS_PAGE, [visit.random.randrange(160_000)])


def sales_report(visit: Visit) -> None:
    """Totals of two weeks, through an index."""
    visit.sign_in()
    start = visit.shop.built_at - timedelta(days=visit.random.uniform(20, 300))
    visit.rows(s.SALES_REPORT, [start, start + timedelta(days=14)])


def checkout(visit: Visit) -> None:
    """An order with its lines in one transaction."""
    visit.route = "checkout/"
    user_id = visit.sign_in()
    with visit.connection.transaction():
        customer_id = visit.rows(s.CUSTOMER_OF_USER, [user_id])[0][0]
        number = f"W{time.time_ns():X}"  # not from the seed: the same run may be repeated on the same data
        order = visit.rows(
            s.ORDER_INSERT,
            [customer_id, None, number, "paid", 99, "", "1 Long Street", visit.now, visit.now, None],
        )
        order_id = order[0][0]
        products = sorted({visit.skewed(visit.shop.products, 2.5) for _ in range(visit.random.randint(1, 4))})
        lines: list[object] = []
        for product_id in products:
            lines += [order_id, product_id, 1, 9]
        visit.rows(s.LINES_INSERT.format(", ".join([s.LINE_PLACEHOLDERS] * len(products))), lines)
        for product_id in products:  # in order of their ids, so that two checkouts never deadlock
            visit.run(s.STOCK_UPDATE, [1, product_id])
        visit.run(s.JOB_INSERT, [order_id, "send_invoice", "queued", 0, visit.now, None])
    visit.record_event("cart", customer_id, products=products)


def job_poll(visit: Visit) -> None:
    """The queue's worker: asks four times a second, mostly for nothing. No N+1."""
    with visit.connection.transaction():
        for job in visit.rows(s.JOB_POLL, [visit.now]):
            visit.run(s.JOB_DONE, ["done", 1, visit.now, job[0]])
            visit.run(s.ORDER_STATUS, ["done", visit.now, job[1]])


def clean_up(visit: Visit) -> None:
    """Deletes as many of the oldest events as came in, so that the table keeps its size."""
    count = min(visit.shop.events_inserted, 500)
    visit.shop.events_inserted -= count
    if count:
        visit.run(s.EVENT_EXPIRE, [count])


@dataclass(frozen=True)
class Endpoint:
    """How often a page is asked for. ``statements``: about how many it sends.

    ``steady`` ones come at fixed intervals, the others at random (Poisson) with a rate that drifts.
    ``bounded`` ones are too dear to follow ``--rate`` upwards. ``by_staff``: they wait for each other, and no customer
    waits for them.
    """

    page: Callable[[Visit], None]
    per_s: float
    statements: float
    steady: bool = False
    bounded: bool = False
    by_staff: bool = False

    @property
    def name(self) -> str:
        return self.page.__name__


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(orders_to_send, per_s=1.2, statements=25),
    Endpoint(order_history, per_s=1.8, statements=12),
    Endpoint(category, per_s=1.6, statements=20),
    Endpoint(track_order, per_s=0.8, statements=2.2, bounded=True),
    Endpoint(returns, per_s=0.5, statements=3, bounded=True),
    Endpoint(customer_search, per_s=0.6, statements=3, bounded=True),
    Endpoint(latest_reviews, per_s=0.6, statements=2.2, bounded=True),
    Endpoint(orders_with_product, per_s=0.6, statements=3, bounded=True),
    Endpoint(coupons, per_s=0.5, statements=4, bounded=True),
    Endpoint(staff.order_list, per_s=0.4, statements=3, bounded=True, by_staff=True),
    Endpoint(staff.dear_orders, per_s=0.4, statements=3, bounded=True, by_staff=True),
    Endpoint(staff.page_views, per_s=0.3, statements=3, bounded=True, by_staff=True),
    Endpoint(staff.customer_turnover, per_s=0.25, statements=3, bounded=True, by_staff=True),
    Endpoint(staff.bestsellers, per_s=0.08, statements=3, bounded=True, by_staff=True),
    Endpoint(staff.order_export, per_s=0.04, statements=3, bounded=True, by_staff=True),
    Endpoint(home, per_s=5, statements=3.4),
    Endpoint(product, per_s=8, statements=4.4),
    Endpoint(cart, per_s=4, statements=2.7),
    Endpoint(order_detail, per_s=3, statements=4),
    Endpoint(heartbeat, per_s=5, statements=1.8),
    Endpoint(customers, per_s=0.5, statements=3),
    Endpoint(event_feed, per_s=1, statements=1),
    Endpoint(sales_report, per_s=0.1, statements=3),
    Endpoint(checkout, per_s=0.5, statements=11),
    Endpoint(job_poll, per_s=8, statements=3.2, steady=True),
    Endpoint(clean_up, per_s=0.2, statements=1, steady=True),
)
