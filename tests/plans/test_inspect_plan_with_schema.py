"""`manage.py inspect_plan --dsn --query`: what is judged and written with a schema, and is not without."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.servers import ScratchDatabase

pytestmark = pytest.mark.postgres
OF_A_DAY = "select * from visit where date(seen_at) = '2026-01-02'"


@pytest.fixture
def visits(postgres: Any, scratch_database: Callable[[Any], ScratchDatabase]) -> ScratchDatabase:
    database = scratch_database(postgres(18))
    database.execute("create table visit (id int primary key, seen_at timestamp not null)")
    database.execute(
        "insert into visit select n, timestamp '2026-01-01' + n * interval '1 min' from generate_series(1, 100000) n"
    )
    database.execute("create index ix_visit_seen_at on visit (seen_at)")
    database.vacuum()
    return database


@pytest.fixture
def plan(visits: ScratchDatabase, tmp_path: Path) -> Path:
    with visits.connect() as connection:
        (explained,) = connection.execute(f"explain (analyze, buffers, format json) {OF_A_DAY}").fetchone()
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(slowed(explained)))
    return file


def slowed(explained: Any) -> Any:
    """The plan with every time tenfold: at a machine's best moment this scan is too quick to be worth a word."""
    if isinstance(explained, list):
        return [slowed(each) for each in explained]
    if isinstance(explained, dict):
        return {
            key: value * 10 if key.endswith("Time") and isinstance(value, float) else slowed(value)
            for key, value in explained.items()
        }
    return explained


def inspected(capsys: pytest.CaptureFixture[str], plan: Path, *more: str) -> dict[str, dict[str, Any]]:
    call_command("inspect_plan", str(plan), "--format", "json", "--fail-on", "never", *more)
    (shown,) = json.loads(capsys.readouterr().out)["plans"]
    return {finding["code"]: finding for finding in shown["findings"]}


def test_a_statement_is_written_otherwise_where_schema_and_text_are_known(
    visits: ScratchDatabase, plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = tmp_path / "query.sql"
    query.write_text(OF_A_DAY, encoding="utf-16")  # as PowerShell's > writes it
    rewritten = [
        fix["code"]
        for finding in inspected(capsys, plan, "--dsn", visits.dsn, "--query", str(query)).values()
        for fix in finding["fixes"]
        if "The same rows" in fix["title"]
    ]
    assert len(rewritten) == 1
    assert "seen_at < CAST('2026-01-03' AS date)" in rewritten[0]
    without = inspected(capsys, plan, "--query", str(query))
    assert "The same rows" not in json.dumps(without)


def test_the_query_that_auto_explain_logged_is_known(
    visits: ScratchDatabase, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (logged,) = json.loads(plan.read_text())
    plan.write_text(json.dumps({"Query Text": OF_A_DAY, **logged}))
    assert "The same rows" in json.dumps(inspected(capsys, plan, "--dsn", visits.dsn))


def test_a_database_that_does_not_answer_is_one_sentence(plan: Path) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("inspect_plan", str(plan), "--dsn", "postgresql://nobody@127.0.0.1:1/none")
    assert caught.value.returncode == 2
    assert str(caught.value).count("\n") == 0
