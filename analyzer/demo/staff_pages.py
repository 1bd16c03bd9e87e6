"""Pages that the shop's staff opens: lists, look-ups and reports that nobody thought would grow."""

from datetime import timedelta

from psycopg.types.json import Jsonb

from analyzer.demo import statements as s
from analyzer.demo.visit import Visit


def order_list(visit: Visit) -> None:
    """The admin's list of orders, hundreds of pages deep: OFFSET produces all rows before the page."""
    visit.route = "admin/shop/order/"
    visit.sign_in()
    visit.rows(s.ORDERS_PAGE, [100 * visit.random.randrange(500, 1400)])


def dear_orders(visit: Visit) -> None:
    """Orders of many months above an amount: the index finds tens of thousands, the filter keeps some."""
    visit.route = "staff/orders/dear/"
    visit.sign_in()
    start = visit.shop.built_at - timedelta(days=visit.random.uniform(200, 330))
    visit.rows(s.DEAR_ORDERS, [start, visit.random.randint(880, 905)])


def page_views(visit: Visit) -> None:
    """Who looked at a product: a look into JSON that no index serves."""
    visit.route = "staff/products/<id>/views/"
    visit.sign_in()
    path = f"/products/{visit.random.randrange(visit.shop.products)}/"
    visit.rows(s.EVENTS_OF_PATH, ["path", Jsonb(path)])


def customer_turnover(visit: Visit) -> None:
    """Hand-written SQL whose WITH is MATERIALIZED: all orders are kept aside for those of one customer."""
    visit.route = "staff/customers/<id>/turnover/"
    visit.sign_in()
    visit.rows(s.TURNOVER_OF_CUSTOMER, [visit.skewed(visit.shop.customers, 3)])


def bestsellers(visit: Visit) -> None:
    """Products in most orders: Count("order", distinct=True) sorts every order line, on disk."""
    visit.route = "staff/bestsellers/"
    visit.sign_in()
    visit.rows(s.BESTSELLERS)


def order_export(visit: Visit) -> None:
    """Five months' orders by the customers' names, for a spreadsheet: the sort does not fit into work_mem.

    The rows are received and not made objects of: that would keep the other workers waiting.
    """
    visit.route = "staff/orders/export/"
    visit.sign_in()
    visit.run(s.ORDER_EXPORT, [visit.shop.built_at - timedelta(days=visit.random.uniform(150, 170))])
