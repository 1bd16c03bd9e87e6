"""Fingerprints, redaction and display of texts as they come: good, cut, hostile."""

import time

import pytest

from analyzer.statements.display import MAX_FORMATTED_CHARACTERS, display_sql, one_line
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.parse import ParsedStatement, TableName, parse_statement
from analyzer.statements.secrets import comment_tags, redact_sql

CANARY = "hunter2"


@pytest.mark.parametrize(
    "sql",
    [
        "select * from t where a = 5",
        "SELECT *\nFROM t\nWHERE a = $1",
        "select * from t where a = 'x' -- comment",
        "/* route='x' */ select * from t where a = 7.5;",
    ],
)
def test_literals_layout_and_comments_do_not_count(sql):
    assert fingerprint(sql) == fingerprint("select * from t where a = $1")


@pytest.mark.parametrize(
    "sql", ["select * from t where b = $1", "select * from u where a = $1", "select a from t where a = $1"]
)
def test_names_count(sql):
    assert fingerprint(sql) != fingerprint("select * from t where a = $1")


def test_lists_of_any_length_are_one_statement():
    texts = ["a in (1)", "a in (1, 2, 3)", "a in ($1 /*, ... */)", "a in ($1, $2)"]
    assert len({fingerprint(f"select * from t where {text}") for text in texts}) == 1


@pytest.mark.parametrize(
    "sql",
    ["", ";", "-- nothing", "select * from t where", "<insufficient privilege>", "select 1\0", "selec 1",
     "\ud800", None,
     "select '" + "x" * 100_000 + "'"],
)  # fmt: skip
def test_what_has_no_fingerprint(sql):
    assert fingerprint(sql) is None


def test_a_password_leaves_no_trace_in_the_fingerprint():
    assert fingerprint("alter role bob password 'a'") == fingerprint("alter role bob password 'b'")


DEEP = {
    "terms": "select " + "+".join(["1"] * 49_000),
    "casts": "select 1" + "::a" * 33_000,
    "parentheses": "select " + "(" * 40_000 + "1" + ")" * 40_000,
    "joins": "select 1 from a" + " join a on b" * 8_000,
    "unions": "table a" + " union table a" * 7_000,
    "subqueries": "select " + "(select " * 9_000 + "1" + ")" * 9_000,
    "ands": "select 1 from t where " + " and ".join(["a = 1"] * 9_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", DEEP)
def test_deep_and_long_texts_neither_crash_nor_stall(shape):
    from analyzer.statements.predicates import query_blocks

    sql, began = DEEP[shape], time.process_time()
    parse_statement(sql)
    fingerprint(sql)
    redact_sql(sql)
    display_sql(sql)
    query_blocks(sql)
    assert time.process_time() - began < 30  # a second or two; in squares of the length it would be minutes


SECRETS = [
    f"ALTER ROLE bob PASSWORD '{CANARY}'",
    f"CREATE USER bob WITH ENCRYPTED PASSWORD '{CANARY}' VALID UNTIL 'infinity'",
    f"ALTER USER bob PASSWORD E'{CANARY}'",
    f"CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'bob', password '{CANARY}')",
    f"CREATE SUBSCRIPTION s CONNECTION 'host=h password={CANARY}' PUBLICATION p",
    f"ALTER SUBSCRIPTION s CONNECTION 'host=h password={CANARY}'",
    f"SELECT * FROM dblink('host=h password={CANARY}', 'select 1') AS t(a int)",
    f"COPY t TO PROGRAM 'curl -u me:{CANARY} example.org'",
    f"SET app.token = '{CANARY}'",
    f"SET app.token TO {CANARY}",
    f"SET LOCAL app.token TO {CANARY}",
    f"SELECT set_config('app.token', '{CANARY}', true)",
    f"DO $$ BEGIN PERFORM login('{CANARY}'); END $$",
    f"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $f$ SELECT '{CANARY}' $f$",
    f"CREATE VIEW v AS SELECT '{CANARY}' AS x",
    f"CREATE TABLE t AS SELECT '{CANARY}' AS x",
    f"CREATE TABLE t (a text DEFAULT '{CANARY}')",
    f"CREATE POLICY p ON t USING (a = '{CANARY}')",
    f"COMMENT ON TABLE t IS '{CANARY}'",
    f"NOTIFY channel, '{CANARY}'",
    f"EXPLAIN SELECT * FROM t WHERE a = '{CANARY}'",
    f"PREPARE p AS SELECT '{CANARY}'",
    f"EXECUTE p('{CANARY}')",
    f"CALL p('{CANARY}')",
    f"DECLARE c CURSOR FOR SELECT '{CANARY}'",
    f"ALTER SYSTEM SET primary_conninfo = 'password={CANARY}'",
    f"PREPARE TRANSACTION '{CANARY}'",
    f"SELECT U&'{CANARY}', $t${CANARY}$t$, E'{CANARY}\\n', 'a' \n '{CANARY}', N'{CANARY}'",
    f"INSERT INTO t VALUES ('{CANARY}')",
    f"SELECT 1 /* {CANARY} */ -- {CANARY}",
    f"/* traceparent='{CANARY}' */ SELECT 1",
    f"SELECT 1; SELECT '{CANARY}'",
    f"SELECT * FROM t WHERE a = '{CANARY}' AND",
    f"SELECT * FROM t WHERE a = '{CANARY}",
    f"SELECT * FROM t WHERE a = 'it\\'s {CANARY}'",
    f"SELECT * FROM t WHERE a = 'it\\'s {CANARY}",
    f"SELECT * FROM t WHERE a = $$ {CANARY}",
    f"SELECT * FROM t /* {CANARY}",
    f"SELEC '{CANARY}'",
    f"SELECT '{CANARY}' \0 rest",
    f"SELECT * FROM JSON_TABLE(x, '$.{CANARY}' COLUMNS (a int PATH '$.b')) AS j",
    f"CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (password '{CANARY}')",
    f"SECURITY LABEL ON TABLE t IS '{CANARY}'",
    f"ALTER TYPE mood ADD VALUE '{CANARY}'",
    f"VALUES ('{CANARY}')",
]


@pytest.mark.parametrize("sql", SECRETS)
def test_no_secret_is_kept(sql):
    assert CANARY not in (redact_sql(sql) or "")


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM t WHERE card = 4111111111111111", "EXECUTE p(4111111111111111)",
            "SET app.id = 4111111111111111",
            "SELECT -4111111111111111", "SELECT 4111111111111111.5e1, 0x4111111111111111", "CALL p(4111111111111111)",
            "SELECT * FROM t WHERE a = 4111111111111111 AND"]
)  # fmt: skip
def test_no_number_is_kept(sql):
    assert "411111" not in redact_sql(sql)


@pytest.mark.parametrize(
    ("sql", "stored"),
    [
        ("select * from t where a = $1 and b = 'x'", "select * from t where a = $1 and b = $2"),
        (
            "select a::numeric(10, 2), true from t order by 1 limit 5",
            "select a::numeric(10, 2), $1 from t order by 1 limit $2",
        ),
        ("select * from t where a in ($1 /*, ... */)", "select * from t where a in ($1 /*, ... */)"),
        ("select  1 /* x */ from t", "select  $1   from t"),
        ("ALTER ROLE bob PASSWORD 'x'", "ALTER ROLE bob PASSWORD '***'"),
        ("ALTER ROLE bob PASSWORD 'SCRAM-SHA-256$4096:c2E=$a:b'", "ALTER ROLE bob PASSWORD 'hash ***'"),
        (f"ALTER ROLE bob PASSWORD 'md5{'0a' * 16}'", "ALTER ROLE bob PASSWORD 'hash ***'"),
        ("ALTER ROLE bob PASSWORD 'hash ***'", "ALTER ROLE bob PASSWORD 'hash ***'"),
        ("ALTER SUBSCRIPTION s CONNECTION 'host=h password=x'", "ALTER SUBSCRIPTION s CONNECTION 'password=***'"),
        ("ALTER SUBSCRIPTION s CONNECTION 'password=***'", "ALTER SUBSCRIPTION s CONNECTION 'password=***'"),
        ("ALTER SUBSCRIPTION s CONNECTION 'postgresql://u:x@h/d'", "ALTER SUBSCRIPTION s CONNECTION 'password=***'"),
        ("ALTER SUBSCRIPTION s CONNECTION 'host=h passfile=/x'", "ALTER SUBSCRIPTION s CONNECTION '***'"),
        ("ALTER SUBSCRIPTION s CONNECTION 'postgresql://u@h/d'", "ALTER SUBSCRIPTION s CONNECTION '***'"),
        ("CALL p('host=h password=''x y'' port=5', 7)", "CALL p('password=***', 0)"),
        ("CREATE TABLE t (a varchar(20))", "CREATE TABLE t (a varchar(20))"),
        ("select * from t where \"ü\" = 'ä' and b = 'c'", 'select * from t where "ü" = $1 and b = $2'),
        (
            "create table x as select a, 7 from t where c = 8 group by 1, b, 2 having a > 9 order by 2 desc, 3 limit 4",
            "create table x as select a, 0 from t where c = 0 group by 1, b, 2 having a > 0 order by 2 desc, 3 limit 0",
        ),
        (
            "declare c cursor for select a, f(b, 3) from (select 1, 2 order by 2) s order by 4111, 2, f(7, 8), 1",
            "declare c cursor for select a, f(b, $1) from (select $2, $3 order by 2) s order by 0, 2, f($4, $5), 1",
        ),
        ("<insufficient privilege>", None),
        (None, None),
        ("select 'it\\'s", None),
    ],
)
def test_stored_texts(sql, stored):
    assert redact_sql(sql) == stored


@pytest.mark.parametrize(
    ("sql", "tags"),
    [
        (
            "select 1 /*controller='shop',route='%2Forders%2F',traceparent='00-abc'*/",
            {"controller": "shop", "route": "/orders/"},
        ),
        (
            "select 1 /*application:Shop,action:index,line:x.rb*/",
            {"application": "Shop", "action": "index", "line": "x.rb"},
        ),
        ("select 1 /*job='Mail%00Job',task='orders.send'*/", {"job": "MailJob", "task": "orders.send"}),
        ("select '/*route=''x''*/'", {}),
        ("select 1 -- route='x'", {}),
        ("select 1 /* just words */", {}),
        ("select 1", {}),
        (None, {}),
    ],
)
def test_tags_of_comments(sql, tags):
    assert comment_tags(sql) == tags


def test_cte_names_are_no_tables():
    sql = (
        "with recursive a as (select * from x union select * from a), b as (select 1 from a join s.y using (id) for update)"  # noqa: E501
        " update b set c = 1 from a where exists (select 1 from z, x)"
    )
    tables = (TableName("", "b"), TableName("", "x"), TableName("s", "y"), TableName("", "z"))
    assert parse_statement(sql) == ParsedStatement("update", tables, is_locking=True)


def test_a_cte_does_not_hide_the_same_table_outside_of_it():
    sql = "select * from (with a as (select 1) select * from a) s, a"
    assert parse_statement(sql).tables == (TableName("", "a"),)
    assert parse_statement("with a as (select * from a) select * from a").tables == (TableName("", "a"),)
    assert parse_statement("with a as (select 1) select * from public.a").tables == (TableName("public", "a"),)


@pytest.mark.parametrize(
    ("sql", "kind", "utility", "reason"),
    [
        ("select 1", "select", None, None),
        ("values (1)", "select", None, None),
        ("select * into t from u", "utility", "SelectStmt", None),
        ("create table t as select 1", "utility", "CreateTableAsStmt", None),
        ("explain analyze select 1", "utility", "ExplainStmt", None),
        ("merge into a using b on true when matched then delete", "merge", None, None),
        ("select 1; select 2", "unknown", None, "The text holds several statements."),
        ("", "unknown", None, "The text holds no statement."),
        (None, "unknown", None, "The server gave no text for this statement."),
        ("select 1\0", "unknown", None, "The text holds a NUL character."),
        ("\ud800", "unknown", None, "The text is not valid Unicode."),
        ("select " + "x" * 100_000, "unknown", None, "The text is longer than 100 kB."),
        (
            "<insufficient privilege>", "unknown", None,
            "The monitoring role may not see this text: grant it pg_read_all_stats.",
        ),
        (
            "select * from t where a = ", "unknown", None,
            "PostgreSQL's parser does not take this text: it may have been cut short.",
        ),
    ],
)  # fmt: skip
def test_kinds_and_reasons(sql, kind, utility, reason):
    parsed = parse_statement(sql)
    assert (parsed.kind, parsed.utility, parsed.reason) == (kind, utility, reason)


@pytest.mark.parametrize(
    ("sql", "limits"), [("select 1 limit 5", True), ("select 1 limit $1", True),
                        ("select 1 fetch first row only", True),
                        ("select 1 limit all", False), ("select 1 limit null", False),
                        ("select (select 1 limit 1)", False)]
)  # fmt: skip
def test_limits(sql, limits):
    assert parse_statement(sql).has_limit is limits


def test_display_lays_out_and_cuts():
    assert display_sql("select a from t where b = $1") == "SELECT a\nFROM t\nWHERE b = $1"
    long = "select a from t where b in (" + ", ".join(f"${n}" for n in range(1, 8000)) + ")"
    shown = display_sql(long)
    assert shown.endswith(f"-- ... and {len(long) - MAX_FORMATTED_CHARACTERS:,} more characters")


def test_one_line():
    assert one_line("select a,\n       b\nfrom t") == "select a, b from t"
    assert one_line("select abcdefgh from t", 12) == "select abcd…"
    assert len(one_line("x" * 10_000, 80)) == 80
