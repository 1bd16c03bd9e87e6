import json

import pytest

from analyzer.plans import parse_plan
from analyzer.plans.compare import cost_words, plan_change, sameness
from analyzer.plans.shape import shape_of


def node(kind, cost, table=None, index=None, children=(), **more):
    made = {"Node Type": kind, "Startup Cost": 0.0, "Total Cost": cost, "Plan Rows": 1, "Plan Width": 8, **more}
    if table:
        made |= {"Relation Name": table, "Alias": more.get("Alias", table)}
    if index:
        made["Index Name"] = index
    if children:
        made["Plans"] = [{"Parent Relationship": "Outer", **child} for child in children]
    return made


def plan(root):
    return parse_plan(json.dumps([{"Plan": root}]))


SCAN = plan(node("Seq Scan", 12040.0, "orders", Filter="(customer_id = 7)"))
INDEX = plan(node("Index Scan", 10.0, "orders", "ix_orders_customer_id", **{"Index Cond": "(customer_id = 7)"}))
BITMAP = plan(
    node("Bitmap Heap Scan", 80.0, "orders", children=[node("Bitmap Index Scan", 9.0, index="ix_orders_customer_id")])
)


def test_a_scan_that_became_an_index_scan_is_said_with_its_gain():
    assert plan_change(SCAN, INDEX).summary(12040.0, 10.0) == (
        "Seq Scan on orders became Index Scan using ix_orders_customer_id, 1,204x cheaper"
    )


def test_a_bitmap_scan_names_the_index_below_it():
    assert plan_change(SCAN, BITMAP).sentences == (
        "Seq Scan on orders became Bitmap Heap Scan using ix_orders_customer_id",
    )


def test_an_index_of_a_subquery_is_none_of_the_scan_whose_condition_asks_it():
    subplan = {**node("Bitmap Heap Scan", 8.0, "lines", children=[node("Bitmap Index Scan", 2.0, index="ix_lines")])}
    subplan |= {"Parent Relationship": "SubPlan", "Subplan Name": "SubPlan 1"}
    before = plan(node("Seq Scan", 90.0, "orders", children=[subplan], Filter="(SubPlan 1)"))
    after = plan(node("Index Scan", 10.0, "orders", "ix_orders"))
    assert plan_change(before, after).sentences == ("Seq Scan on orders became Index Scan using ix_orders",)


def test_the_same_kind_of_scan_over_another_index_is_a_change():
    other = plan(node("Index Scan", 5.0, "orders", "ix_orders_customer_id_created"))
    assert plan_change(INDEX, other).sentences == (
        "Index Scan on orders using ix_orders_customer_id became one using ix_orders_customer_id_created",
    )


def test_joins_and_sorts_that_came_or_went_are_counted():
    inner = node("Index Scan", 1.0, "customers", "customers_pkey", **{"Parent Relationship": "Inner"})
    scan = node("Seq Scan", 500.0, "customers")
    before = plan(node("Sort", 900.0, children=[node("Hash Join", 800.0, children=[INDEX.root.raw | {}, scan])]))
    after = plan(node("Nested Loop", 20.0, children=[INDEX.root.raw | {}, inner]))
    assert plan_change(before, after).sentences == (
        "Seq Scan on customers became Index Scan using customers_pkey",
        "Hash Join became Nested Loop",
        "a Sort is gone",
    )


def test_the_same_plan_with_other_constants_is_the_same():
    again = plan(node("Seq Scan", 12041.0, "orders", Filter="(customer_id = 9)"))
    assert sameness(SCAN, again).verdict == "same plan"


def test_the_same_shape_at_another_cost_says_how_far_off():
    dearer = plan(node("Seq Scan", 12401.2, "orders", Filter="(customer_id = 9)"))
    assert sameness(SCAN, dearer).verdict == "same shape, cost within 3 %"
    near = plan(node("Seq Scan", 12076.0, "orders", Filter="(customer_id = 9)"))
    assert sameness(SCAN, near).verdict == "same shape, cost within 0.3 %"


def test_another_way_to_read_a_table_is_a_different_plan():
    found = sameness(SCAN, INDEX)
    assert not found.is_same_shape
    assert found.verdict == "different: Seq Scan on orders became Index Scan using ix_orders_customer_id"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (100, 100, "at the same cost"),
        (100, 88, "12 % cheaper"),
        (100, 40, "2.5x cheaper"),
        (100, 5, "20x cheaper"),
        (100, 112, "12 % dearer"),
        (10, 14000, "1,400x dearer"),
        (0, 5, "at the same cost"),
    ],
)
def test_costs_in_words(before, after, words):
    assert cost_words(before, after) == words


def test_a_condition_written_the_other_way_round_is_the_same_plan():
    def join(condition, cost=800.0):
        inner = node("Seq Scan", 5.0, "customers", **{"Parent Relationship": "Inner"})
        return plan(node("Hash Join", cost, children=[INDEX.root.raw | {}, inner], **{"Hash Cond": condition}))

    first = join("((o.customer_id = c.id) AND (o.kind = 3))")
    assert sameness(first, join("((c.id = o.customer_id) AND (o.kind = 3))")).verdict == "same plan"
    assert sameness(first, join("((o.customer_id = c.id) AND (o.state = 3))")).is_same_shape is False
    assert shape_of(first) != shape_of(join("((c.id = o.customer_id) AND (o.kind = 3))"))
