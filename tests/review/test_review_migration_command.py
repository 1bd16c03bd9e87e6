"""`manage.py review_migration` as a person and a build server use it."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from psycopg import sql

from analyzer.monitored.catalog.migration_facts import read_live_facts
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.review.files.sql import _mark, read_sql
from analyzer.review.review import review
from analyzer.review.show import review_as_text
from tests.servers import VERSIONS, ScratchDatabase

DJANGO = "from django.db import migrations, models\nclass Migration(migrations.Migration):\n    operations = [{}]\n"
NEITHER = "holds neither a Django migration nor an Alembic revision"
ROOT = Path(__file__).parent.parent.parent

MIGRATION = """\
alter table orders drop column total;
alter table orders add column code uuid not null default gen_random_uuid();
create index on customers (name);
"""


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"pg{version}")
def database(request, postgres):
    found = ScratchDatabase(postgres(request.param))
    found.execute(
        "create table customers (id int primary key, name text)",
        "create table orders (id int primary key, total int, customer_id int references customers, check (total > 0))",
        "insert into customers select i, i::text from generate_series(1, 1000) as i",
        "insert into orders select i, 1, 1 from generate_series(1, 20000) as i",
        "create view totals as select sum(total) as total from orders",
    )
    found.vacuum()
    with found.connect() as connection:
        for _ in range(20):
            connection.execute("select total from orders where id = 5")
        connection.execute("update orders set customer_id = 2 where id = 5")
    yield found
    found.drop()


def run(*arguments, stdin=None, monkeypatch=None):
    """Output, error and exit code."""
    out, error, code = io.StringIO(), "", 0
    if stdin is not None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
    try:
        call_command("review_migration", *arguments, stdout=out)
    except CommandError as problem:
        error, code = str(problem), problem.returncode
    except SystemExit as end:
        code = end.code
    return out.getvalue(), error, code


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "new.sql"
    path.write_text(MIGRATION)
    return str(path)


@pytest.mark.postgres
def test_a_migration_is_judged_by_what_runs_on_the_server(database, file):
    out, error, code = run(database.dsn, file)
    assert (error, code) == ("", 1)
    for said in (
        f"Judged against database {database.name}, PostgreSQL {database.server.version}.",
        "critical MG016: A view needs it",
        "It fails: public.totals reads column total, and PostgreSQL refuses to drop it.",
        "critical MG020: Column dropped that statements use",
        "public.orders.total, 20 in",
        "select total from orders where id = $1 (20 in",
        "rewrites public.orders",
        "3 statements reviewed: 2 critical",
    ):
        assert said in out, out
    assert "MG001" not in out  # 20,000 rows take less than a second
    assert run(database.dsn, file, "--fail-on", "never")[2] == 0


@pytest.mark.postgres
def test_json_and_sarif_name_lines(database, file, monkeypatch):
    found = json.loads(run(database.dsn, file, "--format", "json")[0])
    assert (found["format"], found["framework"], [s["line"] for s in found["statements"]]) == (1, "sql", [1, 2, 3])
    first, second, _ = found["statements"]
    assert first["locks"] == [
        {"relation": "public.orders", "mode": "ACCESS EXCLUSIVE", "blocks_reads": True, "blocks_writes": True,
         "is_index": False, "is_new": False, "why": None}
    ]  # fmt: skip
    assert [(w["kind"], w["relation"], w["is_certain"]) for w in second["work"]] == [("rewrite", "public.orders", True)]
    sarif = json.loads(run(database.dsn, file, "--format", "sarif")[0])
    results = sarif["runs"][0]["results"]
    assert (sarif["version"], {r["ruleId"] for r in results} >= {"MG016", "MG020"}) == ("2.1.0", True)
    assert results[0]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": Path(file).as_uri()}, "region": {"startLine": 1},
    }  # fmt: skip
    assert results[0]["level"] == "error"
    monkeypatch.chdir(Path(file).parent)
    sarif = json.loads(run(database.dsn, file, "--format", "sarif")[0])
    location = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "new.sql"


@pytest.mark.postgres
def test_a_role_with_pg_monitor_alone_gets_all_but_the_columns_statistics(database, file):
    """What it may not read is None, and said."""
    role, password = f"only_{database.name}", "x" * 20
    with database.connect() as connection:
        connection.execute(
            sql.SQL("create role {} login password {}").format(sql.Identifier(role), sql.Literal(password))
        )
        connection.execute(sql.SQL("grant pg_monitor to {}").format(sql.Identifier(role)))
    try:
        dsn = database.server.dsn(database.name, role, password)
        out, error, _ = run(dsn, file)
        assert error == ""
        assert "public.orders.total, 20 in" in out
        assert "NULLs and duplicates: not run, needs a login that may read pg_stats" in out
        with connect(ConnectionSettings.from_dsn(dsn, allow_local=True)) as connection:
            facts = read_live_facts(connection, ("random", "now"))
        orders = facts.schema.find_table("orders")
        assert [c.definition for c in facts.checks_of(orders.oid)] == ["CHECK ((total > 0))"]
        assert facts.volatility == {"random": "v", "now": "s"}
        assert facts.views[orders.oid, "total"] == ("public.totals",)
        assert facts.size_bytes[orders.oid] >= orders.size_bytes > 0
        with database.connect() as connection:
            connection.execute(sql.SQL("revoke pg_monitor from {}").format(sql.Identifier(role)))
        out, error, _ = run(dsn, file)
        assert error == ""
        assert "No recorded statement" not in out
        assert "Who waits and what is in use: not run" in out
        assert "does not see other roles' statements" in out
    finally:
        with database.connect() as connection:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


def test_without_a_server_rules_alone_judge(file, monkeypatch):
    out, error, code = run(
        "-",
        "--without-server",
        "--server-version",
        "13",
        stdin="merge into a using b on true when matched then delete;",
        monkeypatch=monkeypatch,
    )
    assert (error, code) == ("", 1)
    assert out.startswith("Judged by rules for PostgreSQL 13, without a server.\n")
    assert "MERGE came with PostgreSQL 15; this server has 13." in out


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", ["--without-server"], "holds no statement."),
        ("select 1;", [], "Name the database: "),
        (
            "select 1;",
            ["--without-server", "--server-version", "12"],
            "--server-version is 12; give one from 13 to 18.",
        ),
        ("select 1;", ["--server-version", "16"], "--server-version goes with --without-server"),
        ("def upgrade(:\n  pass\ndef upgrade(): pass", ["--without-server"], "is no valid Python, in line 1."),
        ("sel\0ect", ["--without-server"], "holds a NUL character."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(text, options, said, tmp_path, monkeypatch):
    monkeypatch.delenv("PGLOUPE_DSN", raising=False)
    file = tmp_path / "new.sql"
    file.write_text(text)
    out, error, code = run(str(file), *options)
    assert (out, code) == ("", 2)
    assert said in error


def test_the_exit_code_reaches_a_build_server(tmp_path):
    file = tmp_path / "new.sql"
    file.write_text("create index on orders (total);")
    found = subprocess.run(
        [sys.executable, "manage.py", "review_migration", str(file), "--without-server"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (1, "")
    assert "CREATE INDEX CONCURRENTLY ON orders (total);" in found.stdout


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('"""\ndef upgrade():\n"""\n', NEITHER),
        (
            '"""\nclass Migration(migrations.Migration):\n"""\n',
            "holds neither a Django migration nor an Alembic revision",
        ),
        (DJANGO.format("migrations.CreateModel('a', [], options={[1]: 2})"), "holds values that cannot be read"),
        (
            DJANGO.format(f"migrations.AddField('a', 'b', models.CharField(max_length=0x{'F' * 4_000}))"),
            "holds values that cannot be read",
        ),
        (DJANGO.format("migrations.RunSQL('select 1')," * 2_001), "holds more than 2,000 operations"),
        ("def upgrade():\n" + "    op.drop_table('a')\n" * 2_001, "holds more than 2,000 operations"),
    ],
    ids=("docstring", "docstring of Django", "key", "number", "operations", "operations of Alembic"),
)
def test_python_that_cannot_be_read_is_one_sentence(tmp_path, source, said):
    path = tmp_path / "0001_a.py"
    path.write_text(source)
    out, error, code = run(str(path), "--without-server")
    assert (out, code, error.count("\n")) == ("", 2, 0)
    assert said in error


def test_a_line_break_in_a_name_begins_no_line_of_the_safe_sequence():
    found = review(read_sql("alter table t add unique (a)"), 160_000, None)
    safe = 'LOCK TABLE "t\nDROP TABLE x; --";\n'
    text = review_as_text(replace(found, statements=[replace(found.statements[0], safe=safe)]), None)
    assert "DROP TABLE x" in text
    assert not [line for line in text.splitlines() if line.strip().startswith("DROP TABLE x")]


def test_a_mark_is_one_line():
    found = _mark("migrate:up").search("\n\n  -- migrate:up\n")
    assert found is not None
    assert found.span() == (2, 17)
