"""What people and drivers hand over, read as a plan or refused in one sentence."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzer.plans import Plan, PlanError, parse_plan, parse_plans
from analyzer.plans.outside import jit_time_ms, outside_nodes_time_ms
from analyzer.plans.shape import shape_of
from analyzer.plans.show import plan_as_json, plan_as_text

DATA = Path(__file__).parent / "data"
SCAN = '{"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t"}'


@pytest.mark.parametrize(
    "source",
    [
        f'[{{"Plan": {SCAN}}}]',
        f'{{"Plan": {SCAN}}}',
        SCAN,
        f'  \n[{{"Plan": {SCAN}}}]\n',
        f'\ufeff[{{"Plan": {SCAN}}}]',
        f'[{{"Plan": {SCAN}}}]'.encode(),
        [{"Plan": json.loads(SCAN)}],
        json.dumps([{"QUERY PLAN": [{"Plan": json.loads(SCAN)}]}]),
        json.dumps([{"QUERY PLAN": f'[{{"Plan": {SCAN}}}]'}]),
        f'        QUERY PLAN         \n---------------------------\n [ +\n   {{"Plan": {SCAN}}}  +\n ]\n(1 row)\n',
        json.dumps(f'[{{"Plan": {SCAN}}}]'),
    ],
    ids=[
        "array",
        "object",
        "bare node",
        "spaces",
        "BOM",
        "bytes",
        "decoded",
        "exported",
        "exported text",
        "psql",
        "quoted",
    ],
)
def test_reads_a_plan_however_it_comes(source: object) -> None:
    assert parse_plan(source).root.label == "Seq Scan on t"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "The plan is empty; run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) and give its whole output."),
        ("hello", "There is no plan in it; run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) and give its whole output."),
        ('[{"Plan": {"Node Type": "Seq', "The plan's JSON ends too early (line 1): it seems cut off;"
         " run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) and give its whole output."),
        ('[{"Plan": }]', "The plan is not JSON at line 1, column 11: Expecting value."),
        ("[]", "The plan is an empty JSON array: EXPLAIN printed nothing, or a rule left nothing to run."),
        ("[1]", 'The JSON holds no plan: an object with "Plan" was expected in the array.'),
        ('{"a": 1}', 'The JSON holds no plan: neither "Plan" nor "Node Type" is in it.'),
        ('["Utility Statement"]', "EXPLAIN was of a utility statement, which has no plan."),
        (f'[{{"Plan": {SCAN}}}, {{"Plan": {SCAN}}}]',
         "There are 2 plans where one was expected: give them to parse_plans."),
        ('{"Plan": [1]}', "A node at the top of the plan is no JSON object."),
        ('{"Plan": {}}', 'A node at the top of the plan has no "Node Type".'),
        ('{"Node Type": "Limit", "Plans": [{}]}', 'A node below Limit of the plan has no "Node Type".'),
        ('{"Node Type": "Limit", "Plans": [[]]}', "A node below Limit of the plan is no JSON object."),
        ('{"Node Type": "Limit", "Plans": 3}', '"Plans" of Limit is no array.'),
        ('{"Node Type": "Limit", "Actual Loops": "3,5"}', "\"Actual Loops\" of Limit is '3,5', which is no number."),
        ('{"Node Type": "Limit", "Actual Rows": true}', '"Actual Rows" of Limit is True, which is no number.'),
        ('{"Node Type": "Limit", "Total Cost": NaN}', '"Total Cost" of Limit is nan, which is no number.'),
        ('{"Node Type": "Limit", "Total Cost": 1e999}', '"Total Cost" of Limit is inf, which is no number.'),
        ('{"Node Type": "Limit", "Actual Loops": -3}', '"Actual Loops" of Limit is -3, which is below zero.'),
        ('{"Node Type": "Limit", "Alias": 5}', '"Alias" of Limit is 5, which is no text.'),
        (b"\xe9\xe9t", "The plan is not UTF-8 text (byte 0); run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) and give its"
         " whole output."),
        (b"\xff\xfe[\0{", "The plan is not UTF-16 text (byte 4); run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) and give"
         " its whole output."),
        (None, "The plan is null where a JSON array or object was expected; run EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"
         " and give its whole output."),
    ],
)  # fmt: skip
def test_says_in_one_sentence_why_it_cannot(source: object, sentence: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(source)
    assert str(caught.value) == sentence


def deep(levels: int, ending: str = "") -> str:
    node = '{"Node Type":"Materialize","Actual Total Time":1,"Actual Rows":1,"Actual Loops":1,"Plans":['
    return '[{"Plan":' + node * levels + SCAN + "]}" * levels + ending + "}]"


@pytest.mark.parametrize("text", [deep(5000), "QUERY PLAN\n" + deep(5000)])
def test_reads_5000_levels(text: str) -> None:
    plan = parse_plan(text)
    assert len(plan.nodes) == 5001
    assert plan.nodes[-1].depth == 5000
    assert len(shape_of(plan)) == 16


@pytest.mark.parametrize("text", [deep(5000, "]"), deep(5000)[:-9]])
def test_a_deep_plan_that_is_broken_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(PlanError, match=r"^The plan's JSON is nested too deep to say where it is none; give what EX"):
        parse_plan(text)


def test_every_prefix_of_a_real_plan_is_refused_in_one_sentence() -> None:
    text = (DATA / "parallel_hash.pg18.json").read_text().rstrip()
    for end in range(0, len(text), 37):
        with pytest.raises(PlanError) as caught:
            parse_plan(text[:end])
        assert str(caught.value).endswith(".")


JUNK = (None, -1, 0, 1e308, "x", [], {}, True, [{}], "Seq Scan", 10**400, float("nan"))


def test_a_plan_with_anything_wrong_in_it_is_read_or_refused() -> None:
    chance = random.Random(3)
    texts = [path.read_text() for path in sorted(DATA.glob("*.pg1[358].json"))]
    refusals: list[str] = []
    for _ in range(1500):
        value = json.loads(chance.choice(texts))
        place, key = chance.choice(list(places(value)))
        place[key] = copy.deepcopy(chance.choice(JUNK))
        try:
            for plan in parse_plans(value):
                assert shape_of(plan)
                plan_as_text(plan)
                plan_as_json(plan)
        except PlanError as refusal:
            refusals.append(str(refusal))
    assert 200 < len(refusals) < 1300
    assert [text for text in refusals if not text.endswith(".")] == []


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every member of every object and array, as what holds it and its key."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def test_several_plans_of_a_rule() -> None:
    plans = parse_plans((DATA / "rule_multi_statement.pg18.json").read_bytes())
    assert [plan.root.label for plan in plans] == ["Insert on base1", "Insert on base2"]


def test_what_stands_beside_the_tree() -> None:
    plan = parse_plan(
        {
            "Plan": {"Node Type": "ModifyTable", "Operation": "Update", "Relation Name": "t", "Alias": "t",
                     "Actual Total Time": 10.0, "Actual Rows": 0, "Actual Loops": 1},
            "Query Identifier": -8123456789012345678,
            "Settings": {"work_mem": "64kB"},
            "Planning": {"Shared Hit Blocks": 3},
            "Planning Time": 0.5,
            "Triggers": [
                {"Trigger Name": "RI_ConstraintTrigger_c_1", "Constraint Name": "fk", "Relation": "t", "Time": 4.0,
                 "Calls": 2},
                {"Trigger Name": "before", "Relation": "t", "Time": 3.0, "Calls": 9},
                {"Trigger Name": "after", "Relation": "t", "Time": 12.0, "Calls": 9},
            ],
            "JIT": {"Functions": 3, "Timing": {"Generation": {"Deform": 0.1, "Total": 1.0}, "Total": 8.5}},
            "Serialization": {"Time": 1.5, "Format": "text"},
            "Execution Time": 30.0,
        }
    )  # fmt: skip
    assert plan.query_id == "-8123456789012345678"
    assert plan.settings == {"work_mem": "64kB"}
    assert (plan.planning_time_ms, plan.execution_time_ms, plan.serialization_time_ms) == (0.5, 30.0, 1.5)
    assert plan.planning_buffers is not None
    assert plan.planning_buffers.shared_hit_blocks == 3
    assert [(t.name, t.constraint_name, t.calls) for t in plan.triggers] == [
        ("RI_ConstraintTrigger_c_1", "fk", 2), ("before", None, 9), ("after", None, 9)]  # fmt: skip
    assert jit_time_ms(plan) == 8.5
    # 30 less the root's 10, the foreign key's 4, 12 that do not fit inside the update, 1.5 for serialization
    assert outside_nodes_time_ms(plan) == pytest.approx(2.5)


def test_rows_are_an_interval_around_what_is_printed() -> None:
    def root(rows: object, loops: int, removed: int = 7) -> object:
        return parse_plan({"Node Type": "Seq Scan", "Actual Rows": rows, "Actual Loops": loops,
                           "Filter": "a", "Rows Removed by Filter": removed}).root  # fmt: skip

    whole, decimals, once, none = root(3, 100), root(3.25, 100), root(3, 1), root(0, 0)
    assert (whole.total_actual_rows, whole.total_actual_rows_bounds) == (300, (250, 350))
    assert decimals.total_actual_rows_bounds == pytest.approx((324.5, 325.5))
    assert decimals.total_rows_removed_by_filter_bounds == (650, 750)
    assert (once.total_actual_rows_bounds, once.total_rows_removed_by_filter_bounds) == ((3, 3), (7, 7))
    assert none.total_actual_rows == 0
    assert root(0, 30000).total_actual_rows_bounds == (0, 15000)


@pytest.mark.parametrize(
    ("planned", "actual", "factor", "direction"),
    [(10, 1000, 100, "under"), (1000, 10, 100, "over"), (5, 5, 1, None), (1, 0, 1, None), (50, 0, 50, "over")],
)
def test_estimate_factor(planned: int, actual: int, factor: float, direction: str | None) -> None:
    node = parse_plan({"Node Type": "X", "Plan Rows": planned, "Actual Rows": actual, "Actual Loops": 3}).root
    assert node.estimate_factor == factor
    assert (node.estimate_direction if factor > 1 else None) == direction


def labels(name: str) -> list[str]:
    plan: Plan = parse_plan((DATA / name).read_bytes())
    return [node.label for node in plan]


def test_labels_say_what_text_format_says() -> None:
    assert labels("parallel_hash.pg18.json") == [
        "Aggregate", "Gather", "Aggregate", "Hash Join", "Seq Scan on items i", "Hash", "Seq Scan on orders o",
    ]  # fmt: skip
    assert "Bitmap Index Scan on ev_tkt" in labels("bitmap_and.pg15.json")
    assert labels("setop_except.pg18.json")[0] == "HashSetOp Except"
    assert labels("seq_scan_in_nested_loop.pg15.json")[0] == "Nested Loop Left Join"
    assert labels("cte_materialized_fence.pg18.json")[0] == "CTE Scan on x"


def append(*children: tuple[str, str]) -> list[str]:
    scans = [{"Node Type": "Seq Scan", "Relation Name": r, "Alias": a} for r, a in children]
    return [n.label for n in parse_plan({"Node Type": "Append", "Plans": scans})][1:]


def test_labels_of_partitions_do_not_depend_on_how_many_were_pruned() -> None:
    three = append(("m_2024_01", "m_1"), ("m_2024_02", "m_2"), ("m_2024_03", "m_3"))
    two = append(("m_2024_02", "m_1"), ("m_2024_03", "m_2"))
    assert three == ["Seq Scan on m_2024_01", "Seq Scan on m_2024_02", "Seq Scan on m_2024_03"]
    assert two == three[1:]


def test_labels_keep_the_alias_where_a_table_is_read_twice() -> None:
    assert append(("orders", "o"), ("orders", "o_1")) == ["Seq Scan on orders o", "Seq Scan on orders o_1"]
