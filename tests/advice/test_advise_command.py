"""`manage.py advise` as a person and a script use it, on a real server."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from analyzer.runtime.client_programs import client_program
from tests.servers import ScratchDatabase

pytestmark = pytest.mark.postgres
ROOT = Path(__file__).parent.parent.parent
SCHEMA = (
    "create table customers (id int primary key, email text not null, country char(2) not null)",
    "insert into customers select i, 'user' || i || '@example.org', chr(65 + i % 20) || 'X'"
    " from generate_series(1, 20000) as i",
    "create table orders (id int primary key, customer_id int not null, status text not null,"
    " created timestamptz not null, total numeric(10, 2))",
    "insert into orders select i, 1 + (i * 7919) % 20000, (array['new', 'done'])[1 + i % 2],"
    " timestamptz '2024-01-01' + i * interval '1 minute', i % 500 from generate_series(1, 100000) as i",
    "create index orders_customer_idx on orders (customer_id)",
    "create index orders_customer_created_idx on orders (customer_id, created)",
)
STATEMENTS = {
    "by_email": "select * from customers where email = $1",
    "newest": "select * from orders where customer_id = $1 order by created desc limit 10",
    "by_total": "select id from orders where total = $1 and created > $2",
    "all": "select count(*) from orders",
    "bad": "select nope from orders",
    "gone": "select * from orderlines where id = $1",
}


@pytest.fixture(scope="module")
def database(postgres):
    found = ScratchDatabase(postgres(18))
    found.execute(*SCHEMA)
    found.vacuum()
    yield found
    found.drop()


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "workload"
    where.mkdir()
    for name, sql in STATEMENTS.items():
        (where / f"{name}.sql").write_text(sql)
    (where / "weights.json").write_text(json.dumps({"by_email": 5000, "newest": 2000, "by_total": 100}))
    return where


@pytest.fixture
def advise(database, var_dir, settings):
    """Options -> output, what is said beside it, error and exit code."""
    settings.VAR_DIR = var_dir

    def run(*options, dsn=database.dsn):
        out, beside, error, code = io.StringIO(), io.StringIO(), "", 0
        try:
            call_command("advise", *([dsn] if dsn else []), *map(str, options), stdout=out, stderr=beside)
        except CommandError as problem:
            error, code = str(problem), problem.returncode
        return out.getvalue(), beside.getvalue(), error, code

    return run


def test_text_tells_what_to_create_and_to_drop_and_why_not(advise, folder):
    out, _, error, code = advise("--workload", folder)
    assert (error, code) == ("", 0)
    # ANALYZE samples at random: what a range keeps differs by a row or two
    steady = re.sub(r"2,236 becomes 2\d\d, 9\.\dx", "2,236 becomes 2.., 9..", out)
    assert re.sub(r"becomes 113,\d\d\d", "becomes 113,...", steady) == (
        """\
Create 2 indexes, drop 1 index: 3.82 MB more, 1.12 MB less.
The workload's cost 2,262,286 becomes 113,..., 20x cheaper (planned).
6 candidates, 38 plans made, within 0.0 % of the best possible with these candidates.

1. 808 kB, evidence: planned
   CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_customers_email ON public.customers (email);
   email has no declared length: with this index an INSERT of a value above 2,704 bytes (compressed) would fail, \
and its build where one is there.
   by_email: cost 398 becomes 8.30, 48x cheaper. Seq Scan on customers became Index Scan using ix_customers_email.

2. 3.03 MB, evidence: planned
   CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_orders_total_created ON public.orders (total, created);
   by_total: cost 2,236 becomes 2.., 9.. cheaper. Seq Scan on orders became Bitmap Heap Scan using \
ix_orders_total_created.

Drop orders_customer_idx (1.12 MB): orders_customer_created_idx begins with the same columns and does its work. \
None of the 3 recorded statements that read the table gets dearer without it (planned); not all could be planned.
   DROP INDEX CONCURRENTLY IF EXISTS public.orders_customer_idx;

No index for:
   all: It reads public.orders without a condition: all of its rows are needed.
   newest: orders_customer_created_idx on public.orders serves it already; no other index makes it cheaper.

Not planned:
   bad: Column "nope" does not exist.
   gone: Relation "orderlines" does not exist.
"""
    )


def test_a_name_writes_no_lines_of_its_own(advise, folder):
    (folder / "all.sql").rename(folder / "all\nDrop everything.sql")
    out, _, _, code = advise("--workload", folder)
    assert code == 0
    assert "all⟨U+000A⟩Drop everything" in out
    assert "\nDrop everything" not in out


def test_json_says_the_same_for_scripts(advise, folder):
    out, beside, error, code = advise("--workload", folder, "--format", "json")
    assert (beside, error, code) == ("", "", 0)
    found = json.loads(out)
    assert set(found) == {
        "format", "cost_before", "cost_after", "cost_ratio", "size_bytes", "budget_bytes", "bound_ratio", "plans_made",
        "candidates", "time", "indexes", "drops", "judged_drops", "statements", "hurt", "at_risk", "not_planned",
        "problems", "assumed",
    }  # fmt: skip
    assert found["time"] == {"now_s_per_day": None, "then_s_per_day": None, "watched_s": None}  # files have no times
    assert [(i["name"], i["definition"], i["helps"]) for i in found["indexes"]] == [
        ("ix_customers_email", "(email)", ["by_email"]),
        ("ix_orders_total_created", "(total, created)", ["by_total"]),
    ]
    assert found["drops"] == [
        {
            "index": "public.orders_customer_idx",
            "table": "public.orders",
            "reason": "orders_customer_created_idx begins with the same columns and does its work.",
            "proof": "None of the 3 recorded statements that read the table gets dearer without it (planned);"
            " not all could be planned.",
            "freed_bytes": found["drops"][0]["freed_bytes"],
            "statements": ["DROP INDEX CONCURRENTLY IF EXISTS public.orders_customer_idx"],
            "undo_statements": [
                "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_customer_idx ON public.orders USING btree (customer_id)"
            ],
        }
    ]
    assert {s["statement"]: s["weight"] for s in found["statements"]} == {
        "by_email": 5000, "newest": 2000, "by_total": 100, "all": 1,
    }  # fmt: skip
    assert set(found["not_planned"]) == {"bad", "gone"}


@pytest.mark.parametrize("format", ["text", "json", "sql"])
def test_the_same_input_gives_the_same_output(advise, folder, format):
    first = advise("--workload", folder, "--format", format)
    assert advise("--workload", folder, "--format", format) == first


def test_a_budget_is_kept_and_costs_gain(advise, folder):
    found = {
        budget: json.loads(advise("--workload", folder, "--format", "json", "--budget-mb", budget)[0])
        for budget in (100, 2, 0.1)
    }
    assert [each["budget_bytes"] for each in found.values()] == [100 << 20, 2 << 20, 104_857]
    assert found[100]["size_bytes"] > 2 << 20
    assert 500_000 < found[2]["size_bytes"] <= 2 << 20
    assert found[0.1]["size_bytes"] <= 104_857
    assert found[100]["cost_ratio"] < found[2]["cost_ratio"] < found[0.1]["cost_ratio"] <= 1
    assert [i["name"] for i in found[100]["indexes"]] == ["ix_customers_email", "ix_orders_total_created"]


HOSTILE = (
    "create table customers (id int primary key, email text not null)",
    "insert into customers select i, 'user' || i || '@example.org' from generate_series(1, 20000) as i",
    'create table "Odd "" name" (id int, "key;drop table customers" int, tags int[])',
    'insert into "Odd "" name" select i, i % 5000, array[i, i] from generate_series(1, 50000) as i',
    'create index "broken\n; drop table customers; --" on customers (id)',
    "create table events (id int not null, at date not null, kind int not null) partition by range (at)",
    "create table events_a partition of events for values from ('2024-01-01') to ('2024-07-01')",
    "create table events_b partition of events for values from ('2024-07-01') to ('2025-01-01')",
    "insert into events select i, date '2024-01-01' + i % 360, i % 5000 from generate_series(1, 60000) as i",
    "create index events_at_idx on events (at)",
    "create index events_at_kind_idx on events (at, kind)",
)
HOSTILE_WORKLOAD = {
    "odd": 'select id from "Odd "" name" where "key;drop table customers" = $1',
    "slice": 'select id from "Odd "" name" where (tags[1:2]) = $1',
    "events": "select id from events where kind = $1",
    "email": "select id from customers where email = $1",
}


def test_the_sql_runs_as_it_is_whatever_things_are_called(advise, scratch_database, postgres18, tmp_path):
    database = scratch_database(postgres18)
    database.execute(*HOSTILE)
    database.vacuum()
    for name, sql in HOSTILE_WORKLOAD.items():
        (tmp_path / f"{name}.sql").write_text(sql)
    out, beside, error, code = advise("--workload", tmp_path, "--format", "sql", dsn=database.dsn)
    assert (beside, error, code) == ("", "", 0)
    (tmp_path / "advice").write_text(out)
    done = subprocess.run(
        [client_program("psql", 150000), "-X", "-v", "ON_ERROR_STOP=1", "-f", tmp_path / "advice",
         database.superuser_dsn],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.replace("NOTICE", "")) == (0, "")
    with database.connect() as connection:
        left = {
            (table, definition)
            for table, definition in connection.execute(
                "select t.relname, pg_get_indexdef(i.indexrelid, 1, true) from pg_index as i"
                " join pg_class as t on t.oid = i.indrelid where t.relnamespace = 'public'::regnamespace"
                " and indisvalid and t.relkind in ('r', 'p')"
            )
        }
        assert connection.execute("select count(*) from customers").fetchone() == (20000,)
    assert {
        ("customers", "email"), ('Odd " name', '"key;drop table customers"'), ("events", "kind"), ("events_a", "kind"),
    } <= left  # fmt: skip
    with database.connect() as connection:
        names = {name for (name,) in connection.execute("select indexname from pg_indexes where schemaname = 'public'")}
    assert "events_at_idx" not in names
    assert not any(name.startswith("broken") for name in names)


def test_the_recorded_workload_is_what_the_application_sent(advise, scratch_database, postgres18):
    database = scratch_database(postgres18)
    database.execute(*SCHEMA)
    database.vacuum()
    with database.connect() as connection:
        connection.execute("select pg_stat_statements_reset()")
        for _ in range(3):
            connection.execute("select * from customers where email = 'user7@example.org'")
    for _ in range(2):  # what reading the schema leaves in pg_stat_statements plays no part
        out, _, error, code = advise(dsn=database.dsn)
        assert (error, code) == ("", 0)
        assert "ix_customers_email" in out
        # no factor but that of the two figures beside it; a minute says nothing of a day
        said = re.search(
            r" select \* from customers where email = \$1: ([\d.]+) ms in (\d+ s|\d minutes) \(measured\),"
            r" about ([\d.]+) (µs|ms) with it \(planned\), 48x faster\."
            r" Seq Scan on customers became Index Scan using ix_customers_email\.",
            out,
        )
        assert said, out
        then_ms = float(said[3]) / (1000 if said[4] == "µs" else 1)
        assert float(said[1]) / then_ms == pytest.approx(48, rel=0.02)
        assert "a day" not in out
        assert "No index for:" not in out
        assert "user7" not in out


def test_an_empty_workload(advise, scratch_database, postgres18):
    database = scratch_database(postgres18)
    out, beside, error, code = advise(dsn=database.dsn)
    assert (out, beside, code) == ("", "", 2)
    assert error.splitlines()[0] == f"pg_stat_statements shows no statement of database {database.name!r} to advise on."
    assert "let the application run" in error.splitlines()[-1] or "--workload" in error.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--budget-mb", "0"), "--budget-mb is 0; give a number of megabytes above 0, or leave it out."),
        (("--budget-mb", "-3"), "--budget-mb is -3; give a number of megabytes above 0, or leave it out."),
        (("--budget-mb", "nan"), "--budget-mb is nan; give a number of megabytes above 0, or leave it out."),
        (("--budget-mb", "inf"), "--budget-mb is inf; give a number of megabytes above 0, or leave it out."),
        (("--statements", "0"), "--statements is 0; give a number above 0."),
        (("--workload", "/nowhere"), "There is no folder /nowhere; name one that holds a .sql file per statement."),
    ],
)
def test_bad_options_end_with_2_and_one_sentence(advise, options, says):
    assert advise(*options) == ("", "", says, 2)


def test_an_empty_folder(advise, tmp_path):
    says = f"The folder {tmp_path} holds no .sql file; write one statement into each."
    assert advise("--workload", tmp_path) == ("", "", says, 2)


def test_a_folder_of_which_nothing_can_be_planned(advise, tmp_path):
    (tmp_path / "a.sql").write_text("select * from nope")
    says = 'The statement cannot be planned. Relation "nope" does not exist.'
    assert advise("--workload", tmp_path) == ("", "", says, 2)


def test_a_bad_file_is_named_and_the_rest_is_done(advise, tmp_path):
    (tmp_path / "good.sql").write_text("select * from customers where email = $1")
    (tmp_path / "bad.sql").write_text("selec")
    out, _, error, code = advise("--workload", tmp_path)
    assert (error, code) == ("", 0)
    assert "ix_customers_email" in out
    assert out.endswith('Left out:\n   bad.sql: It is not valid SQL in line 1: syntax error at or near "selec".\n')
    out, beside, _, _ = advise("--workload", tmp_path, "--format", "sql")
    assert "selec" not in out
    assert beside == 'bad.sql: It is not valid SQL in line 1: syntax error at or near "selec".\n'


def test_a_server_that_is_down_and_a_dsn_that_is_none(advise, folder):
    out, _, error, code = advise("--workload", folder, dsn="postgresql://me:secret@127.0.0.1:1/shop")
    assert (out, code) == ("", 2)
    assert error.startswith("Cannot connect to 127.0.0.1:1/shop")
    assert "secret" not in error
    assert advise(dsn="nonsense")[3] == 2


def test_no_database_named(advise, monkeypatch):
    monkeypatch.delenv("PGLOUPE_DSN", raising=False)
    says = "Name the database: manage.py advise postgresql://user:password@host/dbname"
    assert advise(dsn="") == ("", "", says, 2)


def test_a_login_without_rights_for_the_statistics(advise, database, folder):
    with database.connect() as connection:
        connection.execute("drop role if exists nobody_at_all")
        connection.execute("create role nobody_at_all login password 'x'")
    try:
        dsn = database.server.dsn(database.name, "nobody_at_all", "x")
        says = (
            f"This login may not read the statistics of database '{database.name}', without which no plan can be made;"
            " grant it SELECT on the tables that the statements read (from 14 on, pg_read_all_data opens all)."
        )
        assert advise("--workload", folder, dsn=dsn) == ("", "", says, 2)
    finally:
        with database.connect() as connection:
            connection.execute("drop role nobody_at_all")


def test_stdout_and_stderr_are_clean_when_piped(database, folder):
    """Without a password, where libpq looks for a file of passwords, too."""
    dsn = database.server.socket_dsn(database.name, database.login)
    done = subprocess.run(
        [sys.executable, "manage.py", "advise", dsn, "--workload", folder, "--format", "json"],
        capture_output=True, cwd=ROOT, check=False, text=True, env={**os.environ, "PGPASSWORD": ""},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["format"] == 1


def test_a_wrong_option_ends_with_2_on_the_command_line():
    done = subprocess.run(
        [sys.executable, "manage.py", "advise", "postgresql://x/y", "--budget-mb", "much"],
        capture_output=True, cwd=ROOT, check=False, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.endswith("manage.py advise: error: argument --budget-mb: invalid float value: 'much'\n")


POSTS = (
    "create table posts (id int primary key, author int, at timestamptz, title text)",
    "insert into posts select g, g % 3000, case when g % 40 <> 0 then timestamptz '2023-01-01' + g * interval '13 min'"
    " end, 't' || g from generate_series(1, 60000) g",
    "create table parted (id int, author int, at timestamptz) partition by range (id)",
    "create table parted_a partition of parted for values from (0) to (30000)",
    "create table parted_b partition of parted for values from (30000) to (70000)",
    "insert into parted select id, author, at from posts",
)
SAME_COLUMNS = {  # indexes of the same columns are told apart by their names alone
    "nulls_last": "select * from posts order by at desc nulls last limit 10",
    "nulls_first": "select * from posts order by at desc limit 10",
    "of_author": "select * from posts where author = $1 order by at desc limit 5",
    "parted_last": "select * from parted order by at desc nulls last limit 10",
    "parted_first": "select * from parted order by at desc limit 10",
}


@pytest.mark.parametrize("version", [15, 18])
def test_sentences_name_the_index_of_their_ddl_and_the_factor_of_their_figures(
    advise, scratch_database, postgres, tmp_path, version
):
    database = scratch_database(postgres(version))
    database.execute(*POSTS)
    database.vacuum()
    for name, sql in SAME_COLUMNS.items():
        (tmp_path / f"{name}.sql").write_text(sql)
    out, _, error, code = advise("--workload", tmp_path, dsn=database.dsn)
    assert (error, code) == ("", 0)
    told = re.findall(r"^\d+\. .*?(?=^\d+\. |^$\n^\w|\Z)", out, re.MULTILINE | re.DOTALL)
    assert len(told) == 5, out
    for part in told:
        built = set(re.findall(r"INDEX (?:CONCURRENTLY )?IF NOT EXISTS (\w+)", part))
        named = set(re.findall(r"using (ix_\w+)", part))
        assert named, part
        assert named <= built, part
        for before, after, factor in re.findall(r"cost ([\d,.]+) becomes ([\d,.]+), ([\d,.]+)x", part):
            figures = [float(f.replace(",", "")) for f in (before, after, factor)]
            assert figures[0] / figures[1] == pytest.approx(figures[2], rel=0.05), part
