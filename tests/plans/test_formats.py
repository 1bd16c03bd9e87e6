"""XML, YAML and other programs' names for the fields read as the JSON of the same statement."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from analyzer.plans import PlanError, parse_plan, parse_plans
from analyzer.plans.read_plan import read_plan
from analyzer.plans.short_names import NAMES, VALUES
from tests.plans.test_exclusive import connection  # noqa: F401
from tests.plans.test_read_text import SETUP, STATEMENTS

MORE = {
    "incremental sort": "select * from (select * from t order by a) x order by a, b limit 5000",
    "rule": "insert into ruled values (1)",
    "names that look like others": 'select * from "7" "true" where "null" > 5 and "null" <> 6',
    "literals": """select * from k where v = E'a\\nb: "c" -> \\t <x> & y # | z' or v = '' or v = ' - '""",
    "cube": "select a, b % 3, count(*) from t group by cube (a, b % 3)",
    "conflict": "insert into k values (1, 'x') on conflict (id) do update set v = 'z' where k.v <> 'q' returning *",
}
MORE_SETUP = """
create table "7" ("null" int); create table ruled (a int); create table other (a int);
create rule r as on insert to ruled do instead (insert into other values (new.a); delete from other where a = new.a)
"""
OPTIONS = ("verbose", "costs off, settings", "analyze, timing off, summary off")
# They differ from run to run, or from the first run to the next.
MEASURED = ("Memory", "Space", "Blocks", "Time", "Storage", "Generation", "Functions", "Timing")


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: type(v).__name__ if any(word in k for word in MEASURED) else masked(v) for k, v in value.items()}
    return [masked(v) for v in value] if isinstance(value, list) else value


@pytest.mark.postgres
def test_xml_and_yaml_hold_what_json_holds(connection: psycopg.Connection) -> None:  # noqa: F811
    connection.execute(SETUP + MORE_SETUP)
    for name, sql in (STATEMENTS | MORE).items():
        for options in OPTIONS:
            read = {}
            for form in ("json", "xml", "yaml"):
                with connection.transaction(force_rollback=True):
                    row = connection.execute(f"explain ({options}, format {form}) {sql}".encode()).fetchone()
                assert row is not None
                read[form] = masked(read_plan(row[0]))
            assert read["xml"] == read["json"], name
            assert read["yaml"] == read["json"], name


# Text leaves them out where they say the usual thing, or always.
USUAL = (0, 0.0, False, [], None)
UNSAID = ("Inner Unique", "Partial Mode", "Scan Direction", "Parallel Aware", "Planning", "Triggers")


def said(value: Any) -> Any:
    """Without what text does not say; 13 calls what a write reads a Member."""
    if isinstance(value, dict):
        kept = {k: said(v) for k, v in value.items() if v not in USUAL and k not in UNSAID}
        if kept.get("Node Type") == "ModifyTable":
            kept["Plans"] = [plan | {"Parent Relationship": "Outer"} for plan in kept["Plans"]]
        return {k: v for k, v in kept.items() if v not in USUAL}
    return [said(v) for v in value] if isinstance(value, list) else value


@pytest.mark.postgres
@pytest.mark.parametrize("is_parallel", [False, True])
def test_text_says_what_json_says(connection: psycopg.Connection, is_parallel: bool) -> None:  # noqa: F811
    connection.execute(SETUP + MORE_SETUP)
    if is_parallel:
        connection.execute(
            "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;"
            "set max_parallel_workers_per_gather = 2; set work_mem = '64kB'; set enable_hashagg = off"
        )
    versioned = ("merge into k using (select a from t where b < 10) s on k.id = s.a when matched then delete",
                 "select * from t where ctid < '(3,0)'")  # fmt: skip
    statements = {**STATEMENTS, **MORE, "sample": "select * from t tablesample bernoulli (10) repeatable (3)"}
    if connection.info.server_version >= 150000:
        statements |= {sql: sql for sql in versioned}
    for name, sql in statements.items():
        for options in ("verbose, settings", "costs off", "analyze, timing off, buffers off, summary off, verbose"):
            if is_parallel and "analyze" in options:
                continue  # how many rows each worker got is another time another number
            read = {}
            for form in ("text", "json"):
                with connection.transaction(force_rollback=True):
                    rows = connection.execute(f"explain ({options}, format {form}) {sql}".encode()).fetchall()
                source = rows[0][0] if form == "json" else "\n".join(row[0] for row in rows)
                read[form] = said(masked(read_plan(source)))
            assert read["text"] == read["json"], f"{name} {options}"


@pytest.mark.postgres
def test_text_has_workers_wal_and_sections(connection: psycopg.Connection) -> None:  # noqa: F811
    connection.execute(SETUP + MORE_SETUP)
    connection.execute(
        "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;"
        "set max_parallel_workers_per_gather = 2; set work_mem = '64kB'"
    )
    more = ", serialize, memory" if connection.info.server_version >= 170000 else ""
    names = {}
    for form in ("text", "json"):
        found = set()
        for sql in ("select * from t where b % 3 = 1 order by a, b", "delete from k where id > 450",
                    "select count(*) from t join k on t.a = k.id group by b"):  # fmt: skip
            with connection.transaction(force_rollback=True):
                options = f"analyze, buffers, wal, verbose, format {form}{more}"
                rows = connection.execute(f"explain ({options}) {sql}".encode()).fetchall()
            source = rows[0][0] if form == "json" else "\n".join(row[0] for row in rows)
            found |= set(paths(read_plan(source)))
        names[form] = found
    assert len(names["text"]) > 70
    assert not names["text"] - names["json"]
    left_out = {path for path in names["json"] - names["text"] if not path.endswith(UNSAID)}
    run = ("Loops", "Rows", "Number", "Total Time", "Method")
    assert not [path for path in left_out if "Workers" in path and path.endswith(run)]
    assert not [path for path in left_out if path.endswith(("Memory Used", "Output Volume", "/Time"))]


def paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from paths(each, f"{path}/{key}" if key not in ("Plan", "Plans") else "")
    elif isinstance(value, list):
        for each in value:
            yield from paths(each, path)
    else:
        yield path


XML = """\
<explain xmlns="http://www.postgresql.org/2009/explain">
  <Query>
    <Plan>
      <Node-Type>Index Scan</Node-Type>
      <Relation-Name>7</Relation-Name>
      <Index-Cond>(a &lt; 5)</Index-Cond>
      <I-O-Read-Time>0.5</I-O-Read-Time>
      <Made-Up>3</Made-Up>
    </Plan>
    <Settings><my.set-ting>3</my.set-ting></Settings>
    <Triggers>
    </Triggers>
  </Query>
</explain>"""


def test_xml_keeps_what_it_does_not_know() -> None:
    expected = {
        "Plan": {"Node Type": "Index Scan", "Relation Name": "7", "Index Cond": "(a < 5)", "I/O Read Time": 0.5,
                 "Made Up": 3},
        "Settings": {"my.set-ting": "3"}, "Triggers": [],
    }  # fmt: skip
    declared = '<?xml version="1.0" encoding="ISO-8859-1"?>\n' + XML
    for text in (XML, declared, XML.replace("\n", ""), "words\n" + XML + "\nand words", XML.encode("utf-16")):
        assert read_plan(text) == [expected]
    assert read_plan(f"{XML}\n\n{XML}") == [expected, expected]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]>\n' + XML, "Line 1 looks like a part of a plan, and stands outside of it"),
        (XML.replace("(a &lt; 5)", "&b;"), "Line 6 is not XML (undefined entity)"),
        (XML.replace("Index Scan", "Index\nScan"), "Line 5 breaks the value of Node Type"),
        (XML.replace("</Plan>", ""), "Line 13 is not XML (mismatched tag)"),
        (XML[:-20], "The plan's XML, which begins in line 1, has no end: it seems cut off"),
        (XML + " Filter: (a = 5)", "Line 14 looks like a part of a plan"),
        ("<explain><Query></Query></explain>", 'The JSON holds no plan: neither "Plan" nor "Node Type" is in it.'),
        ("- Plan: \n    Node Type: *a", "Line 2 has an anchor, an alias, a tag or a directive of YAML"),
        ('- Plan: \n    Node Type: &a "Limit"', "Line 2 has an anchor"),
        ('- Plan: \n    Node Type: "Seq\nScan"\n', "Line 2 has a quote that is never closed, or is broken"),
        ('- Plan: \n    Node Type: "Seq Scan"\n  Alias "a"\n', "Line 3 is no line of a plan in YAML"),
        ('- Plan: \n    Node Type: "Seq Scan"\n   Alias: "a"\n', "Line 3 is indented like none of the lines around it"),
        ('- Plan: \n    Node Type: "Limit"\n    Node Type: "Sort"\n', "Line 3 says Node Type a second time"),
        ('- Plan: \n\tNode Type: "Limit"\n', "Line 2 is indented by a tab"),
        ("- Plan: \n", "A node at the top of the plan is no JSON object."),
    ],
)
def test_what_is_not_right_is_refused_by_its_line(text: str, sentence: str) -> None:
    with pytest.raises(PlanError) as refusal:
        parse_plan(text)
    assert str(refusal.value).startswith(sentence)


REWRITTEN = """\
# by another program
---
- Plan:
    Node Type: Seq Scan
    'Relation Name': '7'
    Alias: "caf\\xe9"
    Actual Rows: 12
    Total Cost: 1.5
    Parallel Aware: false
    Filter: ((a = 'it''s') AND
      (b = 2))
    Output: [a, b]
    Recheck Cond: "(c
      = 5)"
    Index Cond: |-
      (d = 'x
      y')
    Plans:
    - Node Type: Result
      Output:
      - a
      - "- b"
  Triggers: []
"""


def test_yaml_of_other_programs() -> None:
    ((plan,),) = [read_plan(REWRITTEN.replace("[a, b]", '["a", "b"]'))]
    assert plan == {
        "Plan": {
            "Node Type": "Seq Scan", "Relation Name": "7", "Alias": "café", "Actual Rows": 12, "Total Cost": 1.5,
            "Parallel Aware": False, "Filter": "((a = 'it''s') AND (b = 2))", "Output": ["a", "b"],
            "Recheck Cond": "(c = 5)", "Index Cond": "(d = 'x\ny')",
            "Plans": [{"Node Type": "Result", "Output": ["a", "- b"]}],
        },
        "Triggers": [],
    }  # fmt: skip


def shortened(value: Any) -> Any:
    """As pg_store_plans keeps it."""
    letters = {name: letter for letter, name in NAMES.items()}
    if isinstance(value, dict):
        return {
            letters.get(k, k): {name: letter for letter, name in VALUES.get(k, {}).items()}.get(v, v)
            if isinstance(v, str)
            else shortened(v)
            for k, v in value.items()
        }
    return [shortened(v) for v in value] if isinstance(value, list) else value


def respelled(spell: Callable[[str], str]) -> Callable[[Any], Any]:
    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {spell(k): change(v) for k, v in value.items()}
        return [change(v) for v in value] if isinstance(value, list) else value

    return change


def camel(name: str) -> str:
    first, *rest = name.replace("/", "").replace("-", " ").split()
    return first.lower() + "".join(word.title() for word in rest)


PLAN = [
    {
        "Plan": {
            "Node Type": "Hash Join", "Join Type": "Left", "Startup Cost": 1.0, "Total Cost": 2.0, "Plan Rows": 3,
            "Actual Rows": 3, "Actual Loops": 1, "Actual Total Time": 0.5, "Hash Cond": "(a.x = b.x)",
            "I/O Read Time": 0.25, "Plans": [
                {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Relation Name": "a", "Alias": "a",
                 "Rows Removed by Filter": 7, "Filter": "(y = 'b')"},
                {"Node Type": "Hash", "Parent Relationship": "Inner", "Hash Batches": 4, "Plans": [
                    {"Node Type": "Index Only Scan", "Parent Relationship": "Outer", "Scan Direction": "Backward",
                     "Index Name": "b", "Relation Name": "h", "Alias": "o", "Output": ["b.x"]}]},
            ],
        },
        "Planning Time": 0.5, "Triggers": [{"Trigger Name": "t", "Relation": "r", "Time": 0.5, "Calls": 2}],
        "Execution Time": 1.5,
    }
]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        shortened, respelled(str.lower), respelled(str.upper), respelled(camel),
        respelled(lambda name: name.lower().replace(" ", "_").replace("/", "")),
        respelled(lambda name: camel(name)[0].upper() + camel(name)[1:]),
        respelled(lambda name: {"Plans": "children"}.get(name, camel(name))),
    ],
)  # fmt: skip
def test_other_names_of_the_fields(change: Callable[[Any], Any]) -> None:
    for changed in (change(PLAN), change(PLAN[0]), json.dumps(change(PLAN)), json.dumps(change(PLAN), indent=2)):
        assert read_plan(changed) in (PLAN, PLAN[0])
    assert read_plan(change(PLAN[0]["Plan"])) in ([PLAN[0]["Plan"]], PLAN[0]["Plan"])


def test_what_a_short_plan_of_pg_store_plans_says() -> None:
    short = (
        '{"p":{"t":"t","j":"l","l":[{"t":"h","h":"o","n":"a","a":"a"},{"t":"i","h":"i","d":"f","i":"b_pk","n":"b"}]}}'
    )
    assert [n.label for n in parse_plan(short)] == [
        "Nested Loop Left Join",
        "Seq Scan on a",
        "Index Scan using b_pk on b",
    ]


ROWS = ["Limit  (cost=0.00..1.00 rows=1 width=4)", "  ->  Seq Scan on a  (cost=0.00..9.00 rows=9 width=4)",
        "        Filter: (x = 'a \"b\"')"]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        [{"QUERY PLAN": row} for row in ROWS],
        [[row] for row in ROWS],
        ROWS,
        {"rows": [{"QUERY PLAN": row} for row in ROWS], "rowCount": 3, "fields": [{"name": "QUERY PLAN"}]},
        {"result_type": "TuplesOk", "result": [["QUERY PLAN"], *[[row] for row in ROWS]]},
        {"data": {"explain": "\n".join(ROWS)}},
        {"explain select 1": [{"QUERY PLAN": row} for row in ROWS]},
        [{"query": "select 1", "plan": "\n".join(ROWS)}],
        {"textPayload": "2026 LOG:  duration: 5.0 ms  plan:\nQuery Text: select 1\n" + "\n".join(ROWS)},
        {"log": {"record": {"message": "duration: 5.0 ms  plan:\nQuery Text: select 1\n" + "\n".join(ROWS)}}},
    ],
)
def test_a_plan_in_what_programs_make_of_rows(value: Any) -> None:
    for source in (value, json.dumps(value), json.dumps(value, indent=4)):
        plan = parse_plan(source)
        assert [n.label for n in plan] == ["Limit", "Seq Scan on a"]
        assert plan.nodes[1].filter == "(x = 'a \"b\"')"


@pytest.mark.parametrize("value", [{"a": {"b": [1, "x", None]}}, [[[]]], {"plan": "none"}, [{"QUERY PLAN": "hello"}]])
def test_no_plan_in_what_programs_make(value: Any) -> None:
    with pytest.raises(PlanError, match=r"holds no plan|There is no plan in it"):
        parse_plans(json.dumps(value))


def deep_xml(levels: int) -> str:
    begin = "<Plan><Node-Type>Materialize</Node-Type><Plans>\n"
    scan = "<Plan><Node-Type>Seq Scan</Node-Type></Plan>"
    return f"<explain><Query>{begin * levels}{scan}{'</Plans></Plan>' * levels}</Query></explain>"


def deep_yaml(levels: int) -> str:
    lines = ["- Plan:", '    Node Type: "Materialize"']
    for level in range(levels):
        lines += [f"{' ' * (4 * level + 4)}Plans:", f'{" " * (4 * level + 6)}- Node Type: "Materialize"']
    return "\n".join(lines)


@pytest.mark.slow
def test_depth_and_size_are_bounded_by_nothing_but_time() -> None:
    began = time.process_time()
    assert len(parse_plan(deep_xml(3000)).nodes) == 3001
    assert len(parse_plan(deep_yaml(1000)).nodes) == 1001
    scan = {"Node Type": "Seq Scan", "Relation Name": "t", "Filter": "x" * 800}
    wide = [{"Plan": {"Node Type": "Append", "Plans": [scan | {"Alias": f"t_{i}"} for i in range(10_000)]}}]
    assert len(parse_plan(json.dumps(wide, indent=2)).nodes) == 10_001
    nodes = "".join(
        f"<Plan><Node-Type>Seq Scan</Node-Type><Filter>{'x' * 800}</Filter></Plan>\n" for _ in range(10_000)
    )
    xml = f"<explain><Query><Plan><Node-Type>Append</Node-Type><Plans>\n{nodes}</Plans></Plan></Query></explain>"
    assert len(parse_plan(xml).nodes) == 10_001
    yaml = (
        "- Plan:\n    Node Type: Append\n    Plans:\n"
        + f'      - Node Type: Seq Scan\n        Filter: "{"x" * 800}"\n' * 10_000
    )
    assert len(parse_plan(yaml).nodes) == 10_001
    assert time.process_time() - began < 30
