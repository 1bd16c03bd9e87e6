"""What is wrong with the shop, and what only looks wrong: docs/demo.md for programs.

``statement`` and the like are fragments of the text pg_stat_statements keeps (``$1`` for values); every
statement holds exactly one of the fragments given for it. See ``one_line``.
"""

import re
from dataclasses import dataclass

SEQ_SCAN_DISCARDS_ROWS = "PL004"
UNINDEXED_FOREIGN_KEY = "SC001"
N_PLUS_ONE = "ST001"


@dataclass(frozen=True)
class NPlusOne:
    """``per_page``: between how many child statements one parent call has on average."""

    page: str
    parent: str
    child: str
    child_table: str
    per_page: tuple[float, float]
    django_fix: str  # the call that ends it
    code: str = N_PLUS_ONE


@dataclass(frozen=True)
class SlowStatement:
    """``code`` is None where no check covers it yet; ``index`` is None where no btree helps."""

    page: str
    statement: str
    table: str
    index: tuple[str, ...] | None
    code: str | None = SEQ_SCAN_DISCARDS_ROWS


@dataclass(frozen=True)
class StaffPage:
    """``codes``: what its plan or its statement is found for."""

    page: str
    statement: str
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Leftover:
    """One object of the schema for each family of checks; ``table`` is None where it is of the whole database."""

    family: str
    table: str | None
    code: str


@dataclass(frozen=True)
class MissingForeignKeyIndex:
    page: str
    table: str
    constraint: str
    index: tuple[str, ...]
    parent_is_deleted: bool
    code: str = UNINDEXED_FOREIGN_KEY


@dataclass(frozen=True)
class Innocent:
    """``not_code``: what it must never be called, or be part of as the child."""

    page: str
    statement: str
    looks_like: str
    not_code: tuple[str, ...]


_FIRST_PAGE = "every page"

N_PLUS_ONES: tuple[NPlusOne, ...] = (
    NPlusOne(
        page="orders_to_send",
        parent='FROM "shop_order" WHERE ("shop_order"."status" = $1 AND "shop_order"."created_at" >= $2',
        child='FROM "shop_customer" WHERE "shop_customer"."id" = $1 LIMIT',
        child_table="shop_customer",
        per_page=(15, 32),
        django_fix='select_related("customer")',
    ),
    NPlusOne(
        page="order_history",
        parent='FROM "shop_order" WHERE "shop_order"."customer_id" = $1 ORDER BY "shop_order"."id" DESC',
        child='FROM "shop_orderline" WHERE "shop_orderline"."order_id" = $1',
        child_table="shop_orderline",
        per_page=(5.5, 11),
        django_fix='prefetch_related("orderline_set")',
    ),
    NPlusOne(
        page="category",
        parent='FROM "shop_product" WHERE ("shop_product"."category_id" = $1 AND "shop_product"."is_active")',
        child='SELECT COUNT(*) AS "__count" FROM "shop_review" WHERE "shop_review"."product_id" = $1',
        child_table="shop_review",
        per_page=(15, 22),
        django_fix='annotate(Count("review"))',
    ),
)

SLOW_STATEMENTS: tuple[SlowStatement, ...] = (
    SlowStatement(
        page="track_order",
        statement='FROM "shop_order" WHERE "shop_order"."tracking_code" = $1',
        table="shop_order",
        index=("tracking_code",),
    ),
    SlowStatement(
        page="returns",
        statement='FROM "shop_order" WHERE "shop_order"."returned_at" >= $1',
        table="shop_order",
        index=("returned_at",),
    ),
    SlowStatement(
        page="customer_search",
        statement='FROM "shop_customer" WHERE UPPER("shop_customer"."name"::text) LIKE UPPER($1)',
        table="shop_customer",
        index=("upper(CAST(name AS text))",),  # of trigrams; no B-tree can
        code="PL016",  # which explains the scan better: PL004 gives way to it
    ),
    SlowStatement(
        page="orders_with_product",
        statement='WHERE "shop_orderline"."product_id" = $1 ORDER BY "shop_order"."created_at" DESC',
        table="shop_orderline",
        index=("product_id",),
    ),
    SlowStatement(
        page="latest_reviews",
        statement='FROM "shop_review" ORDER BY "shop_review"."created_at" DESC LIMIT',
        table="shop_review",
        index=("created_at",),
        code=None,  # it keeps all rows it reads and sorts them: not PL004
    ),
)

STAFF_PAGES: tuple[StaffPage, ...] = (
    StaffPage("order_list", 'FROM "shop_order" ORDER BY "shop_order"."id" DESC LIMIT $1 OFFSET', ("ST002",)),
    StaffPage("dear_orders", 'WHERE ("shop_order"."created_at" >= $1', ("PL003",)),
    StaffPage("page_views", 'FROM "shop_event" WHERE ("shop_event"."payload" -> $1)', ("PL014",)),
    StaffPage("customer_turnover", "WITH turnover AS MATERIALIZED", ("PL025",)),
    StaffPage("bestsellers", 'COUNT(DISTINCT "shop_orderline"."order_id")', ("PL055",)),
    StaffPage("order_export", 'ORDER BY "shop_customer"."name" ASC, "shop_order"."id" ASC', ("PL050", "PL061")),
)

LEFTOVERS: tuple[Leftover, ...] = (
    Leftover("keys", "shop_pricechange", "SC009"),
    Leftover("types", "shop_pricechange", "SC021"),
    Leftover("columns", "shop_customer", "SC023"),
    Leftover("constraints", "shop_coupon", "SC013"),
    Leftover("indexes", "shop_orderline", "IX003"),
    Leftover("indexes", "shop_review", "IX002"),
    Leftover("sequences", "shop_ticket", "SC019"),
    Leftover("vacuum", "shop_ticket", "SC054"),
    Leftover("row security", "shop_ticket", "SC037"),
    Leftover("functions", None, "SC039"),
)
SESSION = "SV007"  # a script's transaction that is left open
SETTINGS = ("SV020", "SV035")
NOTES = ("SC024", "SC025", "SC026")  # true of the shop, and nobody's mistake

MISSING_FOREIGN_KEY_INDEXES: tuple[MissingForeignKeyIndex, ...] = (
    MissingForeignKeyIndex(
        page="coupons",
        table="shop_order",
        constraint="shop_order_coupon_id_b4d92c07_fk_shop_coupon_id",
        index=("coupon_id",),
        parent_is_deleted=True,
    ),
    MissingForeignKeyIndex(
        page="orders_with_product",
        table="shop_orderline",
        constraint="shop_orderline_product_id_3b6f8e51_fk_shop_product_id",
        index=("product_id",),
        parent_is_deleted=False,
    ),
)

# The check that a coupon's delete makes; PostgreSQL's own statement, run at commit.
COUPON_CHECK = 'FROM ONLY "public"."shop_order" x WHERE $1 OPERATOR(pg_catalog.=) "coupon_id" FOR KEY SHARE'

INNOCENTS: tuple[Innocent, ...] = (
    Innocent(_FIRST_PAGE, 'FROM "django_session" WHERE', "session lookup, once per request", (N_PLUS_ONE, "PL004")),
    Innocent(
        _FIRST_PAGE,
        'FROM "auth_user" WHERE "auth_user"."id" = $1',
        "user lookup by key, once per request",
        (N_PLUS_ONE, "PL004"),
    ),
    Innocent(
        "product",
        'FROM "shop_product" WHERE "shop_product"."id" = $1',
        "product lookup by key, once per product page",
        (N_PLUS_ONE, "PL004"),
    ),
    Innocent(
        "product",
        'FROM "shop_review" WHERE "shop_review"."product_id" = $1 ORDER BY "shop_review"."id" DESC',
        "reviews of the one product shown",
        (N_PLUS_ONE, "PL004"),
    ),
    Innocent("job_poll", 'FROM "shop_job" WHERE', "queue poll, eight times a second", (N_PLUS_ONE, "PL004")),
    Innocent(
        "cart",
        'FROM "shop_product" WHERE "shop_product"."id" IN ($1',
        "prefetch_related: one statement for many keys",
        (N_PLUS_ONE, "PL004"),
    ),
    Innocent(
        "order_detail",
        'ON ("shop_order"."customer_id" = "shop_customer"."id") WHERE "shop_order"."id" = $1',
        "select_related",
        (N_PLUS_ONE, "PL004"),
    ),
    Innocent(
        "order_detail",
        'INNER JOIN "shop_product" ON ("shop_orderline"."product_id" = "shop_product"."id")',
        "select_related over all lines of one order",
        (N_PLUS_ONE, "PL004"),
    ),
    Innocent(
        "home",
        'FROM "shop_category" WHERE "shop_category"."parent_id" IS NULL',
        "sequential scan of 800 rows",
        (N_PLUS_ONE, "PL004"),
    ),
    Innocent(
        "home",
        'FROM "shop_product" WHERE "shop_product"."is_featured"',
        "served by a partial index",
        (N_PLUS_ONE, "PL004"),
    ),
    Innocent(
        "customers",
        'FROM "shop_customer" WHERE "shop_customer"."id" < $1 ORDER BY',
        "paged by key",
        (N_PLUS_ONE, "PL004"),
    ),
    Innocent(
        "event_feed",
        'FROM "shop_event" WHERE "shop_event"."id" > $1 ORDER BY',
        "paged by key",
        (N_PLUS_ONE, "PL004"),
    ),
    Innocent(
        "sales_report",
        'GROUP BY "shop_order"."status"',
        "aggregate over an index range",
        (N_PLUS_ONE, "PL004"),
    ),
    Innocent(
        "checkout",
        'FROM "shop_customer" WHERE "shop_customer"."user_id" = $1',
        "lookup by a unique key, once per checkout",
        (N_PLUS_ONE, "PL004"),
    ),
)

# Foreign keys served by an index that is not the plain one: SC001 must say nothing about them.
INNOCENT_FOREIGN_KEYS: tuple[tuple[str, str], ...] = (
    ("shop_review", "shop_review_customer_id_c07d2a94_fk_shop_customer_id"),  # leads a two-column index
    ("shop_event", "shop_event_customer_id_d81f9b60_fk_shop_customer_id"),  # partial, WHERE ... IS NOT NULL
    ("shop_customer", "shop_customer_user_id_8d1e3b70_fk_auth_user_id"),  # a unique constraint's index
)


def one_line(normalized_sql: str) -> str:
    """A statement's text with one space wherever it has white space, for looking fragments up in it."""
    return re.sub(r"\s+", " ", normalized_sql).strip()


def holds(normalized_sql: str, fragment: str) -> bool:
    return fragment in one_line(normalized_sql)
