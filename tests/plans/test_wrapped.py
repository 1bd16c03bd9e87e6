"""A plan's text that a terminal, a mail or an editor broke is read as the whole one, or refused by its line."""

import re
import textwrap
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyzer.plans import Plan, PlanError, parse_plan

TEXTS = {file.stem: file.read_text() for file in sorted((Path(__file__).parent / "data" / "text").glob("*.txt"))}
LITERAL = re.compile(r"'(?:[^']|'')*'")


def by_terminal(text: str, width: int) -> str:
    pieces = (line[i : i + width] for line in text.split("\n") for i in range(0, max(1, len(line)), width))
    return "\n".join(pieces)


def by_terminal_without_spaces_at_the_end(text: str, width: int) -> str:
    return "\n".join(line.rstrip() for line in by_terminal(text, width).split("\n"))


def by_mail(text: str, width: int) -> str:
    wrapped = (textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) for line in text.split("\n"))
    return "\n".join("\n".join(lines) for lines in wrapped)


def below_the_arrow(text: str, width: int) -> str:
    out = []
    for line in text.split("\n"):
        indent = min(width // 2, len(line) - len(line.lstrip()) + 4)
        out.append(line[:width])
        for start in range(width, len(line), width - indent):
            out.append(" " * indent + line[start : start + width - indent])
    return "\n".join(out)


def said(plan: Plan) -> list[Any]:
    """All that is read; without the spaces in literals, which nobody shows, and around signs."""

    def plain(value: object) -> object:
        if not isinstance(value, str):
            return value
        return re.sub(r"(?<=\W) | (?=\W)", "", LITERAL.sub(lambda found: re.sub(r"\s", "", found[0]), value))

    return [plan.raw, *((node.depth, {key: plain(value) for key, value in node.raw.items()}) for node in plan)]


@pytest.mark.parametrize("wrapped", [by_terminal, by_terminal_without_spaces_at_the_end, by_mail, below_the_arrow])
@pytest.mark.parametrize("name", list(TEXTS))
def test_a_wrapped_plan_is_the_same_or_refused(name: str, wrapped: Callable[[str, int], str]) -> None:
    text = TEXTS[name]
    whole = said(parse_plan(text))
    outcomes: Counter[str] = Counter()
    for width in range(40, 133):
        try:
            read = parse_plan(wrapped(text, width))
        except PlanError:
            outcomes["refused"] += 1
        else:
            assert said(read) == whole, width
            outcomes["same"] += 1
    assert outcomes["refused"] <= 3 or wrapped is not by_terminal, outcomes


def test_a_number_broken_by_a_terminal_is_whole() -> None:
    text = "Seq Scan on orders o  (cost=0.00..25.00 rows=1000 width=36) (actual time=0.010..1.012 rows=1234 loops=1)\n"
    text += "  Filter: (customer_id = 5)\n"
    between_dots = text.index("..1.012") + 1  # as psql's \\pset format wrapped marks a break
    for width in set(range(30, len(text.split("\n")[0]))) - {between_dots}:
        plan = parse_plan(by_terminal(text, width))
        assert (plan.root.plan_rows, plan.root.actual_rows, plan.root.alias) == (1000, 1234, "o"), width


def test_what_has_two_readings_is_refused() -> None:
    text = """Limit  (cost=0.00..25.00 rows=1000 width=36)
  ->  Seq Scan on a_table_with_a_name_that_is_very_long
o  (cost=0.00..25.00 rows=1000 width=36)
"""
    with pytest.raises(PlanError, match=r"^Line 2 is broken where it can be read in two ways"):
        parse_plan(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Rows Removed by Filter: 199\n  900", 3),
        ("Buffers: shared hit=12 re\n  ad=5", 2),
        ("Sort Method: external merge  Disk: 102\n  40kB", 2),
    ],
)
def test_a_piece_is_no_line(text: str, line: int) -> None:
    head = "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=1)\n  "
    with pytest.raises(PlanError, match=rf"^Line {line} "):
        parse_plan(head + text)


def test_a_node_nobody_knows_is_kept() -> None:
    plan = parse_plan("""Limit  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=1)
  ->  Prefetching Index Walk on orders o  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=1)
        Walk Cond: (a = 5)
Total runtime: 5.000 ms
""")
    node = plan.nodes[1]
    assert (node.label, node.relation_name, node.raw["Walk Cond"]) == (
        "Prefetching Index Walk on orders o", "orders", "(a = 5)",
    )  # fmt: skip
    assert plan.execution_time_ms == 5.0  # of 9.3


def test_a_word_of_a_known_node_is_none() -> None:
    with pytest.raises(PlanError, match="Line 2 looks like a step of a plan"):
        parse_plan("""Limit  (cost=0.00..1.00 rows=1 width=4)
  ->  Scan on orders o  (cost=0.00..1.00 rows=1 width=4)
""")
