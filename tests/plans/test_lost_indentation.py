"""Plans copied from pages that lost their white space: read where the steps' types leave one tree only."""

import html
import json
import re

import pytest

from analyzer.plans import Plan, PlanError, parse_plan

JOIN = """
Limit  (cost=9119.77..9122.11 rows=20 width=31) (actual time=108.180..110.847 rows=20 loops=1)
  ->  Gather Merge  (cost=9119.77..18758.28 rows=82610 width=31) (actual time=108.179..110.843 rows=20 loops=1)
        Workers Planned: 2
        Workers Launched: 2
        ->  Sort  (cost=8119.75..8223.01 rows=41305 width=31) (actual time=98.359..98.362 rows=16 loops=3)
              Sort Key: o.created_at DESC
              Sort Method: top-N heapsort  Memory: 27kB
              Worker 0:  Sort Method: top-N heapsort  Memory: 27kB
              ->  Hash Join  (cost=329.00..7020.64 rows=41305 width=31) (actual time=9.304..90.232 rows=33240 loops=3)
                    Hash Cond: (o.customer_id = c.id)
                    ->  Parallel Seq Scan on orders o  (cost=0.00..6583.17 rows=41305 width=22) (actual time=0.011..50.505 rows=33240 loops=3)
                          Filter: ((status)::text = 'shipped'::text)
                          Rows Removed by Filter: 133427
                          Buffers: shared hit=12 read=3
                    ->  Hash  (cost=204.00..204.00 rows=10000 width=17) (actual time=9.198..9.199 rows=10000 loops=3)
                          Buckets: 16384  Batches: 1  Memory Usage: 636kB
                          ->  Seq Scan on customers c  (cost=0.00..204.00 rows=10000 width=17) (actual time=0.007..4.113 rows=10000 loops=3)
Planning:
  Buffers: shared hit=40
Planning Time: 0.362 ms
JIT:
  Functions: 5
  Options: Inlining false, Optimization false, Expressions true, Deforming true
Execution Time: 110.879 ms
"""  # noqa: E501
APPEND = """
Sort  (cost=100.00..101.00 rows=20 width=4) (actual time=5.000..5.100 rows=20 loops=1)
  Sort Key: e.at
  ->  Append  (cost=0.00..90.00 rows=20 width=4) (actual time=0.010..4.000 rows=20 loops=1)
        ->  Seq Scan on e_1  (cost=0.00..40.00 rows=10 width=4) (actual time=0.010..2.000 rows=10 loops=1)
        ->  Index Scan using at on e_2  (cost=0.00..50.00 rows=10 width=4) (actual time=0.010..2.000 rows=10 loops=1)
Execution Time: 5.200 ms
"""
BESIDE_APPEND = """
Nested Loop  (cost=100.00..101.00 rows=20 width=4) (actual time=5.000..5.100 rows=20 loops=1)
  ->  Append  (cost=0.00..90.00 rows=20 width=4) (actual time=0.010..4.000 rows=20 loops=1)
        ->  Seq Scan on e_1  (cost=0.00..40.00 rows=10 width=4) (actual time=0.010..2.000 rows=10 loops=1)
        ->  Seq Scan on e_2  (cost=0.00..50.00 rows=10 width=4) (actual time=0.010..2.000 rows=10 loops=1)
  ->  Index Scan using t_id on t  (cost=0.00..50.00 rows=10 width=4) (actual time=0.010..0.010 rows=1 loops=20)
Execution Time: 5.200 ms
"""
SUBPLAN = """
Seq Scan on t  (cost=0.00..90.00 rows=20 width=4) (actual time=0.010..4.000 rows=20 loops=1)
  SubPlan 1
    ->  Seq Scan on e  (cost=0.00..40.00 rows=10 width=4) (actual time=0.010..0.200 rows=10 loops=20)
Execution Time: 5.200 ms
"""
WORKERS = """
Gather  (cost=0.00..90.00 rows=20 width=4) (actual time=0.010..4.000 rows=20 loops=1)
  ->  Parallel Seq Scan on e  (cost=0.00..40.00 rows=10 width=4) (actual time=0.010..0.200 rows=10 loops=2)
        Buffers: shared hit=12
        Worker 0: actual time=0.010..0.200 rows=10 loops=1
          Buffers: shared hit=6
Execution Time: 5.200 ms
"""

# as the text of a page of explain.depesz.com
PAGE = """
explain.depesz.com
Result: a1Bc
# exclusive inclusive rows x rows loops node
1. 1,020.434 1,446.304 ↑ 12.7 17,285 1

Hash Join (cost=7,632.44..12,140.08 rows=146,188 width=8) (actual time=1,060.922..1,446.304 rows=17,285 loops=1)

  • Hash Cond: (a.id = b.id)
2. 16.382 16.382 ↓ 1.0 146,377 1

Seq Scan on a (cost=0.00..2,212.88 rows=146,188 width=8) (actual time=0.010..16.382 rows=146,377 loops=1)

  • Filter: (kind = ANY ('{100,200}'::integer[]))
  • Rows Removed by Filter: 1,932
3. 29.688 60.727 ↑ 1.4 141,834 1

Hash (cost=4,413.53..4,413.53 rows=196,153 width=8) (actual time=60.727..60.727 rows=141,834 loops=1)

4. 31.039 31.039 ↑ 1.4 141,834 1

Seq Scan on b (cost=0.00..4,413.53 rows=196,153 width=8) (actual time=0.005..31.039 rows=141,834 loops=1)

Planning time : 5.923 ms
Execution time : 1,458.923 ms
"""


def flat(text: str, before: str = "") -> str:
    return "\n".join(f"{before}{line.strip()}" for line in text.strip().splitlines())


def everything(plan: Plan) -> list[object]:
    nodes = [(node.depth, node.label, dict(node.raw), node.parent_relationship) for node in plan]
    return [nodes, dict(plan.raw)]


@pytest.mark.parametrize("before", ["", " "], ids=["at the left", "behind a space"])
@pytest.mark.parametrize("text", [JOIN, APPEND], ids=["a join", "an Append at the end"])
def test_a_plan_without_indentation_is_the_one_with_it(text: str, before: str) -> None:
    assert everything(parse_plan(flat(text, before))) == everything(parse_plan(text))


def test_a_page_s_white_space_is_read_as_what_stood_there() -> None:
    """Of each run of spaces one is left."""
    for text in (JOIN, APPEND):
        assert everything(parse_plan(re.sub(" +", " ", text))) == everything(parse_plan(text))


def test_tags_around_a_plan_are_no_part_of_it() -> None:
    one = APPEND.strip().splitlines()[-2].strip().removeprefix("->  ")
    for text in (one, JOIN.strip()):
        for escaped in (text, text.replace(">", "&gt;")):
            assert everything(parse_plan(f'<pre><code class="x">{escaped}</code></pre>')) == everything(
                parse_plan(text)
            )


def test_quotes_of_an_editor_are_quotes() -> None:
    """Else what stands in them would be kept as no value."""
    curly = JOIN.replace("'shipped'", "\u2018shipped\u2019")
    assert everything(parse_plan(curly)) == everything(parse_plan(JOIN))


def test_curly_quotes_beside_plain_ones_are_of_a_name_or_a_value() -> None:
    name, value = "o\u2019clock", "'\u201cshipped\u201d'"
    printed = JOIN.replace("'shipped'", value)
    assert f"= {value}" in str([dict(node.raw) for node in parse_plan(printed)])
    node = {"Node Type": "Seq Scan", "Relation Name": name, "Alias": name, "Filter": "(a = 5)"}
    assert parse_plan(json.dumps([{"Plan": node}], ensure_ascii=False)).root.relation_name == name
    page = json.dumps([{"Plan": node | {"Filter": "(a = 'x')"}}], ensure_ascii=False)
    page = page.replace("'", "\u2019").replace(name, "clock")
    curly = re.sub('"([^"]*)"', "\u201c\\1\u201d", page)
    assert parse_plan(curly).root.filter == "(a = 'x')"


def test_a_string_of_python_has_single_quotes_escaped() -> None:
    in_string = JOIN.strip().replace("'", "\\'").replace("\n", "\\n")
    assert everything(parse_plan(in_string)) == everything(parse_plan(JOIN))


def test_a_string_in_a_page_has_its_quotes_escaped_twice() -> None:
    text = JOIN.strip().replace("'shipped'", "'a \"b\"'")
    page = html.escape(text.replace('"', '\\"').replace("\n", "\\n"), quote=True)
    assert everything(parse_plan(page)) == everything(parse_plan(text))


@pytest.mark.parametrize("text", [BESIDE_APPEND, SUBPLAN, WORKERS, JOIN.replace("->  Hash  ", "->  Result  ")])
def test_where_the_tree_could_be_another_it_is_refused(text: str) -> None:
    parse_plan(text)
    with pytest.raises(PlanError):
        parse_plan(flat(text))


def test_a_step_too_few_is_no_tree() -> None:
    lines = flat(JOIN).splitlines()
    with pytest.raises(PlanError):
        parse_plan("\n".join(line for line in lines if "customers c" not in line))


def test_a_page_of_explain_depesz_com_is_the_plan_that_it_shows() -> None:
    plan = parse_plan(PAGE)
    assert [(node.depth, node.label) for node in plan] == [
        (0, "Hash Join"), (1, "Seq Scan on a"), (1, "Hash"), (2, "Seq Scan on b"),
    ]  # fmt: skip
    scan = plan.nodes[1]
    assert (plan.root.actual_total_time_ms, plan.execution_time_ms, scan.rows_removed_by_filter) == (
        1446.304, 1458.923, 1932,
    )  # fmt: skip
    assert scan.filter == "(kind = ANY ('{100,200}'::integer[]))"
    estimated = "\n".join(line.partition(" (actual")[0] for line in PAGE.splitlines() if "time :" not in line)
    assert not parse_plan(estimated.replace("  • Rows Removed by Filter: 1,932\n", "")).is_analyzed


def test_many_spaces_on_such_a_page_cost_no_more_than_their_number() -> None:
    """A pattern that tries every split of them takes three seconds for 800, and 250 times as long for 5,000."""
    wide = PAGE.replace("Seq Scan on b (cost", f"Seq Scan on b{' ' * 5_000}(cost") + f"\nx{' ' * 5_000}y\n"
    assert everything(parse_plan(wide)) == everything(parse_plan(PAGE))
