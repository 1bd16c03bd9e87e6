"""A plan reads the same however it was copied, or is refused by its line: never as another plan."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from analyzer.plans import Plan, PlanError, parse_plans
from analyzer.plans.plain_lines import FIGURES
from analyzer.plans.show import plan_as_json
from tests.plans.decorations import DECORATIONS, JSON_ONLY, TEXT_ONLY, each_line
from tests.plans.test_exclusive import connection  # noqa: F401
from tests.plans.test_read_text import SETUP, STATEMENTS

DATA = Path(__file__).parent / "data"
LOGS = ("csvlog", "jsonlog", "server log", "server log in a mail")
EVERY_PLAN = ("border 2", "numbered")  # the decorations that are put on each plan of the corpus
JSON_CORPUS = sorted(path for path in DATA.glob("*.pg*.json"))


def read(source: str | bytes) -> list[object]:
    """Without the time that a log alone says (``test_logged``)."""
    return [
        plan_as_json(plan)
        | {"costs": costs(plan)}
        | ({"execution_time_ms": None, "outside_nodes_time_ms": None} if plan.is_time_logged else {})
        for plan in parse_plans(source)
    ]


def costs(plan: Plan) -> list[object]:
    return [(n.startup_cost, n.plan_width_bytes, n.actual_startup_time_ms, n.raw) for n in plan]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in EVERY_PLAN)) for n in (*DECORATIONS, *JSON_ONLY)]
)
def test_json_reads_the_same_however_it_was_copied(name: str) -> None:
    decorate = JSON_ONLY.get(name) or DECORATIONS[name]
    is_logged = name in LOGS
    for path in JSON_CORPUS[:: 1 if name in EVERY_PLAN else 9]:
        for plan in json.loads(path.read_text()):
            text = json.dumps(plan if is_logged else [plan], indent=2)  # auto_explain prints an object
            assert read(decorate(text)) == read(text), path.name


@pytest.mark.postgres
def test_text_reads_the_same_however_it_was_copied(connection: psycopg.Connection) -> None:  # noqa: F811
    texts = list(texts_of(connection))
    assert len(texts) > 80
    for at, text in enumerate(texts):
        bare = read(text)
        is_logged = FIGURES.search(text) is not None  # auto_explain always prints costs
        for name, decorate in [*(DECORATIONS | TEXT_ONLY).items()][at % 4 :: 4]:
            if name in LOGS and not is_logged:
                continue
            try:
                assert read(decorate(text)) == bare, name
            except PlanError as refusal:
                pytest.fail(f"{name}: {refusal}\n{decorate(text)}")
        for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
            assert read(text.encode(encoding)) == bare, encoding
    for kind in (True, False):  # with figures, or all of COSTS OFF
        some = [text for text in texts[:20] if bool(FIGURES.search(text)) == kind][:5]
        assert read("\n\n".join(some)) == [plan for text in some for plan in read(text)]


@pytest.mark.postgres
def test_a_damaged_plan_is_never_another_plan(connection: psycopg.Connection) -> None:  # noqa: F811
    """A line lost, doubled, moved in or out: refused, or the same steps."""
    chance = random.Random(5)
    refused = kept = 0
    sentences = set()
    for text in texts_of(connection):
        lines = text.split("\n")
        shape = [(n.depth, n.label) for plan in parse_plans(text) for n in plan]
        for _ in range(12):
            at = chance.randrange(len(lines))
            damaged = list(lines)
            # of a name alone, half may be another name
            harm = chance.choice(("indent", "prefix", "cut") if FIGURES.search(lines[at]) else ("indent", "prefix"))
            if harm == "indent":
                damaged[at] = " " * chance.randrange(1, 5) + damaged[at]
            elif harm == "prefix":
                damaged[at] = chance.choice(("* ", "| ", "x ", "? ", "12 ")) + damaged[at]
            else:
                damaged[at] = damaged[at][: len(damaged[at]) // 2]
            try:
                plans = parse_plans("\n".join(damaged))
            except PlanError as refusal:
                sentences.add(str(refusal).split()[0])
                refused += 1
            else:
                found = [(n.depth, n.label) for plan in plans for n in plan]
                assert found == shape, (harm, "\n".join(damaged))
                kept += 1
    assert sentences <= {"Line", "There"}
    assert refused > 100
    assert kept > 100


def texts_of(connection: psycopg.Connection) -> Iterator[str]:  # noqa: F811
    connection.execute(SETUP)
    for sql in STATEMENTS.values():
        for options in ("verbose", "costs", "costs off", "analyze, buffers, verbose", "analyze, costs off, timing off"):
            with connection.transaction(force_rollback=True):
                rows = connection.execute(f"explain ({options}) {sql}".encode()).fetchall()
            yield "\n".join(row[0] for row in rows)


TEXTS = (
    "Seq Scan on k\n  Filter: (a = 5)",
    """\
Hash Join  (cost=9.28..2097.78 rows=2 width=22) (actual time=0.085..0.087 rows=0.00 loops=1)
  Hash Cond: (t.a = k.id)
  ->  Seq Scan on t  (cost=0.00..1826.00 rows=99999 width=14) (actual time=0.017..0.017 rows=1.00 loops=1)
        Filter: (c <> 'a "q", x'::text)
  ->  Hash  (cost=9.25..9.25 rows=2 width=8) (actual time=0.052..0.052 rows=0.00 loops=1)
        Buckets: 1024  Batches: 1  Memory Usage: 8kB
        ->  Seq Scan on k  (cost=0.00..9.25 rows=2 width=8) (actual time=0.051..0.051 rows=0.00 loops=1)
              Filter: (v = ANY ('{"x y",z}'::text[]))
Planning Time: 0.5 ms
Execution Time: 1 ms""",
)


@pytest.mark.slow
def test_one_decoration_in_another_is_read_or_refused() -> None:
    """A log in a table in a mail: most are read, and none as another plan."""
    every = DECORATIONS | TEXT_ONLY
    same = refused = 0
    for text in TEXTS:
        bare = read(text)
        usable = {name: d for name, d in every.items() if name not in LOGS or FIGURES.search(text)}
        for inner_name, inner in usable.items():
            assert read(inner(text)) == bare, inner_name
            for outer_name, outer in usable.items():
                try:
                    assert read(outer(inner(text))) == bare, f"{inner_name} in {outer_name}"
                    same += 1
                except PlanError:
                    refused += 1
    assert refused < same / 5


NUMBERED = """\
1. Limit  (cost=1.27..3878.21 rows=5 width=172)
2.   ->  Nested Loop  (cost=1.27..38782.21 rows=50 width=172)
3.         ->  Seq Scan on a  (cost=0.00..100.00 rows=50 width=4)
4.         ->  Index Scan using b_pk on b  (cost=0.42..8.44 rows=1 width=4)"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("  ->  Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)",
         "Line 1 is a lower step of a plan whose top is missing"),
        ("Sort  (cost=0.00..1.00 rows=1 width=4)\n  Sort Key: a",
         "Line 1 is a Sort with 0 inputs where it has 1: lines are missing, or their indentation is lost"),
        ("Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)\nSeq Scan on b  (cost=0.00..1.00 rows=1 width=4)",
         "Line 2 begins a second plan inside the first: its indentation is lost"),
        ("Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (x = 'it",
         "Line 2 has a bracket or a quote that is never closed: the plan seems cut off"),
        ("Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)\nFilter: (x = 1)",
         "Line 2 belongs to a plan whose other lines could not be read"),
        ("Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)\n  what is this", "Line 2 is no line of a plan"),
        ("§ Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)",
         "Line 1 looks like a step of a plan, and is none that PostgreSQL prints or only a piece of one"),
        ("XM Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)",
         "Line 1 looks like a step of a plan, and is none that PostgreSQL prints or only a piece of one"),
        (NUMBERED.replace("4. ", "9. "), "Line 1 looks like"),
        ("Seq Scan on a  (cost=0.00..1.00 rows=1 width=4) (actual", "Line 1 looks like"),
        ("Result  (cost=0.00..1.00 rows=1 width=4)\n  SubPlan 1\n\nPlanning Time: 1 ms", "Line 2 names a subplan"),
        ("Nice plan:\n  Filter: (a = 5)\n", "Line 2 belongs to a plan whose other lines could not be read"),
        ("<explain xmlns='http://www.postgresql.org/2009/explain'>",
         "The plan's XML, which begins in line 1, has no end: it seems cut off"),
        ("- Plan: \n    Node Type: \"Seq", "Line 2 has a quote that is never closed, or is broken"),
        ("('Sort  (cost=0.00..1.00 rows=1 width=4)',)", "Line 1 is a Sort with 0 inputs"),
        ('{"a": 1}\n> Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)',
         "Line 2 looks like a part of a plan, and stands outside of it"),
    ],
)  # fmt: skip
def test_refuses_by_line_what_it_does_not_understand(text: str, sentence: str) -> None:
    with pytest.raises(PlanError) as refusal:
        parse_plans(text)
    assert str(refusal.value).startswith(sentence)


def test_a_broken_line_is_joined() -> None:
    narrow = """\
Nested Loop  (cost=437.29..437.35 rows=1 width=8) (actual

time=0.037..0.037 rows=0 loops=1)
  ->  Seq Scan on a  (cost=0.00..11.60 rows=160 width=12)
(actual time=0.006..0.008 rows=14 loops=1)
        Filter: ((x = 1) AND
(y = 2))
  ->  Index Scan using a_long_name_of_an_index on
public.data clm  (cost=0.43..2.63 rows=1 width=34) (actual time=0.002..0.0
02 rows=0 loops=14)
Planning Time: 0.5 ms"""
    (plan,) = parse_plans(narrow)
    assert [(n.label, n.actual_rows, n.loops, n.filter) for n in plan] == [
        ("Nested Loop", 0, 1, None), ("Seq Scan on a", 14, 1, "((x = 1) AND (y = 2))"),
        ("Index Scan using a_long_name_of_an_index on data clm", 0, 14, None)]  # fmt: skip


def test_a_literal_may_look_like_a_plan() -> None:
    lines = (
        "Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (x = 'one\n  ->  Seq Scan on b  (cost=0.00..1.00"
        " rows=1 width=4)\nQUERY PLAN\nPlanning Time: 5 ms'::text)\n  Rows Removed by Filter: 3"
    )
    for text in (lines, each_line("> {line}")(lines), lines.replace("\n", "\r\n")):
        (plan,) = parse_plans(text)
        assert [n.label for n in plan] == ["Seq Scan on a"]
        assert plan.planning_time_ms is None
