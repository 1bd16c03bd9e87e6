"""Plans of auto_explain keep their statement's text, its parameters and the duration, in every format and log."""

import json
from pathlib import Path

import psycopg
import pytest

from analyzer.checks import Context, run_checks
from analyzer.plans import Plan, parse_plan, parse_plans
from analyzer.plans.show import outside_lines
from tests.plans.decorations import each_line, logged, logged_as_csv, logged_as_json
from tests.plans.test_exclusive import connection  # noqa: F401

PLAN = """\
Seq Scan on t  (cost=0.00..1826.00 rows=20000 width=14) (actual time=0.017..40.000 rows=20000 loops=1)
  Filter: (c <> 'a'::text)
  Rows Removed by Filter: 5"""
TEXT = 'COPY (select *\n\n  from t -- "of" all\n\t where b = $1) TO STDOUT'
FORMATS = ("text", "xml", "json", "yaml")


def in_csv(message: str) -> str:
    return f'2026-01-02 03:04:05.678 UTC,"a","b",42,"[local]",66.1,1,"COPY",2026,3/0,0,LOG,00000,{quoted(message)},,,\n'


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


LOGS = {
    "stderr": lambda message: "2026-01-02 03:04:05.678 UTC [42] LOG:  " + message.replace("\n", "\n\t") + "\n",
    "csvlog": in_csv,
    "jsonlog": lambda message: json.dumps({"pid": 42, "error_severity": "LOG", "message": message}) + "\n",
    "json-file": lambda message: "".join(
        json.dumps({"log": line + "\n", "stream": "stderr"}) + "\n" for line in LOGS["stderr"](message).splitlines()
    ),
    "CloudNativePG": lambda message: json.dumps({"msg": "record", "record": {"message": message}}) + "\n",
    "message": lambda message: message,
    "a mail": lambda message: each_line("> {line}")("Hi\n" + LOGS["stderr"](message)),
    "a collector": lambda message: json.dumps([{"textPayload": "LOG:  " + message}]),
}


@pytest.mark.postgres
@pytest.mark.parametrize("plan_format", FORMATS)
def test_the_statement_and_the_duration_are_read_with_the_plan(
    connection: psycopg.Connection,  # noqa: F811
    plan_format: str,
) -> None:
    messages: list[str] = []
    connection.execute("create temp table t (b int, c text)")
    connection.execute("insert into t select i, 'text ' || i from generate_series(1, 100) i")
    connection.execute("load 'auto_explain'")
    for name, value in {
        "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on", "auto_explain.log_format": plan_format,
        "client_min_messages": "log",
    }.items():  # fmt: skip
        connection.execute("select set_config(%s, %s, false)", (name, value))
    connection.add_notice_handler(lambda notice: messages.append(notice.message_primary or ""))
    text = TEXT.replace("$1", "50").replace("COPY (", "").replace(") TO STDOUT", "\nor c = '\n<b>{')")
    text = text.replace("where b", "where (b")
    connection.execute(text.encode())
    (message,) = [message for message in messages if "plan:" in message]
    for name, log in LOGS.items():
        plan = parse_plan(log(message))
        assert plan.raw["Query Text"] == text, name
        assert plan.execution_time_ms == float(message.split()[1]), name
        assert plan.is_time_logged, name
        assert [(node.node_type, node.loops) for node in plan] == [("Seq Scan", 1)], name


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS)
def test_each_plan_of_a_log_has_its_own(log: object) -> None:
    assert callable(log)
    messages = (
        f"duration: 50.250 ms  plan:\nQuery Text: {TEXT}\nQuery Parameters: $1 = 'it''s\na'\n{PLAN}",
        f"duration: 70.000 ms  plan:\nQuery Text: select 2\n{PLAN}\nExecution Time: 60.000 ms",
        'duration: 80.000 ms  plan:\n{\n  "Query Text": "select 3",\n  "Plan": {\n    "Node Type": "Result"\n  }\n}',
    )  # fmt: skip
    plans = parse_plans("".join(map(log, messages))) if log not in (LOGS["message"], LOGS["a collector"]) else [
        parse_plan(log(message)) for message in messages]  # fmt: skip
    assert [(plan.raw["Query Text"], plan.raw.get("Query Parameters"), plan.execution_time_ms) for plan in plans] == [
        (TEXT, "$1 = 'it''s\na'", 50.25), ("select 2", None, 60.0), ("select 3", None, 80.0)]  # fmt: skip
    assert [plan.is_time_logged for plan in plans] == [True, False, True]


def test_a_text_above_a_plan_without_its_log_line_is_kept() -> None:
    for text in (f"Query Text: {TEXT}\n{PLAN}", each_line("\t{line}")(f"Query Text: {TEXT}\n{PLAN}")):
        assert [plan.raw for plan in parse_plans(text)] == [{"Query Text": TEXT}]


def findings(plan: Plan) -> dict[str, str]:
    return {f.code: f.message for f in run_checks(plan, Context()).findings}


def test_what_checks_say_of_a_logged_plan() -> None:
    """A COPY sends no rows to be kept; sending them is in auto_explain's duration, and in no node's time."""
    copied = LOGS["stderr"](f"duration: 41.000 ms  plan:\nQuery Text: {TEXT}\n{PLAN}")
    assert "PL061" not in findings(parse_plan(copied))
    sent = findings(parse_plan(copied.replace("COPY (", "select (")))["PL061"]
    assert sent == "The statement returns 20,000 rows, about 273 kB."
    (plan,) = parse_plans(logged(PLAN).replace("12.345 ms", "5000.000 ms"))
    assert findings(plan)["PL096"] == (
        "4.96 s of the 5 s that auto_explain logged lie in none of the plan's nodes and in no trigger that it printed."
    )
    assert outside_lines(plan)[0].startswith("Execution 5,000.00 ms as auto_explain logged it, with sending the rows, ")
    assert "PL096" not in findings(parse_plan(PLAN))
    for decorate in (logged_as_csv, logged_as_json):
        assert parse_plan(decorate(PLAN)).execution_time_ms == 12.345


def test_pasted_plans_have_no_text() -> None:
    for path in (Path(__file__).parent / "data" / "pasted").glob("*"):
        for plan in parse_plans(path.read_bytes()):
            assert "Query Text" not in plan.raw, path.name
