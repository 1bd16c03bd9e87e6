"""What two plans do differently beside their structure is said in words, and decides nothing."""

from typing import Any

import pytest

from analyzer.plans import Plan
from analyzer.plans.compare import change_in_words, differences_in_words, plan_change, sameness
from analyzer.plans.differences import MOST_SENTENCES, differences
from tests.plans.test_compare import node, plan


def ran(kind: str, rows: float = 10, table: str | None = None, ms: float = 1.0, **more: Any) -> dict[str, Any]:
    figures = {"Actual Rows": rows, "Actual Loops": 1, "Actual Total Time": ms, "Actual Startup Time": 0.0}
    return node(kind, 10.0, table, **{**figures, **more})


def scan(table: str, **more: Any) -> dict[str, Any]:
    return ran("Seq Scan", table=table, **more)


def over(kind: str, *below: dict[str, Any], **more: Any) -> dict[str, Any]:
    sides = ("Outer", "Inner")
    return ran(kind, **more) | {
        "Plans": [{"Parent Relationship": side, **each} for side, each in zip(sides, below, strict=False)]
    }


def hashed(outer: str, inner: str, batches: int = 1) -> dict[str, Any]:
    table = over("Hash", scan(inner), **{"Hash Batches": batches, "Peak Memory Usage": 500})
    return over("Hash Join", scan(outer), table, **{"Join Type": "Inner"})


INDEX_SCAN = ran("Index Scan", table="t", **{"Index Name": "ix", "Index Cond": "((a = 5) AND (b < 'x'::text))"})
ON_DISK = {"Sort Method": "external merge", "Sort Space Type": "Disk", "Sort Space Used": 2048}
IN_MEMORY = {"Sort Method": "quicksort", "Sort Space Type": "Memory", "Sort Space Used": 25}
FETCHES = {"Index Name": "ix", "Heap Fetches": 120_000}
CASES = {
    "the Hash of b takes 64 batches instead of 1, so it spills to temporary files":
        (hashed("a", "b"), hashed("a", "b", batches=64)),
    "the Hash of b takes 1 batch instead of 64, so it stays in memory":
        (hashed("a", "b", batches=64), hashed("a", "b")),
    "the Sort of t goes to disk (2 MB) instead of staying in memory":
        (over("Sort", scan("t"), **IN_MEMORY), over("Sort", scan("t"), **ON_DISK)),
    "the HashAggregate of t goes to disk (1 MB) instead of staying in memory": (
        over("Aggregate", scan("t"), **{"Strategy": "Hashed", "HashAgg Batches": 1, "Disk Usage": 0}),
        over("Aggregate", scan("t"), **{"Strategy": "Hashed", "HashAgg Batches": 5, "Disk Usage": 1024})),
    "the hash table is built of a instead of b": (hashed("a", "b"), hashed("b", "a")),
    "1 worker launched instead of 4": (
        over("Gather", scan("t"), **{"Workers Planned": 4, "Workers Launched": 4}),
        over("Gather", scan("t"), **{"Workers Planned": 4, "Workers Launched": 1})),
    "no workers planned instead of 2":
        (node("Gather", 9.0, children=[node("Seq Scan", 5.0, "t")], **{"Workers Planned": 2}),
         node("Seq Scan", 9.0, "t")),
    "(b < '?'::text) on t is a Filter and no Index Cond any more":
        (INDEX_SCAN, INDEX_SCAN | {"Index Cond": "(a = 5)", "Filter": "(b < 'y'::text)"}),
    "(b < '?'::text) on t is an Index Cond and no Filter any more":
        (INDEX_SCAN | {"Index Cond": "(a = 5)", "Filter": "(b < 'y'::text)"}, INDEX_SCAN),
    "HashAggregate became GroupAggregate":
        (over("Aggregate", scan("t"), Strategy="Hashed"), over("Aggregate", scan("t"), Strategy="Sorted")),
    "a Memoize is gone": (over("Nested Loop", scan("a"), over("Memoize", scan("b"))),
                          over("Nested Loop", scan("a"), scan("b"))),
    "2 Materialize nodes were added": (
        over("Nested Loop", scan("a"), scan("b")),
        over("Nested Loop", scan("a"), over("Materialize", over("Materialize", scan("b"))))),
    "Seq Scan on t gives 50,000 rows instead of 40": (scan("t", rows=40, **{"Plan Rows": 40}),
                                                     scan("t", rows=50_000, **{"Plan Rows": 50_000})),
    "the estimate of Seq Scan on t is wrong by 500x (2 rows a loop planned, 1,000 came) instead of 1.1x":
        (scan("t", rows=1_000, **{"Plan Rows": 900}), scan("t", rows=1_000, **{"Plan Rows": 2})),
    "Index Only Scan using ix on t fetches 120,000 rows from its table instead of 3":
        (ran("Index Only Scan", table="t", **FETCHES | {"Heap Fetches": 3}),
         ran("Index Only Scan", table="t", **FETCHES)),
    "5,000 blocks of temporary files are written instead of 0": (
        scan("t", **{"Temp Read Blocks": 0, "Temp Written Blocks": 0}),
        scan("t", **{"Temp Read Blocks": 5_000, "Temp Written Blocks": 5_000})),
}  # fmt: skip


def test_a_scan_above_scans_is_named_itself() -> None:
    """TimescaleDB's ChunkAppend, a foreign scan that joins: nodes of a table with other tables' below."""

    def above(kind: str, condition: dict[str, str]) -> Plan:
        chunk = ran("Index Scan", table="_hyper_1_1_chunk", **{"Index Name": "ix", **condition})
        return plan(over(kind, chunk, table="metrics", **condition))

    by_index, filtered = {"Index Cond": "((a = 5) AND (b = 6))"}, {"Index Cond": "(a = 5)", "Filter": "(b = 6)"}
    for kind in ("Custom Scan", "Foreign Scan"):
        said = differences(above(kind, by_index), above(kind, filtered))
        assert "(b = ?) on metrics is a Filter and no Index Cond any more" in said
        assert "(b = ?) on _hyper_1_1_chunk is a Filter and no Index Cond any more" in said


@pytest.mark.parametrize("sentence", CASES)
def test_each_difference_is_said_and_decides_nothing(sentence: str) -> None:
    before, after = map(plan, CASES[sentence])
    assert sentence in differences(before, after)
    assert sentence in differences_in_words(before, after)
    assert sentence not in plan_change(before, after).sentences
    assert differences(before, before) == differences(after, after) == ()


def test_sameness_is_what_it_was() -> None:
    before, after = plan(hashed("a", "b")), plan(hashed("a", "b", batches=64))
    assert (plan_change(before, after).sentences, sameness(before, after).verdict) == ((), "same plan")
    assert change_in_words(before, after) == [
        "the Hash of b takes 64 batches instead of 1, so it spills to temporary files",
        "It took 1 ms instead of 1 ms",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (hashed("a", "b", batches=8), hashed("a", "b", batches=16)),  # much the same
        (scan("t", rows=2), scan("t", rows=900)),  # few rows
        (scan("t", rows=2, **{"Actual Loops": 0}), scan("t", rows=9_000)),  # not executed
        (over("Limit", scan("t", rows=900, **{"Plan Rows": 2_000})),
         over("Limit", scan("t", rows=3, **{"Plan Rows": 2_000}))),  # stopped: no wrong estimate
        (INDEX_SCAN, scan("t", Filter="((a = 5) AND (b < 'x'::text))")),  # the way to read says it
    ],
)  # fmt: skip
def test_what_is_no_difference_worth_a_word(before: dict[str, Any], after: dict[str, Any]) -> None:
    said = [
        words for words in differences(plan(before), plan(after)) if "gives" not in words or "Limit" not in str(before)
    ]
    assert said == []


def test_the_dearest_come_first_and_few() -> None:
    def many(batches: int) -> Plan:
        joins = [hashed(f"a{i}", f"b{i}", batches=batches) for i in range(MOST_SENTENCES + 2)]
        for i, join in enumerate(joins):
            join["Plans"][1]["Actual Total Time"] = 10.0 * (i + 1)
            join["Actual Total Time"] = 10.0 * (i + 1) + 5.0
        parts = [{"Parent Relationship": "Member", **join} for join in joins]
        return plan(ran("Append", ms=1_000.0) | {"Plans": parts})

    said = differences(many(1), many(64))
    assert [words.split()[3] for words in said] == [f"b{i}" for i in range(MOST_SENTENCES + 1, 1, -1)]
