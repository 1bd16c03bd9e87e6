"""Statements on one line: what identifies them stays."""

import pytest

from analyzer.statements.display import one_line

LONG = 'SELECT "shop_order"."id", "shop_order"."customer_id", "shop_order"."total" FROM "shop_order" WHERE "id" = $1'


@pytest.mark.parametrize(
    ("sql", "width", "shown"),
    [
        ("select 1", 80, "select 1"),
        ("select\n  a,\n  b\nfrom t", 80, "select a, b from t"),
        (LONG, 200, LONG),
        (LONG, 80, 'SELECT … FROM "shop_order" WHERE "id" = $1'),
        (LONG, 24, 'SELECT … FROM "shop_ord…'),
        ("SELECT count(*) AS n FROM a_table WHERE x = $1", 30, "SELECT count(*) AS n FROM a_t…"),
        (
            "SELECT (SELECT max(b.x) FROM b WHERE b.a = a.id), extract(year FROM a.day) FROM a WHERE a.k = $1",
            60,
            "SELECT … FROM a WHERE a.k = $1",
        ),
        ("UPDATE t SET a = $1, b = $2 WHERE id = $3", 20, "UPDATE t SET a = $1…"),
        ("SELECT 'cut off in a litera", 20, "SELECT 'cut off in…"),
    ],
)
def test_one_line(sql: str, width: int, shown: str) -> None:
    assert one_line(sql, width) == shown
