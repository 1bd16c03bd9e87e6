"""Plans as Python and pages print them, and JSON that is not quite JSON: read as they are, or refused."""

import json
import pprint
import time
from collections.abc import Callable

import pytest

from analyzer.plans import PlanError, parse_plans
from tests.plans.decorations import each_line
from tests.plans.test_decorations import TEXTS, read

TEXT = TEXTS[1].replace("(c <> 'a", "(b <> ''::text) AND (c > '&amp;') AND (c <> 'a")
ROWS = [(line,) for line in TEXT.split("\n")]
JSON = [{"Plan": {
    "Node Type": "Sort", "Sort Key": ["it's", 'a "q"'], "Total Cost": 2.5, "Plan Rows": 7, "Plan Width": 4,
    "Actual Rows": 7, "Actual Loops": 1, "Disabled": False, "Plans": [
        {"Node Type": "Seq Scan", "Relation Name": "7", "Alias": "7", "Filter": None, "Parent Relationship": "Outer",
         "Total Cost": 1.0, "Plan Rows": 7, "Plan Width": 4, "Actual Rows": 7, "Actual Loops": 1}]},
    "Settings": {"work_mem": "5"}, "Planning Time": 0.5}]  # fmt: skip


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def in_page(text: str) -> str:
    lines = ("&nbsp;" * (len(line) - len(line.lstrip())) + escaped(line.lstrip()) for line in text.split("\n"))
    return '<pre class="a">' + "<br/>\n".join(lines) + "</pre>"


def as_texts(value: object) -> object:
    if isinstance(value, dict):
        return {key: as_texts(part) for key, part in value.items()}
    if isinstance(value, list):
        return [as_texts(part) for part in value]
    return value if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(each_line("'{line}'"), id="single quotes"),
        pytest.param(lambda text: "\n".join("'" + line.replace("'", "''") + "'" for line in text.split("\n")),
                     id="single quotes, doubled inside"),
        pytest.param(lambda text: "\n".join("'" + line.replace("'", "\\'") + "'" for line in text.split("\n")),
                     id="single quotes, escaped inside"),
        pytest.param(lambda text: "'QUERY PLAN'\n" + each_line("'{line}'")(text), id="with a heading"),
        pytest.param(lambda text: f"a < b\n\n{escaped(text)}", id="of a page, with words"),
        pytest.param(lambda text: text.replace("->", "-&gt;"), id="the arrow alone"),
        pytest.param(in_page, id="source of a page"),
        pytest.param(lambda text: escaped(escaped(text)), id="escaped twice"),
        pytest.param(lambda text: "\n".join(f"&gt; {escaped(line)}" for line in text.split("\n")), id="mail in a page"),
        pytest.param(lambda text: each_line("> {line}")(escaped(text)), id="page in a mail"),
    ],
)  # fmt: skip
def test_text_in_quotes_and_pages(form: Callable[[str], str]) -> None:
    assert read(form(TEXT)) == read(TEXT)


@pytest.mark.parametrize(
    "source",
    [
        repr(ROWS), pprint.pformat(ROWS), pprint.pformat(ROWS, width=30), "\n".join(map(repr, ROWS)),
        f"I ran it:\n{pprint.pformat(ROWS)}\nWhy is it slow?", repr([row[0] for row in ROWS]),
        repr([{"QUERY PLAN": row[0]} for row in ROWS]), "\n".join(json.dumps({"QUERY PLAN": row[0]}) for row in ROWS),
        "[" + ", ".join(f"<Record QUERY PLAN={row[0]!r}>" for row in ROWS) + "]",
        "[" + ", ".join(f"Row(QUERY_PLAN={row[0]!r})" for row in ROWS) + "]", repr(TEXT), repr((TEXT,)),
    ],
)  # fmt: skip
def test_text_as_python_prints_its_rows(source: str) -> None:
    assert read(source) == read(TEXT)


@pytest.mark.parametrize(
    "source",
    [
        repr(JSON), pprint.pformat(JSON), repr([(JSON,)]), repr((JSON,)), repr({"QUERY PLAN": JSON}), repr(JSON[0]),
        repr((json.dumps(JSON),)), f"It says:\n{pprint.pformat(JSON, width=40)}",
        json.dumps(JSON)[:-1] + ",]", json.dumps(JSON, indent=2).replace('"\n', '",\n'),
        json.dumps(as_texts(JSON)), as_texts(JSON),
        repr(JSON).replace("2.5", "Decimal('2.5')"),
    ],
)  # fmt: skip
def test_json_as_python_and_others_print_it(source: object) -> None:
    assert [plan.raw for plan in parse_plans(source)] == [plan.raw for plan in parse_plans(JSON)]
    assert read(source) == read(json.dumps(JSON))


@pytest.mark.parametrize(
    "statement",
    [
        "select * from t where status in\n  ('new', 'old');", "select * from t where status in\n  ('new', 'old')",
        "insert into t values\n('x', 1), ('y', 2);", "insert into t values\n('x', 1),\n('y', 2);",
        "select * from t where (a, b) in\n(('x',\n'y'))", "select\n('a' || b) from t", "select f\n('a', (b))",
    ],
)  # fmt: skip
def test_a_list_in_the_statement_above_is_no_value(statement: str) -> None:
    assert read(f"{statement}\n\n{TEXT}") == read(TEXT)
    assert read(f"{statement}\n{json.dumps(JSON, indent=1)}") == read(json.dumps(JSON))
    assert read(f"{statement}\n" + "\n".join(map(repr, ROWS))) == read(TEXT)


def test_nor_are_names_in_it() -> None:
    assert read(f'with x as\n("a")\n{TEXT}') == read(f'("a"\n)\n{TEXT}') == read(TEXT)


@pytest.mark.parametrize(
    "text",
    [
        '[{"Plan": {"Node Type": "Sort" "Alias": "a"}}]', '[{"Plan": {"Node Type": "a" "b"}}]',
        "[{'Plan': {'Node Type'",
        '[{"Plan": {"Node Type": "Result", "Plan Rows": "1,234"}}]', '[,{"Plan": {"Node Type": "Result"}}]',
        "[{'Plan': {'Node Type': __import__('os')}}]", "[('Sort  (cost=1.00..2.00 rows=1 width=4)',)",
        "[('Sort  (cost=1.00..2.00 rows=1 width=4)',)]", "'Seq Scan on t  (cost=1.00..2.00 rows=1 width=4)",
    ],
)  # fmt: skip
def test_what_is_none_of_these_is_refused(text: str) -> None:
    with pytest.raises(PlanError):
        parse_plans(text)


def test_a_byte_of_windows_in_utf_8() -> None:
    text = TEXT.replace("Scan on t", "Scan on größež")
    mixed = text.encode().replace("ö".encode(), b"\xf6")
    assert read(mixed) == read(text)
    assert read(text.encode("cp1252").replace(b"\xdf", "ß".encode())) == read(text)
    for unsure in (text.replace("größež", "таблица").encode("cp1251"), mixed + b"\n\x81", mixed + b"\n\0"):
        with pytest.raises(PlanError, match="The plan is not UTF-8 text"):
            parse_plans(unsure)


@pytest.mark.slow
@pytest.mark.long
def test_time_and_depth_are_bounded() -> None:
    levels, began = 20_000, time.process_time()
    deep = "{'Plan': " + "{'Node Type': 'Materialize', 'Plans': [" * levels + "{'Node Type': 'Result'}"
    assert len(parse_plans(deep + "]}" * levels + "}")[0].nodes) == levels + 1
    for text in ("['" + "a' '" * 500_000, "{" * 1_000_000, "[" * 2_000_000, "[" + "'a'," * 500_000 + "]",
                 "['" + "\\n" * 1_000_000 + "']",
                 json.dumps(["\n" * 1_000_000]), " " * 1_000_000 + "x", "&gt;" * 500_000 + "\n-&gt; A (cost=",
                 "<td>" * 300_000, "<td " * 300_000, "<td></td " * 200_000,
                 "[('a',)\n" * 200_000, "('a',\n" * 200_000, "'a''b'\n" * 200_000,
                 "duration: 1.0 ms  plan:\n" * 100_000):  # fmt: skip
        with pytest.raises(PlanError):
            parse_plans(text)
    assert time.process_time() - began < 60


LINE = json.dumps(JSON)
LONG = json.dumps([{**JSON[0], "Query Text": "select " + "x, " * 50_000}])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"| id | plan |\n|---|---|\n| 1 | {LINE} |", id="Markdown, not padded"),
        pytest.param(f"id|plan|note\n:--|---|--:\n12345|{LINE}|a \\| b", id="Markdown without outer bars"),
        pytest.param(f"words\n\n|plan|id|\n|-|-|\n|{LINE.replace('it', 'i' + chr(92) + '|')}|1|",
                     id="Markdown with a bar in a cell"),
        pytest.param(f"| queryid | plan |\n|---------|------|\n| 123456 | {LINE} |", id="Markdown, padded above"),
        pytest.param("queryid,calls,plan\n1,2," + '"' + LONG.replace('"', '""') + '"', id="a long field of CSV"),
        pytest.param("queryid\tplan\n1\t" + '"' + LONG.replace('"', '""') + '"', id="a long field behind a tab"),
        pytest.param("plan\n" + '"' + LONG.replace('"', '""') + '"', id="a long field alone"),
    ],
)  # fmt: skip
def test_a_plan_in_one_cell_of_a_row(text: str) -> None:
    (plan,) = parse_plans(text)
    assert plan.root.node_type == "Sort"
    assert [node.relation_name for node in plan] == [None, "7"]


def test_of_two_rows_of_markdown_both_plans_are_read() -> None:
    plans = parse_plans(f"| id | plan |\n|---|---|\n| 1 | {LINE} |\n| 22222 | {LINE} |\n\nwords")
    assert [plan.root.node_type for plan in plans] == ["Sort", "Sort"]
