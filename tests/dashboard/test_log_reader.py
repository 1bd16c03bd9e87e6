"""Logs that people upload: the same as the command says, escaped, kept for a server by operators alone."""

import gzip
import json
from io import StringIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from analyzer.logs.read_log import read_log
from analyzer.models import Database, ParameterSample, PlanRecord, Server, Statement, StatementEntry
from analyzer.statements.fingerprint import fingerprint
from analyzer.store import logs
from analyzer.store.parameters import samples_of
from dashboard.statements import log_reader

pytestmark = pytest.mark.django_db
HEAD = "2026-11-30 08:11:04.634 UTC [6404] me@app "
SQL = "select a from t where secret = 'x1y2' order by a"
HOSTILE = "select '<script>alert(1)</script>' as \"<b>\x1b[31m\" from t"
PLAN = {
    "Query Text": SQL,
    "Plan": {
        "Node Type": "Sort", "Sort Key": ["t.a"], "Sort Method": "external merge", "Sort Space Used": 20480,
        "Sort Space Type": "Disk", "Actual Startup Time": 300.0, "Actual Total Time": 400.0, "Actual Rows": 200000,
        "Actual Loops": 1, "Plan Rows": 200000, "Total Cost": 9.0,
        "Plans": [
            {"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t", "Actual Startup Time": 0.01,
             "Actual Total Time": 50.0, "Actual Rows": 200000, "Actual Loops": 1, "Parent Relationship": "Outer",
             "Filter": "(secret = 'x1y2'::text)"}
        ],
    },
}  # fmt: skip
LOG = (
    f"{HEAD}LOG:  duration: 410.500 ms  plan:\n\t" + json.dumps(PLAN, indent=2).replace("\n", "\n\t") + "\n"
    f"{HEAD}LOG:  duration: 412.000 ms  statement: {SQL}\n"
    f"{HEAD}LOG:  duration: 5.000 ms  statement: {HOSTILE}\n"
    f"{HEAD}LOG:  duration: 1.000 ms  statement: alter role me password 'S3cret'\n"
)  # fmt: skip


@pytest.fixture
def known() -> Statement:
    server = Server.objects.create(name="app", slug="app", host="h", user="u", dbname="app", server_version_num=150018)
    Database.objects.create(server=server, oid=7, name="app", is_inspected=True)
    now = "2026-11-29T00:00:00Z"
    statement = Statement.objects.create(
        server=server, fingerprint=fingerprint(SQL), normalized_sql="select a from t where secret = $1 order by a",
        kind="select", first_seen=now, last_seen=now,
    )  # fmt: skip
    StatementEntry.objects.create(server=server, statement=statement, role_oid=1, database_oid=7, queryid=1)
    return statement


def upload(client: Any, name: str = "a.log", data: bytes = LOG.encode(), **more: str) -> Any:
    return client.post(reverse("read_log"), {"log": SimpleUploadedFile(name, data), **more})


@pytest.fixture
def viewer(client: Any, django_user_model: Any) -> Any:
    client.force_login(django_user_model.objects.create_user("ada"))
    return client


def test_an_uploaded_log_is_shown_escaped_without_values_and_not_kept(viewer: Any, known: Statement) -> None:
    for name, data in (("a.log", LOG.encode()), ("a.log.gz", gzip.compress(LOG.encode()))):
        page = upload(viewer, name, data)
        text = page.content.decode()
        assert (page.status_code, page.headers["Cache-Control"].count("no-store")) == (200, 1)
        assert "Sort spilled to disk" in text
        assert "412\u202fms in 1 logged run" in text
        assert "Sort &gt; Seq Scan on t" in text
        for hidden in ("x1y2", "S3cret", "<script>alert", "<b>", "\x1b"):
            assert hidden not in text, hidden
    assert (PlanRecord.objects.count(), ParameterSample.objects.count()) == (0, 0)


def test_only_operators_keep_what_a_log_says(viewer: Any, admin_client: Any, known: Statement) -> None:
    assert upload(viewer, server="app").status_code == 403
    assert PlanRecord.objects.count() == 0
    page = upload(admin_client, server="app")
    assert (
        "Kept: 1 plan and 1 run with values of 1 statement; 2 statements of the log not known there."
        in page.content.decode()
    )
    plan = PlanRecord.objects.get(statement=known)
    assert (plan.execution_time_ms, plan.is_analyzed, "x1y2" in str(plan.plan)) == (410.5, True, False)
    assert samples_of(known, plan.database) == [SQL]
    assert SQL not in ParameterSample.objects.get().sql_encrypted
    upload(admin_client, server="app")
    assert (PlanRecord.objects.get().times_seen, ParameterSample.objects.count()) == (1, 1)


def test_of_another_database_nothing_is_kept(admin_client: Any, known: Statement) -> None:
    upload(admin_client, data=LOG.replace("me@app", "me@other").encode(), server="app")
    assert (PlanRecord.objects.count(), ParameterSample.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "Choose a file with a log."),
        (b"\0\xff" * 1000, "No statement with its duration is in it."),
        (b"LOG:  duration: 1.000 ms\n", "1 duration without a statement"),
    ],
)
def test_what_is_no_log_gets_a_sentence(viewer: Any, data: bytes, sentence: str) -> None:
    assert sentence in upload(viewer, data=data).content.decode()


def test_a_packed_file_that_is_huge_unpacked_is_read_in_part(viewer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "MOST_UNPACKED_BYTES", 100_000)
    page = upload(viewer, data=gzip.compress(LOG.encode() + b"\n" * 3_000_000))
    assert "The rest of the file was not read." in page.content.decode()


def test_the_command_says_the_same(tmp_path: Any, known: Statement) -> None:
    path = tmp_path / "a.log"
    path.write_text(LOG)
    out = StringIO()
    call_command("read_log", str(path), "--server", "app", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].endswith("3 runs, 1 plan.")
    assert lines[2] == "1. 412 ms in 1 logged run in app, the slowest 412 ms"
    assert lines[3] == "   select a from t where secret = $1 order by a"
    assert lines[4] == "   Plan (410 ms): Sort > Seq Scan on t"
    assert lines[-1].startswith("Kept: 1 plan and 1 run ")
    assert not {"x1y2", "S3cret", "\x1b"} & set(out.getvalue().split())
    out = StringIO()
    call_command("read_log", str(path), "--format", "json", "--top", "1", stdout=out)
    value = json.loads(out.getvalue())
    (statement,) = value["statements"]
    assert (statement["logged_runs"], statement["total_time_ms"], value["statements_left_out"]) == (1, 412.0, 2)
    assert "PL" in statement["plans"][0]["findings"][0]["code"]


def test_a_statement_that_cannot_be_kept_costs_that_one(
    known: Statement, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = "select b from u where c = 1"
    statement = Statement.objects.create(
        server=known.server, fingerprint=fingerprint(other), normalized_sql="select b from u where c = $1",
        kind="select", first_seen=known.first_seen, last_seen=known.last_seen,
    )  # fmt: skip
    StatementEntry.objects.create(server=known.server, statement=statement, role_oid=1, database_oid=7, queryid=2)

    def fails(*arguments: Any, **more: Any) -> None:
        raise OverflowError("holds x1y2")

    monkeypatch.setattr(logs, "keep_plan", fails)
    totals = read_log([LOG.encode(), f"{HEAD}LOG:  duration: 3.000 ms  statement: {other}\n".encode()]).totals
    kept = logs.keep_log(known.server, totals, now=timezone.now())
    assert (kept.plans, samples_of(statement, Database.objects.get())) == (0, [other])
    assert "OverflowError" in caplog.text
    assert "x1y2" not in caplog.text


def test_a_prefix_that_is_too_long_is_refused(viewer: Any) -> None:
    page = upload(viewer, prefix="%a" * 101 + "%d ")
    assert page.status_code == 422
    assert "longer than 200 characters" in page.content.decode()
