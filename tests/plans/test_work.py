"""A plan's work: pages as often as they are touched, whatever the planner takes them to cost."""

import pytest

from analyzer.plans.page_costs import PageCosts
from analyzer.plans.work import PlanWork, RelationSize, WorkWeights, heap_order, work_of

COSTS = PageCosts(cache_pages=786_432)
# TPC-H at scale 1 on PostgreSQL 15
LINEITEM = RelationSize(112_600, 6_001_215)
PARTS = {"lineitem": LINEITEM, "orders": RelationSize(26_095, 1_500_000), "supplier": RelationSize(222, 10_000)}


class Sizes:
    def __init__(self, **indexes):
        self.indexes = indexes

    def table(self, node):
        return PARTS.get(node["Relation Name"])

    def index(self, name, node):
        return self.indexes.get(name)


def scan(kind, table, rows, cost, **more):
    return {"Node Type": kind, "Relation Name": table, "Plan Rows": rows, "Total Cost": cost, **more}


def loop(outer, inner, rows, cost):
    return {"Node Type": "Nested Loop", "Plan Rows": rows, "Total Cost": cost, "Plans": [outer, inner]}


SUPPLIERS = scan("Seq Scan", "supplier", 2_000, 347.0, Filter="(s_nationkey = 8)")
BY_SUPPLIER = RelationSize(5_340, 6_001_215, 112_600, distinct=(("l_suppkey", 10_000.0),))


def test_each_row_of_an_inner_scan_is_a_page_of_its_own():
    inner = scan("Index Scan", "lineitem", 600, 59.19, **{"Index Name": "by_supplier", "Index Cond": "(l_suppkey = s)"})
    found = work_of(loop(SUPPLIERS, inner, 1_200_000, 120_000.0), Sizes(by_supplier=BY_SUPPLIER), COSTS)
    assert found.scattered_pages == pytest.approx(1_196_800, rel=0.001)  # executed: 1,204,987 blocks in all
    assert found.look_ups == 2_000
    assert found.ordered_pages == pytest.approx(222, abs=1)


def test_what_is_computed_once_before_a_loop_is_none_of_its_inputs():
    inner = scan("Index Scan", "lineitem", 600, 59.19, **{"Index Name": "by_supplier", "Index Cond": "(l_suppkey = s)"})
    alone = loop(SUPPLIERS, inner, 1_200_000, 120_000.0)
    most = scan("Seq Scan", "orders", 1, 41_095.0, **{"Parent Relationship": "InitPlan", "Subplan Name": "InitPlan 1"})
    sizes = Sizes(by_supplier=BY_SUPPLIER)
    found = work_of(alone | {"Plans": [most, *alone["Plans"]]}, sizes, COSTS)  # as EXPLAIN prints it
    assert found == work_of(alone, sizes, COSTS).plus(work_of(most, sizes, COSTS))


def test_rows_that_the_index_finds_and_the_filter_drops_are_fetched_too():
    inner = scan(
        "Index Scan", "lineitem", 183, 62.19,
        **{"Index Name": "by_supplier", "Index Cond": "(l_suppkey = s)", "Filter": "((a >= 1) AND (b <= 2))"},
    )  # fmt: skip
    suppliers = SUPPLIERS | {"Plan Rows": 800}
    found = work_of(loop(suppliers, inner, 146_933, 51_941.0), Sizes(by_supplier=BY_SUPPLIER), COSTS)
    assert found.scattered_pages == pytest.approx(478_800, rel=0.001)  # executed: 480,049 blocks in all


def test_an_index_in_the_order_of_the_rows_reads_pages_in_order():
    primary = RelationSize(23_000, 6_001_215, 112_600, correlation=1.0, planned_correlation=0.75)
    inner = scan("Index Scan", "lineitem", 4, 0.6, **{"Index Name": "primary", "Index Cond": "(l_orderkey = o)"})
    orders = scan("Seq Scan", "orders", 46_000, 48_595.0)
    found = work_of(loop(orders, inner, 184_000, 76_000.0), Sizes(primary=primary), COSTS)
    assert found.scattered_pages == 0
    assert found.ordered_pages == pytest.approx(26_095 + 46_000 * 4 / 6_001_215 * 112_600, rel=0.01)


def test_an_index_only_scan_touches_no_table():
    inner = scan("Index Only Scan", "lineitem", 600, 20.0, **{"Index Name": "by_supplier", "Index Cond": "(x = s)"})
    found = work_of(loop(SUPPLIERS, inner, 1_200_000, 120_000.0), Sizes(by_supplier=BY_SUPPLIER), COSTS)
    assert found.scattered_pages == 0


def test_a_memoized_scan_runs_as_often_as_its_price_says():
    inner = scan("Index Scan", "lineitem", 600, 59.19, **{"Index Name": "by_supplier", "Index Cond": "(x = s)"})
    memo = {"Node Type": "Memoize", "Plan Rows": 600, "Total Cost": 59.2, "Plans": [inner]}
    orders = scan("Seq Scan", "orders", 100_000, 40_000.0)
    # one in a hundred is not remembered
    cost = 40_000.0 + 1_000 * 59.19 + 60_000_000 * 0.01
    found = work_of(loop(orders, memo, 60_000_000, cost), Sizes(by_supplier=BY_SUPPLIER), COSTS)
    assert found.look_ups == pytest.approx(1_000, rel=0.01)


def test_under_a_limit_a_part_is_read():
    top = {"Node Type": "Limit", "Plan Rows": 10, "Total Cost": 100.0, "Plans": [scan("Seq Scan", "orders", 1e6, 1e5)]}
    assert work_of(top, Sizes(), COSTS).ordered_pages == pytest.approx(26.095)


def test_a_table_nobody_knows_counts_with_its_cost():
    assert work_of(scan("Seq Scan", "elsewhere", 5, 77.0), Sizes(), COSTS) == PlanWork(77.0)


@pytest.mark.parametrize(
    ("columns", "order"),
    [
        ([(50_000, -0.97)], 0.97),
        ([(3, 0.2), (50_000, 0.9)], 0.9),  # within each of three values the next column decides
        ([(3, 0.2)], 1.0),  # equal keys lie as the rows do
        ([(None, None)], 0.0),
        ([], 0.0),
    ],
)
def test_order_in_which_an_index_visits_its_table(columns, order):
    assert heap_order(columns, 1_000_000) == order


def test_scattered_pages_weigh_more_than_those_in_order():
    weights = WorkWeights()
    assert weights.time(PlanWork(10, 100, 0)) > weights.time(PlanWork(10, 0, 100)) > weights.time(PlanWork(10))


def test_settings_are_the_servers_and_unreadable_ones_the_usual():
    found = PageCosts.from_settings({"random_page_cost": "1.1", "seq_page_cost": "?", "effective_cache_size": "786432"})
    assert (found.random_page, found.seq_page, found.cache_pages) == (1.1, 1.0, 786_432)


def test_an_inner_scan_brings_no_more_rows_than_the_join_has():
    """A key's join is estimated by the key; its look-up alone by the values that ANALYZE saw (17 rows, 4 are there)."""
    primary = RelationSize(23_000, 6_001_215, 112_600, correlation=1.0, planned_correlation=1.0)
    inner = scan("Index Scan", "lineitem", 17, 3.2, **{"Index Name": "primary", "Index Cond": "(l_orderkey = o)"})
    orders, sizes = scan("Seq Scan", "orders", 44_290, 56_907.0), Sizes(primary=primary)
    by_key = work_of(loop(orders, inner, 177_160, 206_571.0), sizes, COSTS)
    assert by_key == work_of(loop(orders, {**inner, "Plan Rows": 4.0}, 177_160, 206_571.0), sizes, COSTS)
    filtered = loop(orders, inner, 177_160, 206_571.0) | {"Join Filter": "(a <> b)"}
    assert work_of(filtered, sizes, COSTS).ordered_pages > by_key.ordered_pages


def test_asking_a_hash_table_beyond_the_caches_takes_time():
    def computing(rows, width):
        hashed = {"Node Type": "Hash", "Plan Rows": rows, "Total Cost": 10.0, "Plan Width": width}
        outer = scan("Index Only Scan", "lineitem", 1_200_000, 100.0, **{"Index Name": "unknown"})
        join = {"Node Type": "Hash Join", "Plan Rows": 9, "Total Cost": 130.0, "Plans": [outer, hashed]}
        return work_of(join, Sizes(), COSTS).computing

    cached = computing(1_000, 8)
    assert computing(5_000, 8) == cached < computing(50_000, 8) < computing(200_000, 8)
    assert computing(2_000_000, 8) == computing(200_000, 100) == pytest.approx(cached + 1_200_000 * 0.04)


def test_rows_that_the_filter_drops_are_as_many_as_the_join_makes_likely():
    """By the values that ANALYZE saw a key has 17 rows, 5 of which pass; the join has 1.2 of them: 4 are there."""
    primary = RelationSize(23_000, 6_001_215, 112_600, distinct=(("l_orderkey", 353_000.0),))
    keys = {"Index Name": "primary", "Index Cond": "(lineitem.l_orderkey = o.o_orderkey)", "Filter": "(a > 1)"}
    inner = scan("Index Scan", "lineitem", 5, 1.2, **keys)
    orders = scan("Seq Scan", "orders", 120_000, 54_330.0)
    work = work_of(loop(orders, inner, 146_933, 202_494.0), Sizes(primary=primary), COSTS)
    assert work.scattered_pages == pytest.approx(120_000 * 17 * 146_933 / 120_000 / 5, rel=0.01)  # 496,000 are there
