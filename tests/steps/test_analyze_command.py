"""`manage.py analyze`: what it finds in a database with planted problems, in every format, and what it sends."""

import json
from dataclasses import MISSING, fields, replace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from analyzer.checks import all_checks, run_checks
from analyzer.checks.facts import StatementFacts
from analyzer.errors import StatementCancelled
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.questions import analyze
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.server import ServerFacts
from analyzer.words.visible import visible_line
from tests.checks.builders import build, context
from tests.checks.test_cases import cases_of

pytestmark = pytest.mark.postgres
PLANTED = (
    "create table customer (id int primary key, name text)",
    'create table orders (id int, customer_id int references customer on delete cascade, "na<me\'" text)',
    "insert into customer select g, 'c' || g from generate_series(1, 20000) g",
    "insert into orders select g, g % 20000 + 1 from generate_series(1, 60000) g",
    "analyze",
)


@pytest.fixture
def shop(any_postgres: Any, scratch_database: Any) -> Any:
    database = scratch_database(any_postgres)
    database.execute(*PLANTED, "select count(*) from orders where customer_id = 5")
    return database


def analyzed(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[str, int]:
    status = 0
    try:
        call_command("analyze", *args)
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    return capsys.readouterr().out, status


def test_planted_problems_are_found_and_fail(shop, capsys):
    text, status = analyzed(capsys, shop.dsn)
    assert status == 1
    assert "SC001" in text
    assert "SC009" in text
    assert "CREATE INDEX CONCURRENTLY" in text
    assert "2 tables" in text
    assert "Not looked at: executed plans" in text


def test_a_finding_on_a_statement_shows_it(shop, capsys):
    sql = 'select id as "e\x1b[2Jsc", customer_id from orders'
    shop.execute(sql, sql)
    text, _ = analyzed(capsys, shop.dsn, "--only", "ST029")
    assert f"  Statement: {visible_line(sql)}" in text
    (finding,) = json.loads(analyzed(capsys, shop.dsn, "--only", "ST029", "--format", "json")[0])["findings"]
    assert finding["statement"] == sql
    assert "customer_id from orders</pre>" in analyzed(capsys, shop.dsn, "--only", "ST029", "--format", "html")[0]
    (key,) = json.loads(analyzed(capsys, shop.dsn, "--only", "SC001", "--format", "json")[0])["findings"]
    assert key["statement"] is None


def test_an_empty_column_may_go_only_where_what_reads_its_table_was_recorded(shop, capsys):
    shop.execute("create table wide (id int, nothing text)", "insert into wide (id) select generate_series(1, 90000)")
    shop.execute("analyze wide")
    text, _ = analyzed(capsys, shop.dsn, "--only", "SC023")
    assert ("SC023" in text, "DROP COLUMN" in text) == (True, False)
    shop.execute("select id from wide where id = 7")
    assert "DROP COLUMN nothing" in analyzed(capsys, shop.dsn, "--only", "SC023")[0]
    shop.execute("select pg_stat_statements_reset()")
    assert "DROP COLUMN" not in analyzed(capsys, shop.dsn, "--only", "SC023")[0]


def test_at_most_sixty_statements_are_sent(shop, capsys):
    shop.execute("select pg_stat_statements_reset()")
    analyzed(capsys, shop.dsn)
    with shop.connect() as session:
        query = "select sum(calls)::int from pg_stat_statements where position('/* pgloupe */' in query) > 0"
        assert session.execute(query).fetchone()[0] <= 60


def test_names_that_cannot_be_read_end_nothing(shop, capsys, monkeypatch):
    def too_slow(_: Any) -> None:
        raise StatementCancelled("reading the names", "a timeout")

    monkeypatch.setattr(analyze, "read_names", too_slow)
    text, status = analyzed(capsys, shop.dsn)
    assert (status, "SC009" in text, "reading the names" in text) == (1, True, True)


def test_only_and_fail_on(shop, capsys):
    text, status = analyzed(capsys, shop.dsn, "--only", "sc009", "--fail-on", "critical")
    assert (status, "SC009" in text, "SC001" in text) == (0, True, False)
    with pytest.raises(CommandError, match="--only names XY, which begins no check's code"):
        call_command("analyze", shop.dsn, "--only", "SC001,xy")


def test_only_what_is_new_since_the_baseline(shop, capsys, tmp_path):
    first, _ = analyzed(capsys, shop.dsn, "--format", "json")
    baseline = tmp_path / "baseline.json"
    baseline.write_text(first)
    again, status = analyzed(capsys, shop.dsn, "--baseline", str(baseline), "--fail-on", "info")
    assert status == 0
    assert "Nothing new found" in again
    shop.execute("create table fresh (id int)", "insert into fresh select generate_series(1, 30000)", "analyze fresh")
    later, status = analyzed(
        capsys, shop.dsn, "--baseline", str(baseline), "--format", "json", "--only", "SC009", "--fail-on", "info"
    )
    (finding,) = json.loads(later)["findings"]
    assert (finding["table"], finding["code"], status) == ("public.fresh", "SC009", 1)
    baseline.write_text("[]")
    with pytest.raises(CommandError, match="is not what `analyze --format json` writes"):
        call_command("analyze", shop.dsn, "--baseline", str(baseline))


def test_sarif_and_html(shop, capsys):
    written, _ = analyzed(capsys, shop.dsn, "--format", "sarif")
    (run,) = json.loads(written)["runs"]
    assert {r["ruleId"] for r in run["results"]} == {r["id"] for r in run["tool"]["driver"]["rules"]} >= {"SC001"}
    assert all(r["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] for r in run["results"])
    page, _ = analyzed(capsys, shop.dsn, "--format", "html")
    assert page.startswith("<!doctype html>")
    assert "SC001" in page
    assert "src=" not in page
    assert "href=" not in page


def test_it_sends_few_statements_and_writes_nothing(shop, capsys):
    with shop.connect() as admin:
        ran = "select coalesce(sum(calls), 0) from pg_stat_statements s join pg_roles r on r.oid = s.userid"
        ran += " where r.rolname = %s and s.query not in ('BEGIN READ ONLY', 'ROLLBACK')"
        ran += " and s.query !~* '^(begin|rollback|set)'"
        before = admin.execute(ran, [shop.login]).fetchone()[0]
        analyzed(capsys, shop.dsn)
        sent = admin.execute(ran, [shop.login]).fetchone()[0] - before
    assert 10 < sent <= 60


def test_a_login_that_sees_little_is_told_what_is_missing(any_postgres, scratch_database, capsys):
    database = scratch_database(any_postgres)
    database.execute("create table t (id int)", "select id from t", f"revoke pg_monitor from {database.login}")
    text, _ = analyzed(capsys, database.dsn, "--fail-on", "never")
    assert "are hidden from this login" in text
    database.execute("drop extension pg_stat_statements")
    text, _ = analyzed(capsys, database.dsn, "--fail-on", "never")
    assert "pg_stat_statements" in text
    with pytest.raises(CommandError):
        call_command("analyze", database.dsn.replace(database.password, "wrong"))


def test_each_check_runs_or_is_said_not_to(shop, monkeypatch):
    """Of its cases each check finds something, or says why not, without what `analyze` fills in for nothing at all."""
    looked_at: list[Any] = []

    def noted(thing: Any, *args: Any, **more: Any) -> Any:
        looked_at.append(thing)
        return run_checks(thing, *args, **more)

    monkeypatch.setattr(analyze, "run_checks", noted)
    with connect(ConnectionSettings.from_dsn(shop.dsn)) as connection:
        not_run = analyze.analyze(connection).outcome.not_run
    tables = [table for facts in looked_at if isinstance(facts, SchemaFacts) for table in facts]
    of_tables = left_out(TableFacts, tables)
    for check in all_checks():
        if check.code in not_run or check.code.startswith("PL"):
            continue
        assert check.kind.container in (SchemaFacts, ClusterFacts, ServerFacts, StatementFacts), check
        unknown = left_out(check.kind.container, [x for x in looked_at if isinstance(x, check.kind.container)])
        if unknown.keys() >= {"cores", "active_average"}:  # SV009 says that without cores it looks at connections alone
            del unknown["cores"], unknown["active_average"]
        for case in cases_of(check):
            if not case.get("finds"):
                continue
            thing = replace(build(case), **unknown)
            if isinstance(thing, SchemaFacts):
                thing = replace(thing, tables=tuple(replace(table, **of_tables) for table in thing))
            outcome = run_checks(thing, context(case), checks=[check])
            assert outcome.findings or outcome.not_run, (check, case["name"], unknown)


def left_out(of: type, things: list[Any]) -> dict[str, None]:
    """Fields that are None in all of them and need not be."""
    assert things, of
    optional = [field.name for field in fields(of) if field.default is None and field.default is not MISSING]
    return {name: None for name in optional if all(getattr(thing, name) is None for thing in things)}


def test_passwords_in_clear_are_found_whatever_time_they_took(shop, capsys):
    """And are gone, with what is to copy."""
    role = f"app_{shop.name}"
    subscription = (
        f"create subscription {role} connection 'host=h password=geheim' publication p with (connect = false)"
    )
    with shop.connect() as session:
        session.execute("set pg_stat_statements.track_utility = on")
        session.execute(f"create role {role} password 'geheim'")
        session.execute(f"drop role {role}")
        session.execute(subscription)
        session.execute(f"alter subscription {role} set (slot_name = none)")
        session.execute(f"drop subscription {role}")
    found = json.loads(analyzed(capsys, shop.dsn, "--only", "ST027", "--format", "json")[0])["findings"]
    assert {finding["subject"] for finding in found} == {"CREATE ROLE", "CREATE SUBSCRIPTION"}
    assert "geheim" not in str(found)
    for finding in found:
        shop.execute(finding["fixes"][1]["code"])
    assert json.loads(analyzed(capsys, shop.dsn, "--only", "ST027", "--format", "json")[0])["findings"] == []
