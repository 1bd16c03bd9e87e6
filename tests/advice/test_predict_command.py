"""`manage.py predict` as a person and a build server use it."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.servers import ScratchDatabase

pytestmark = pytest.mark.postgres
ROOT = Path(__file__).parent.parent.parent

FILE = """\
-- what the new page asks
select * from orders where customer_id = 5;
select * from ordres;
selec 1;

/* and its list */ select id from orders
where id = $1
"""


@pytest.fixture(scope="module")
def database(postgres):
    found = ScratchDatabase(postgres(18))
    found.execute(
        "create table orders (id int primary key, customer_id int not null, note text)",
        "insert into orders select i, 1 + (i * 7919) % 20000, md5(i::text) from generate_series(1, 50000) as i",
    )
    found.vacuum()
    yield found
    found.drop()


@pytest.fixture
def var(var_dir, settings):
    settings.VAR_DIR = var_dir


@pytest.fixture
def predict(database, var, tmp_path):
    """Text of a file, and options -> output, error and exit code."""

    def run(text, *options, dsn=database.dsn):
        file = tmp_path / "new.sql"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        out, error, code = io.StringIO(), "", 0
        try:
            call_command("predict", dsn, str(file), *options, stdout=out)
        except CommandError as problem:
            error, code = str(problem), problem.returncode
        return out.getvalue(), error, code

    return run


def test_text_shows_plan_and_index_of_each_statement_and_names_those_that_fail(predict):
    out, error, code = predict(FILE)
    assert (error, code) == ("", 0)
    # sizes go by ANALYZE's random sample
    assert re.sub(r"\(8\d\d kB\)", "(8.. kB)", out) == (
        """\
1. line 2: select * from orders where customer_id = 5
   Cost 1,093, 3 rows expected, planned with its values.

    cost  rows  node
   1,093     3  Seq Scan on orders

   Seq Scan on public.orders: 3 of about 50,000 rows expected.

   CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_orders_customer_id ON public.orders (customer_id);
   Seq Scan on orders became Bitmap Heap Scan using ix_orders_customer_id. With it (8.. kB) the cost falls from \
1,093 to 15.6: 70x cheaper.

2. line 3: select * from ordres
   Not planned: Relation "ordres" does not exist.

3. line 4: selec 1
   Not planned: It is not valid SQL in line 4: syntax error at or near "selec".

4. line 6: select id from orders where id = $1
   Cost 4, 1 row expected, planned without values.

   cost  rows  node
      4     1  Index Only Scan using orders_pkey on orders

   Index Only Scan on public.orders using orders_pkey: 1 of about 50,000 rows expected.

   No index to suggest: orders_pkey on public.orders serves it already; no other index makes it cheaper.
"""
    )


def test_a_name_writes_no_lines_of_its_own(predict):
    out, error, code = predict('select * from "ord\n\n2. line 3: select\nres"; select 1')
    assert (error, code) == ("", 0)
    assert '   Not planned: Relation "ord⟨U+000A⟩⟨U+000A⟩2. line 3: select⟨U+000A⟩res" does not exist.\n' in out


def test_json_is_stable(predict):
    out, _, code = predict(FILE, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert (found["format"], [s["line"] for s in found["statements"]]) == (1, [2, 3, 4, 6])
    first, second, _, _ = found["statements"]
    assert second == {"line": 3, "sql": "select * from ordres", "problem": 'Relation "ordres" does not exist.'}
    assert set(first) == {
        "line", "sql", "problem", "kind", "values", "total_cost", "plan_rows", "plan", "explain", "reads", "findings",
        "indexes", "cost_before", "cost_after", "change", "why_no_index", "at_risk", "assumed", "planner",
        "rewrites",
    }  # fmt: skip
    assert first["reads"] == [
        {"table": "public.orders", "node_type": "Seq Scan", "indexes": [], "plan_rows": 3, "table_rows": 50000,
         "partitions": 0}
    ]  # fmt: skip
    (index,) = first["indexes"]
    assert {key: index[key] for key in ("name", "table", "definition", "statements", "undo_statements")} == {
        "name": "ix_orders_customer_id", "table": "public.orders", "definition": "(customer_id)",
        "statements": [
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_orders_customer_id ON public.orders (customer_id)"
        ],
        "undo_statements": ["DROP INDEX CONCURRENTLY IF EXISTS public.ix_orders_customer_id"],
    }  # fmt: skip
    assert first["explain"]["Plan"]["Node Type"] == "Seq Scan"
    assert predict(FILE, "--format", "json")[0] == out


def test_a_cost_above_the_limit_fails_the_build(predict):
    dear = "select id from orders where id = 1; select * from orders where customer_id = 5"
    assert predict(dear, "--fail-on-cost", "5000")[1:] == ("", 0)
    out, error, code = predict(dear, "--fail-on-cost", "1000")
    assert (error, code) == ("The statement in line 1 costs 1,093, which is more than 1,000.", 1)
    assert "2. line 1: select * from orders where customer_id = 5" in out


def test_with_a_limit_a_statement_that_cannot_be_planned_fails_the_build_too(predict):
    _, error, code = predict(FILE, "--fail-on-cost", "1000000")
    assert (error, code) == (
        'The statement in line 3 could not be planned: Relation "ordres" does not exist. 1 more fails.',
        1,
    )


def test_nothing_is_sent_to_the_server_but_what_reads_the_schema(predict, database):
    with database.connect() as connection:
        connection.execute("select pg_stat_statements_reset()")
    predict("select note from orders where customer_id = 4711")
    with database.connect() as connection:
        texts = [t for (t,) in connection.execute("select query from pg_stat_statements where dbid ="
                 " (select oid from pg_database where datname = current_database())")]  # fmt: skip
    assert texts
    assert [t for t in texts if "from orders where customer_id" in t] == []


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("", (), "{file} holds no statement."),
        ("-- nothing\n;;", (), "{file} holds no statement."),
        (b"select '\xff'", (), "{file} is not UTF-8 text."),
        ("select 1\0", (), "{file} holds a NUL character, so it is no SQL."),
        ("select 1;" * 1001, (), "{file} holds 1,001 statements; at most 1,000 are planned at a time."),
        ("select 1", ("--fail-on-cost", "-1"), "--fail-on-cost is -1; give a cost above 0, or leave it out."),
        ("select 1", ("--fail-on-cost", "nan"), "--fail-on-cost is nan; give a cost above 0, or leave it out."),
    ],
)
def test_bad_input_ends_with_2_and_one_sentence(predict, tmp_path, text, options, says):
    assert predict(text, *options) == ("", says.format(file=tmp_path / "new.sql"), 2)


def test_where_nothing_can_be_planned_each_is_named_and_the_exit_code_is_2(predict):
    out, error, code = predict("vacuum; select * from nope")
    assert (error, code) == (
        "No statement could be planned; the first, in line 1: It is a utility statement, which has no plan of its own.",
        2,
    )
    assert 'Not planned: Relation "nope" does not exist.' in out


def test_a_file_that_is_not_there(predict, database, var, tmp_path):
    with pytest.raises(CommandError) as failure:
        call_command("predict", database.dsn, str(tmp_path / "none.sql"))
    assert (failure.value.returncode, str(failure.value)) == (
        2,
        f"Cannot read {tmp_path / 'none.sql'}: No such file or directory.",
    )


def test_no_database_named(predict, tmp_path, monkeypatch):
    monkeypatch.delenv("PGLOUPE_DSN", raising=False)
    (tmp_path / "x.sql").write_text("select 1")
    with pytest.raises(CommandError) as failure:
        call_command("predict", str(tmp_path / "x.sql"))
    assert str(failure.value) == ("Name the database: manage.py predict postgresql://user:password@host/dbname FILE")


def test_a_server_that_is_down(predict):
    out, error, code = predict("select 1", dsn="postgresql://me:secret@127.0.0.1:1/shop")
    assert (out, code) == ("", 2)
    assert error.startswith("Cannot connect to 127.0.0.1:1/shop")
    assert "secret" not in error


def test_a_login_without_rights_for_the_statistics(predict, database):
    with database.connect() as connection:
        connection.execute("drop role if exists nobody_much")
        connection.execute("create role nobody_much login password 'x'")
    try:
        dsn = database.server.dsn(database.name, "nobody_much", "x")
        _, error, code = predict("select 1", dsn=dsn)
        assert (error, code) == (
            f"This login may not read the statistics of database '{database.name}', without which no plan can be made;"
            " grant it SELECT on the tables that the statements read (from 14 on, pg_read_all_data opens all).",
            2,
        )
    finally:
        with database.connect() as connection:
            connection.execute("drop role nobody_much")


def test_standard_input_and_a_clean_stderr(database, var_dir):
    done = subprocess.run(
        [sys.executable, "manage.py", "predict", database.dsn, "-"],
        input=b"select id from orders where id = 1", capture_output=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert done.stdout.decode().startswith("1. line 1: select id from orders where id = 1\n   Cost ")


def test_what_is_cheaper_written_otherwise_is_shown_with_both_costs(predict):
    out, error, code = predict(
        "select id, (select count(*) from orders o where o.customer_id = p.customer_id) from orders p"
    )
    assert (error, code) == ("", 0)
    costs = r"cost ([\d,]+) instead of ([\d,]+), [\d,]+x cheaper"
    said = re.search(rf"Written otherwise, (.*) {costs}\. (.*):\n(.*\n.*)", out)
    assert said is not None, out
    assert (said[1], said[4]) == ("subquery as a join:", "The same rows")
    cost_after, cost_before = (int(said[number].replace(",", "")) for number in (2, 3))
    assert cost_after * 100 < cost_before
    assert said[5].split() == ["SELECT", "id,", "COALESCE(joined_1.value_1,", "0)", "AS", "count"]


def test_what_costs_as_much_written_otherwise_is_in_the_json_alone(predict):
    sql = "select * from orders where customer_id in (select distinct customer_id from orders)"
    assert "Written otherwise" not in predict(sql)[0]
    (rewrite,) = json.loads(predict(sql, "--format", "json")[0])["statements"][0]["rewrites"]
    assert (rewrite["kind"], rewrite["given"], rewrite["problem"]) == ("a list without DISTINCT", [], None)
    assert rewrite["cost_after"] >= rewrite["cost_before"] * 0.95
