"""Plans that cost less and may run longer all the same."""

import pytest

from analyzer.advice.planner import Query, has_open_limit
from analyzer.advice.selection.risk import doubt, slower
from analyzer.plans import parse_plan
from analyzer.plans.work import PlanWork, WorkWeights

SCAN = {"Node Type": "Seq Scan", "Relation Name": "a", "Alias": "a", "Total Cost": 100.0, "Plan Rows": 5}


def loop(outer_rows, inner_rows, inner="Index Scan"):
    outer = {**SCAN, "Plan Rows": outer_rows, "Parent Relationship": "Outer"}
    index = {
        "Node Type": inner, "Relation Name": "b", "Alias": "b", "Index Name": "b_a", "Plan Rows": inner_rows,
        "Total Cost": 1.0, "Parent Relationship": "Inner",
    }  # fmt: skip
    node = {"Node Type": "Nested Loop", "Join Type": "Inner", "Total Cost": 90.0, "Plan Rows": 9}
    return parse_plan([{"Plan": {**node, "Plans": [outer, index]}}])


PLAIN = parse_plan([{"Plan": SCAN}])


@pytest.mark.parametrize(
    ("before", "after", "has_pattern", "said"),
    [
        (PLAIN, loop(10_000, 1), True, "as far as the planner guesses how many texts match"),
        (PLAIN, loop(9_999, 1), True, None),
        (loop(9_000, 1), loop(10_000, 1), True, None),  # it does already
        (PLAIN, loop(10_000, 1, "Seq Scan"), True, None),
        (PLAIN, loop(1_000_000, 5), False, None),  # what it touches says that better
        (PLAIN, PLAIN, True, None),
    ],
)
def test_what_leaves_doubt(before, after, has_pattern, said):
    found = doubt(before, after, has_pattern=has_pattern)
    assert (said is None and found is None) or said in found


@pytest.mark.parametrize(
    ("before", "after", "is_said"),
    [
        (PlanWork(70_000, 0, 45_000), PlanWork(51_000, 1_195_000, 1_600), True),  # TPC-H's query 05
        (PlanWork(10_000), PlanWork(11_000), False),  # within the estimates' own error
        (PlanWork(10_000), PlanWork(11_100), True),
        (PlanWork(100), PlanWork(1_000), False),  # three milliseconds at most
        (PlanWork(10_000), PlanWork(1_000), False),
    ],
)
def test_what_is_said_to_get_slower(before, after, is_said):
    assert (slower(before, after, WorkWeights(), 0.7) is not None) == is_said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            PlanWork(70_000, 0, 45_000), PlanWork(51_000, 1_195_000, 1_600),
            "fetches about 1,195,000 rows from pages of their",
        ),
        (PlanWork(10_000), PlanWork(35_000), "reads and computes more: where"),  # an index brings all rows
        (PlanWork(10_000, 900), PlanWork(35_000, 10), "reads and computes more: where"),
        (PlanWork(10_000, 10), PlanWork(35_000, 20), "reads and computes more: where"),
        (PlanWork(10_000, 0, 100), PlanWork(10_000, 0, 100_000), "reads and computes more: where"),
    ],
)  # fmt: skip
def test_what_takes_longer_is_what_grew(before, after, said):
    assert f"but its new plan {said}" in (slower(before, after, WorkWeights(), 0.7) or "")


@pytest.mark.parametrize(
    ("sql", "values", "is_open"),
    [
        ("select * from a where b = $1 order by c limit $2", None, True),
        ("select * from (select * from a order by c limit $1) x", None, True),
        ("select * from a where b = $1 order by c limit $2", ("7", "10"), False),
        ("select * from a where b = $1 order by c limit 10", None, False),
        ("select * from a where b = $1 order by c offset $2", None, False),
    ],
)
def test_a_limit_that_is_a_parameter_tells_no_time(sql, values, is_open):
    assert has_open_limit(Query("q", "q", sql, 1.0, values)) is is_open
