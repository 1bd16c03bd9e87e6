"""Which indexes are tried for a statement, and which of them a query's plans get to see."""

import pytest

from analyzer.advice.column_statistics import ColumnStatistics, without_cluster_bias
from analyzer.advice.enumerate import statement_candidates, workload_candidates
from analyzer.advice.planner import Query
from analyzer.advice.selection.relevance import indexes_by_query
from analyzer.facts import SchemaFacts
from tests.advice.builders import table
from tests.advice.table_planner import definition


def shop(server_version_num=150_000):
    tables = (
        table(
            "orders",
            ["id|bigint|-1", "customer_id|integer|50000", "status|text|5", "placed|timestamp with time zone|-0.9",
             "note|text|-0.5", "deleted_at|timestamp with time zone|-0.1", "total|numeric(10,2)|-0.3"],
            oid=1, rows=1_000_000,
        ),
        table("customer", ["id|bigint|-1", "name|text|-0.9", "city|text|500"], oid=2, rows=50_000),
    )  # fmt: skip
    return SchemaFacts("shop", server_version_num, tables)


def bodies(sql, of="orders"):
    return {d.body() for d in statement_candidates(sql, shop()) if d.table.name == of}


@pytest.mark.parametrize(
    ("sql", "some"),
    [
        ("select note from orders where customer_id = $1", {"(customer_id)", "(customer_id) INCLUDE (note)"}),
        ("select * from orders where customer_id = $1 and placed > $2", {"(customer_id, placed)"}),
        ("select * from orders where customer_id = $1 order by placed desc limit 10", {"(customer_id, placed)"}),
        (
            "select * from orders where status = 'open' and customer_id = $1",
            {"(customer_id) WHERE status = 'open'", "(status, customer_id)"},
        ),
        ("select id from orders where status in ('b', 'a') and placed > $1", {"(placed) WHERE status IN ('a', 'b')"}),
        (
            "with o as materialized (select * from orders where placed < $1) select * from o",
            {"(placed)"},
        ),
        ("select c.name from customer c join orders o on o.customer_id = c.id where c.city = $1", {"(customer_id)"}),
        ("select count(*) from orders group by customer_id", {"(customer_id)"}),
        ("select id from customer c where not exists (select from orders o where o.customer_id = c.id)",
         {"(customer_id)"}),
        ("delete from orders where placed < $1", {"(placed)"}),
    ],
)  # fmt: skip
def test_what_a_statement_could_use_is_tried(sql, some):
    assert some <= bodies(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from orders where status = $1",  # a value that changes from call to call
        "select * from orders where status <> 'done'",
        "select * from orders where placed = '2024-01-01'",  # no status: nearly every row has a value of its own
    ],
)
def test_a_predicate_is_made_of_lasting_values_only(sql):
    assert not [body for body in bodies(sql) if "WHERE" in body]


def test_columns_read_by_two_statements_are_covered_together():
    one = ("1", "select note from orders where customer_id = $1")
    two = ("2", "select total from orders where customer_id = $1")
    found = {c.definition.body(): c.statements for c in workload_candidates([two, one], shop())}
    assert found["(customer_id) INCLUDE (note, total)"] == {"1", "2"}


def test_plans_see_the_indexes_whose_first_column_is_named():
    schema = shop(server_version_num=150_000)
    orders = schema.find_table("orders")
    tried = [definition(orders, "customer_id"), definition(orders, "placed", "customer_id"), definition(orders, "note")]
    queries = [
        Query("key", "key", "select status from orders where customer_id = 7", 1.0),
        Query("using", "using", "select 1 from customer join orders using (placed)", 1.0),
        Query("hidden", "hidden", "select 1 from customer natural join orders", 1.0),
        Query("other", "other", "select customer_id from customer", 1.0),
    ]
    masks, _ = indexes_by_query(queries, tried, schema)
    assert masks == [0b001, 0b010, 0b111, 0]
    # from 18 on a later column is enough
    assert indexes_by_query(queries[:1], tried, shop(server_version_num=180_000))[0] == [0b011]


def test_neighbours_that_are_equal_hide_distinct_values():
    """lineitem of TPC-H at scale 1: 1,500,000 order numbers in 6,001,215 rows, one to seven side by side."""
    lineitem = table("lineitem", ["l_orderkey|bigint|367760"], rows=6_001_215, size_bytes=107_000 * 8192)
    seen = ColumnStatistics(n_distinct=367_760, correlation=1.0, avg_width_bytes=8)
    assert without_cluster_bias(seen, lineitem).n_distinct == pytest.approx(1_500_000, rel=0.2)
    scattered = ColumnStatistics(n_distinct=367_760, correlation=0.1)
    assert without_cluster_bias(scattered, lineitem) is scattered
    unique = ColumnStatistics(n_distinct=-1.0, correlation=1.0)
    assert without_cluster_bias(unique, lineitem).distinct_values(6_001_215) == 6_001_215
