"""Plans that cost less and may run longer all the same."""

import pytest

from analyzer.advice.selection.risk import doubt
from analyzer.plans import parse_plan

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
    ("before", "after", "gain", "has_pattern", "said"),
    [
        (PLAIN, loop(20_000, 5), 0.5, False, "fetches about 100,000 rows one by one through an index"),
        (PLAIN, loop(19_999, 5), 0.5, False, None),
        (loop(19_000, 5), loop(20_000, 5), 0.5, False, None),  # it does already
        (PLAIN, loop(20_000, 5, "Seq Scan"), 0.5, False, None),
        (PLAIN, loop(10_000, 1), 0.5, True, "as far as the planner guesses how many texts match"),
        (PLAIN, loop(9_999, 1), 0.5, True, None),
        (PLAIN, loop(10, 1), 0.14, False, "expects only 14% less"),
        (PLAIN, loop(10, 1), 0.16, False, None),
        (PLAIN, PLAIN, 0.1, False, None),  # the same plan with a smaller index
    ],
)
def test_what_leaves_doubt(before, after, gain, has_pattern, said):
    found = doubt(before, after, 1000.0, 1000.0 * (1 - gain), has_pattern=has_pattern)
    assert (said is None and found is None) or said in found
