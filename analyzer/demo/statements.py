"""The shop's SQL, spelled as Django's ORM would send it."""

_COLUMNS: dict[str, tuple[str, ...]] = {
    "auth_user": (
        "id", "password", "last_login", "is_superuser", "username", "first_name", "last_name", "email",
        "is_staff", "is_active", "date_joined",
    ),
    "django_session": ("session_key", "session_data", "expire_date"),
    "shop_category": ("id", "parent_id", "name", "position"),
    "shop_product": (
        "id", "category_id", "name", "sku", "description", "price", "stock", "is_active", "is_featured",
        "created_at",
    ),
    "shop_customer": ("id", "user_id", "name", "email", "phone", "city", "created_at"),
    "shop_order": (
        "id", "customer_id", "coupon_id", "number", "status", "total", "tracking_code", "shipping_address",
        "created_at", "updated_at", "returned_at",
    ),
    "shop_orderline": ("id", "order_id", "product_id", "quantity", "unit_price"),
    "shop_review": ("id", "product_id", "customer_id", "rating", "title", "body", "created_at"),
    "shop_event": ("id", "customer_id", "kind", "payload", "created_at"),
    "shop_job": ("id", "order_id", "task", "status", "attempts", "run_at", "finished_at"),
}  # fmt: skip


def _columns(table: str) -> str:
    return ", ".join(f'"{table}"."{column}"' for column in _COLUMNS[table])


def _select(table: str, rest: str) -> str:
    return f'SELECT {_columns(table)} FROM "{table}" {rest}'


def _insert(table: str, rows: str = "%s", returning: bool = True) -> str:
    names = ", ".join(f'"{column}"' for column in _COLUMNS[table][1:])
    return f'INSERT INTO "{table}" ({names}) VALUES {rows}' + (f' RETURNING "{table}"."id"' if returning else "")


def _placeholders(table: str) -> str:
    return "(" + ", ".join(["%s"] * (len(_COLUMNS[table]) - 1)) + ")"


# Every request.
SESSION = _select(
    "django_session",
    'WHERE ("django_session"."expire_date" > %s AND "django_session"."session_key" = %s) LIMIT 21',
)
SESSION_SAVE = (
    'UPDATE "django_session" SET "session_data" = %s, "expire_date" = %s WHERE "django_session"."session_key" = %s'
)
USER = _select("auth_user", 'WHERE "auth_user"."id" = %s LIMIT 21')

# Planted N+1 pages: a list, then one statement per row of it.
ORDERS_TO_SEND = _select(
    "shop_order",
    'WHERE ("shop_order"."status" = %s'
    ' AND "shop_order"."created_at" >= %s AND "shop_order"."created_at" < %s)'
    ' ORDER BY "shop_order"."created_at" DESC LIMIT 50',
)
CUSTOMER_OF_ORDER = _select("shop_customer", 'WHERE "shop_customer"."id" = %s LIMIT 21')
ORDERS_OF_CUSTOMER = _select(
    "shop_order", 'WHERE "shop_order"."customer_id" = %s ORDER BY "shop_order"."id" DESC LIMIT 20'
)
LINES_OF_ORDER = _select("shop_orderline", 'WHERE "shop_orderline"."order_id" = %s')
PRODUCTS_OF_CATEGORY = _select(
    "shop_product",
    'WHERE ("shop_product"."category_id" = %s AND "shop_product"."is_active")'
    ' ORDER BY "shop_product"."name" ASC LIMIT 24',
)
REVIEW_COUNT = 'SELECT COUNT(*) AS "__count" FROM "shop_review" WHERE "shop_review"."product_id" = %s'

# Planted slow statements.
ORDER_BY_TRACKING_CODE = _select("shop_order", 'WHERE "shop_order"."tracking_code" = %s LIMIT 21')
RETURNED_ORDERS = _select(
    "shop_order", 'WHERE "shop_order"."returned_at" >= %s ORDER BY "shop_order"."returned_at" DESC'
)
CUSTOMER_SEARCH = _select(
    "shop_customer",
    'WHERE UPPER("shop_customer"."name"::text) LIKE UPPER(%s) ORDER BY "shop_customer"."name" ASC LIMIT 50',
)
LATEST_REVIEWS = _select("shop_review", 'ORDER BY "shop_review"."created_at" DESC LIMIT 20')
ORDERS_WITH_PRODUCT = _select(
    "shop_order",
    'INNER JOIN "shop_orderline" ON ("shop_order"."id" = "shop_orderline"."order_id")'
    ' WHERE "shop_orderline"."product_id" = %s ORDER BY "shop_order"."created_at" DESC LIMIT 10',
)
COUPON_DELETE = 'DELETE FROM "shop_coupon" WHERE "shop_coupon"."id" IN (%s)'
COUPON_INSERT = (
    'INSERT INTO "shop_coupon" ("code", "percent_off", "valid_until") VALUES (%s, %s, %s) RETURNING "shop_coupon"."id"'
)

# Planted pages of the staff.
ORDERS_PAGE = _select("shop_order", 'ORDER BY "shop_order"."id" DESC LIMIT 100 OFFSET %s')
DEAR_ORDERS = _select(
    "shop_order",
    'WHERE ("shop_order"."created_at" >= %s AND "shop_order"."total" >= %s) ORDER BY "shop_order"."created_at" DESC',
)
EVENTS_OF_PATH = _select("shop_event", 'WHERE ("shop_event"."payload" -> %s) = %s')
TURNOVER_OF_CUSTOMER = (
    "WITH turnover AS MATERIALIZED (SELECT customer_id, created_at, total FROM shop_order)"
    " SELECT date_trunc('month', created_at) AS month, sum(total) FROM turnover WHERE customer_id = %s"
    " GROUP BY 1 ORDER BY 1"
)
BESTSELLERS = (
    'SELECT "shop_orderline"."product_id", COUNT(DISTINCT "shop_orderline"."order_id") AS "orders"'
    ' FROM "shop_orderline" GROUP BY "shop_orderline"."product_id" ORDER BY "orders" DESC LIMIT 20'
)
ORDER_EXPORT = (
    f'SELECT {_columns("shop_order")}, "shop_customer"."name" FROM "shop_order"'
    ' INNER JOIN "shop_customer" ON ("shop_order"."customer_id" = "shop_customer"."id")'
    ' WHERE "shop_order"."created_at" >= %s ORDER BY "shop_customer"."name" ASC, "shop_order"."id" ASC'
)

# Well-behaved statements.
TOP_CATEGORIES = _select(
    "shop_category", 'WHERE "shop_category"."parent_id" IS NULL ORDER BY "shop_category"."position" ASC'
)
FEATURED_PRODUCTS = _select(
    "shop_product", 'WHERE "shop_product"."is_featured" ORDER BY "shop_product"."created_at" DESC LIMIT 12'
)
PRODUCT = _select("shop_product", 'WHERE "shop_product"."id" = %s LIMIT 21')
REVIEWS_OF_PRODUCT = _select(
    "shop_review", 'WHERE "shop_review"."product_id" = %s ORDER BY "shop_review"."id" DESC LIMIT 10'
)
PRODUCTS_IN_CART = _select("shop_product", 'WHERE "shop_product"."id" IN ({})')
ORDER_WITH_CUSTOMER = (
    f'SELECT {_columns("shop_order")}, {_columns("shop_customer")} FROM "shop_order"'
    ' INNER JOIN "shop_customer" ON ("shop_order"."customer_id" = "shop_customer"."id")'
    ' WHERE "shop_order"."id" = %s LIMIT 21'
)
LINES_WITH_PRODUCTS = (
    f'SELECT {_columns("shop_orderline")}, {_columns("shop_product")} FROM "shop_orderline"'
    ' INNER JOIN "shop_product" ON ("shop_orderline"."product_id" = "shop_product"."id")'
    ' WHERE "shop_orderline"."order_id" = %s ORDER BY "shop_orderline"."id" ASC'
)
CUSTOMERS_PAGE = _select("shop_customer", 'WHERE "shop_customer"."id" < %s ORDER BY "shop_customer"."id" DESC LIMIT 50')
EVENTS_PAGE = _select("shop_event", 'WHERE "shop_event"."id" > %s ORDER BY "shop_event"."id" ASC LIMIT 50')
SALES_REPORT = (
    'SELECT "shop_order"."status", COUNT("shop_order"."id") AS "orders",'
    ' SUM("shop_order"."total") AS "turnover"'
    ' FROM "shop_order" WHERE "shop_order"."created_at" >= %s AND "shop_order"."created_at" < %s'
    ' GROUP BY "shop_order"."status" ORDER BY 1 ASC'
)
CUSTOMER_OF_USER = _select("shop_customer", 'WHERE "shop_customer"."user_id" = %s LIMIT 21')
ORDER_INSERT = _insert("shop_order", _placeholders("shop_order"))
LINES_INSERT = _insert("shop_orderline", "{}")
LINE_PLACEHOLDERS = _placeholders("shop_orderline")
STOCK_UPDATE = 'UPDATE "shop_product" SET "stock" = ("shop_product"."stock" - %s) WHERE "shop_product"."id" = %s'
EVENT_INSERT = _insert("shop_event", _placeholders("shop_event"))
EVENT_EXPIRE = (
    'DELETE FROM "shop_event" WHERE "shop_event"."id" IN'
    ' (SELECT U0."id" FROM "shop_event" U0 ORDER BY U0."created_at" ASC LIMIT %s)'
)
JOB_INSERT = _insert("shop_job", _placeholders("shop_job"))
JOB_POLL = _select(
    "shop_job",
    'WHERE ("shop_job"."status" = \'queued\' AND "shop_job"."run_at" <= %s)'
    ' ORDER BY "shop_job"."run_at" ASC LIMIT 1 FOR UPDATE SKIP LOCKED',
)
JOB_DONE = 'UPDATE "shop_job" SET "status" = %s, "attempts" = %s, "finished_at" = %s WHERE "shop_job"."id" = %s'
ORDER_STATUS = 'UPDATE "shop_order" SET "status" = %s, "updated_at" = %s WHERE "shop_order"."id" = %s'
