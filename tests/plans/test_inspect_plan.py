"""`manage.py inspect_plan` as a person and a script use it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from analyzer.checks.plan import seq_scan_discards_rows
from tests.environment import IN_VAIN_S

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).parent.parent.parent
BAD = DATA / "seq_scan_in_nested_loop.pg15.json"
CASES = DATA / "pasted"
SCAN = ["Seq Scan on t"]
JOINED = ["Limit", "  Nested Loop", "    Seq Scan on a", "    Index Scan using b_pk on b"]
BROKEN = [
    "Nested Loop", "  Nested Loop", "    Seq Scan on rev", "    Index Scan using d_u on data clm", "  WindowAgg",
    "    Sort", "      Seq Scan on org", "  CTE Scan on etl", "  CTE Scan on i",
]  # fmt: skip
LABELS = {
    "numbered": ["HashSetOp Except", "  Append", "    Subquery Scan on *SELECT* 1",
                 "      Index Only Scan using ix_a on t1"],
    "expanded": SCAN, "mail_quotes": SCAN, "utf16": SCAN, "unicode_border": SCAN, "csv": SCAN, "plan": SCAN,
    "arrows": JOINED, "pgadmin": JOINED, "broken": BROKEN, "broken_with_a_gap": BROKEN,
    "costs_off": ["Hash Join", "  Seq Scan on a", "  Hash", "    Seq Scan on b"],
}  # fmt: skip
FINE = DATA / "parallel_agg.pg18.json"


def inspect(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[str, int]:
    code = 0
    try:
        call_command("inspect_plan", *args)
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    except CommandError as failure:
        return str(failure), failure.returncode
    return capsys.readouterr().out, code


def test_text_shows_nodes_with_their_own_time_and_the_findings(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(capsys, str(BAD)) == (
        """\
own ms      ±  share  rows planned  rows actual  loops     hit  read  temp  node
 60.44  0.004    55%            50           50      1       0     0     0  Nested Loop Left Join
  0.04  0.001     0%             5            5      1       3     0     0    -> Index Scan using customers_pkey \
on customers c
 48.58  0.003    45%       200,129      200,000      5  15,510     0     0    -> Seq Scan on orders o

Planning 0.58 ms, Execution 109.14 ms, of it outside the nodes 0.09 ms

critical PL004: Seq Scan on orders o keeps few of the rows it reads
  Seq Scan on orders o read 1,000,000 rows in 5 runs to keep 50.
  See whether an index can serve (o.customer_id = c.id).
  Create the index (not in a transaction), unless customer_id, if it is a text, holds texts of more than 2,704 bytes:
    CREATE INDEX CONCURRENTLY ix_orders_customer_id ON public.orders (customer_id);
""",
        1,
    )  # fmt: skip


def test_text_shows_what_to_copy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(
        """{"Plan": {"Node Type": "Hash Join", "Actual Total Time": 400.0, "Actual Rows": 600000, "Actual Loops": 1,
        "Temp Read Blocks": 4485, "Temp Written Blocks": 4485, "Plans": [
        {"Node Type": "Seq Scan", "Relation Name": "a", "Alias": "a", "Actual Total Time": 60.0, "Actual Rows": 600000,
         "Actual Loops": 1, "Parent Relationship": "Outer"},
        {"Node Type": "Hash", "Actual Total Time": 98.0, "Actual Rows": 400000, "Actual Loops": 1, "Hash Batches": 64,
         "Peak Memory Usage": 544, "Temp Read Blocks": 0, "Temp Written Blocks": 2662,
         "Parent Relationship": "Inner"}]}, "Execution Time": 401.0}"""
    )
    out, _ = inspect(capsys, str(plan))
    assert "PL034: Hash table spilled to disk" in out
    assert (
        "\n  More memory for this statement alone, in its own transaction:\n    SET LOCAL work_mem = '41MB';\n"
    ) in out


def test_json_is_stable(capsys: pytest.CaptureFixture[str]) -> None:
    out, code = inspect(capsys, str(BAD), "--format", "json")
    (plan,) = json.loads(out)["plans"]
    assert code == 1
    assert set(plan) == {
        "is_analyzed", "shape", "query_id", "planning_time_ms", "execution_time_ms", "outside_nodes_time_ms",
        "jit_time_ms", "triggers", "nodes", "findings", "not_run",
    }  # fmt: skip
    scan = plan["nodes"][2]
    assert {key: scan[key] for key in ("label", "table", "loops", "exclusive_time_ms", "exclusive_time_error_ms")} == {
        "label": "Seq Scan on orders o", "table": "public.orders", "loops": 5, "exclusive_time_ms": 48.575,
        "exclusive_time_error_ms": 0.0025,
    }  # fmt: skip
    assert scan["exclusive_buffers"]["shared_hit_blocks"] == 15510
    assert plan["nodes"][1]["conditions"] == {"Index Cond": "((c.id >= ?) AND (c.id <= ?))"}
    (finding,) = plan["findings"]
    assert (finding["code"], finding["severity"], finding["key"], finding["table"], finding["level"]) == (
        "PL004", "critical", "PL004::Seq Scan on orders o", "public.orders", "executed")  # fmt: skip


def test_json_tells_a_check_that_failed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(node: object, context: object) -> None:
        raise ZeroDivisionError("a value of the data")

    monkeypatch.setattr(seq_scan_discards_rows.check, "function", fail)
    out, _ = inspect(capsys, str(BAD), "--format", "json")
    (plan,) = json.loads(out)["plans"]
    # a check that says less of the same speaks instead
    assert [finding["code"] for finding in plan["findings"]] == ["PL043"]
    assert plan["not_run"] == {"PL004": "failed: ZeroDivisionError"}


@pytest.mark.parametrize(
    ("file", "fail_on", "code"),
    [(BAD, "info", 1), (BAD, "critical", 1), (BAD, "never", 0), (FINE, "info", 0), (FINE, "warning", 0),
     (DATA / "or_across_columns.pg15.json", "warning", 1), (DATA / "or_across_columns.pg15.json", "critical", 0)],
)  # fmt: skip
def test_exit_code_says_whether_there_are_findings(
    capsys: pytest.CaptureFixture[str], file: Path, fail_on: str, code: int
) -> None:
    assert inspect(capsys, str(file), "--fail-on", fail_on)[1] == code


def test_says_what_is_missing_and_what_was_never_executed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plain = tmp_path / "plain.json"
    plain.write_text('[{"Plan": {"Node Type": "Seq Scan", "Relation Name": "t", "Plan Rows": 7}}]')
    assert inspect(capsys, str(plain)) == (
        "rows planned  node\n           7  Seq Scan on t\n\n"
        "Planned only: EXPLAIN without ANALYZE knows no times and no actual rows.\n\n"
        "Little was checked: most that is wrong with a plan shows when it runs, in EXPLAIN (ANALYZE, BUFFERS).\n",
        0,
    )
    out, _ = inspect(capsys, str(DATA / "merge_append.pg15.json"))
    assert "(never executed)" in out


def test_several_plans_and_redaction_of_hints(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = inspect(capsys, str(DATA / "rule_multi_statement.pg18.json"))
    assert "Insert on base1" in out
    assert "Insert on base2" in out
    out, _ = inspect(capsys, str(DATA / "or_across_columns.pg15.json"))
    assert "2024-01-01" not in out


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(capsys, "/nowhere/plan.json") == ("Cannot read /nowhere/plan.json: No such file or directory.", 2)


def run(text: bytes, *args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "manage.py", "inspect_plan", *args], input=text, capture_output=True, cwd=ROOT, check=False,
        env={**os.environ, "PYTHONWARNINGS": ""}, timeout=IN_VAIN_S,
    )  # fmt: skip


@pytest.mark.slow
def test_standard_input_exit_codes_and_one_sentence_in_a_real_process() -> None:
    found = run(BAD.read_bytes(), "-")
    assert (found.returncode, found.stderr) == (1, b"")
    assert b"Seq Scan on orders o" in found.stdout
    broken = run(b'[{"Plan": ', "-")
    assert (broken.returncode, broken.stdout) == (2, b"")
    assert broken.stderr.count(b"\n") == 1
    assert b"seems cut off" in broken.stderr
    wrong = run(b"", "-", "--fail-on", "sometimes")
    assert wrong.returncode == 2


def test_nothing_found_says_by_how_many_checks(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = inspect(capsys, str(FINE))
    assert re.search(r"\nNothing found by \d+ checks \(the page /checks/ lists them\)\.\n\Z", out)


@pytest.mark.parametrize("path", sorted(CASES.glob("*")), ids=lambda path: path.name)
def test_plans_from_public_reports(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    """Copied with numbers, quotes and borders, or broken by a window: what the bare plan gives."""
    out, code = inspect(capsys, str(path), "--format", "json")
    (plan,) = json.loads(out)["plans"]
    found = [("  " * node["depth"]) + node["label"] for node in plan["nodes"]]
    assert found == LABELS[path.name.split(".")[0]]
    name = path.name.split(".")[0]
    scans = ("expanded", "mail_quotes", "utf16", "unicode_border")
    expected = ["PL063"] if name == "numbered" else ["PL004"] if name in scans else []
    assert ([finding["code"] for finding in plan["findings"]], code) == (expected, int(bool(expected)))


def test_no_terminal_escapes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    odd = tmp_path / "odd\x1b]0;x\x07.json"
    assert "\x1b" not in inspect(capsys, str(odd))[0].replace(str(odd), "")
    odd.write_text(json.dumps([{"Plan": {"Node Type": "Seq Scan", "Relation Name": "t\x1b[31m\u202e", "Alias": "t"}}]))
    out, _ = inspect(capsys, str(odd))
    assert "Seq Scan on t⟨U+001B⟩[31m⟨U+202E⟩ t" in out
    assert "\x1b" not in out
    name = "t\ncritical PL004: x"
    odd.write_text(json.dumps([{"Plan": {"Node Type": "Seq Scan", "Relation Name": name, "Alias": "t"}}]))
    out, _ = inspect(capsys, str(odd))
    assert "Seq Scan on t⟨U+000A⟩critical PL004: x t\n" in out
    process = run(b"", str(tmp_path / "none\x1b[2J.json"))
    assert process.returncode == 2
    assert b"\x1b" not in process.stderr


BEFORE = """Aggregate  (cost=1.00..2.00 rows=1 width=8) (actual time=60.000..60.001 rows=1 loops=1)
  ->  Seq Scan on t  (cost=0.00..1.00 rows=20 width=4) (actual time=0.010..59.000 rows=20 loops=1)
        Filter: (a = 5)
        Rows Removed by Filter: 400000
Execution Time: 60.100 ms
"""
AFTER = """Aggregate  (cost=1.00..2.00 rows=1 width=8) (actual time=0.200..0.201 rows=1 loops=1)
  ->  Index Scan using t_a on t  (cost=0.00..1.00 rows=20 width=4) (actual time=0.010..0.150 rows=20 loops=1)
        Index Cond: (a = 5)
Execution Time: 0.300 ms
"""


def test_two_plans_are_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "before").write_text(BEFORE)
    (tmp_path / "after").write_text(AFTER)
    shown, code = inspect(capsys, str(tmp_path / "before"), str(tmp_path / "after"))
    assert code == 0
    assert shown.startswith(
        """\
Seq Scan on t became Index Scan using t_a.
It took 300 µs instead of 60.1 ms.

   own ms  after  rows  after  blocks  after  node
     1.00   0.05     1      1       -      -  Aggregate
-   59.00           20              -           -> Seq Scan on t
+           0.15           20              -    -> Index Scan using t_a on t

gone: critical PL004: Seq Scan on t keeps few of the rows it reads
""".replace("critical", "warning")
    )
    shown, code = inspect(capsys, str(tmp_path / "after"), str(tmp_path / "before"), "--format", "sarif")
    assert code == 1
    (result,) = json.loads(shown)["runs"][0]["results"]
    assert (result["ruleId"], result["level"], result["baselineState"]) == ("PL004", "warning", "new")
    shown, _ = inspect(capsys, str(tmp_path / "before"), str(tmp_path / "after"), "--format", "json")
    assert [(n["label"], n["before"], n["after"]) for n in json.loads(shown)["nodes"]] == [
        ("Aggregate", 0, 0), ("Seq Scan on t", 1, None), ("Index Scan using t_a on t", None, 1),
    ]  # fmt: skip


def test_what_only_a_run_tells_is_neither_gone_nor_new_beside_a_plan_that_did_not_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    estimated = re.sub(r" \(actual .*\)|.*(?:Removed|Execution).*\n", "", BEFORE)
    (tmp_path / "run").write_text(BEFORE)
    (tmp_path / "estimated").write_text(estimated)
    shown, _ = inspect(capsys, str(tmp_path / "run"), str(tmp_path / "estimated"))
    assert "\nnot judged in the later plan: warning PL004: " in shown
    shown, _ = inspect(capsys, str(tmp_path / "estimated"), str(tmp_path / "run"))
    assert "\nseen now: warning PL004: " in shown
    shown, _ = inspect(capsys, str(tmp_path / "estimated"), str(tmp_path / "run"), "--format", "sarif")
    (result,) = json.loads(shown)["runs"][0]["results"]
    assert "baselineState" not in result


def test_sarif_names_rule_node_and_file(capsys: pytest.CaptureFixture[str]) -> None:
    shown, code = inspect(capsys, str(BAD), "--format", "sarif")
    assert code == 1
    document = json.loads(shown)
    (run,) = document["runs"]
    (result,) = run["results"]
    assert (document["version"], [rule["id"] for rule in run["tool"]["driver"]["rules"]]) == ("2.1.0", ["PL004"])
    assert (result["level"], result["message"]["text"].split(" read")[0]) == ("error", "Seq Scan on orders o")
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"].endswith("seq_scan_in_nested_loop.pg15.json")
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "plan/1"
