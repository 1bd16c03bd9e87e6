"""What checks of nodes share: times that rounding does not hide, expressions without literals."""

from analyzer.checks.node import own_time_ms, place, run_time_ms, shown_keys, time_evidence, unique_label
from analyzer.plans import parse_plan

PLAN = """{"Plan": {"Node Type": "Nested Loop", "Actual Total Time": 100.0, "Actual Loops": 1, "Actual Rows": 5,
 "Plans": [
 {"Node Type": "Sort", "Sort Key": ["a", "(meta ->> 'secret'::text)"], "Actual Total Time": 40.0, "Actual Loops": 1,
  "Actual Rows": 5},
 {"Node Type": "Sort", "Actual Total Time": 0.001, "Actual Loops": 1000, "Actual Rows": 5}]},
 "Execution Time": 110.0}"""


def test_time_that_rounding_hides_is_not_known() -> None:
    root, first, second = parse_plan(PLAN)
    assert own_time_ms(first) == 40.0
    assert own_time_ms(second) is None  # 1 ms, give or take half of it
    assert own_time_ms(first, second) == 41.0
    assert own_time_ms() is None
    assert time_evidence(own_time_ms(root), root) == {"exclusive_time_ms": 59.0, "exclusive_time_ratio": 0.536}
    assert time_evidence(None, root) == {}


def test_run_without_execution_time_is_as_long_as_its_root() -> None:
    (node,) = parse_plan(
        '{"Plan": {"Node Type": "Sort", "Actual Total Time": 7.0, "Actual Loops": 1, "Actual Rows": 1}}'
    )
    assert run_time_ms(node) == 7.0


def test_keys_are_shown_without_literals() -> None:
    _, first, second = parse_plan(PLAN)
    assert shown_keys(first, "Sort Key") == "a, (meta ->> '?'::text)"
    assert shown_keys(second, "Sort Key") is None


def test_two_nodes_with_one_label_are_told_apart() -> None:
    _, first, second = parse_plan(PLAN)
    assert [(place(n), unique_label(n)) for n in (first, second)] == [
        ("0", "Sort"),
        ("1", "Sort (no. 2 of the plan)"),
    ]
