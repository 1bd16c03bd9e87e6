"""The index that a finding of a plan gives to copy serves the statement on a real server; else none is given."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from analyzer.checks import Context, run_checks
from analyzer.findings import Finding
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.plans import parse_plan
from analyzer.schema.facts import SchemaFacts
from tests.checks.builders import facts
from tests.servers import ScratchDatabase

ROWS = 40_000
TABLE = f"""
create table "Order" (id int primary key, customer_id int, status text, "Created" timestamptz, email varchar(200),
    amount int, data jsonb, note text);
insert into "Order" select n, n % 4000, 'state ' || n % 500, timestamptz '2026-01-01' + n * interval '1 min',
    'Mail' || n || '@example.com', (n * 7919) % 20, '{{}}', repeat('x', 60)
    from generate_series(1, {ROWS}) n;
create index by_amount on "Order" (amount);
create table customer (id int primary key);
insert into customer select n from generate_series(1, 30) n;
"""
# code of the finding, statement, index: the finding is gone when it is there
SERVED = [
    ("PL004", """select * from "Order" where customer_id = 77""", "(customer_id)"),
    (
        "PL004",
        """select * from "Order" where "Created" > '2026-01-28' and status = 'state 7'""",
        '(status, "Created")',
    ),
    ("PL014", """select * from "Order" where lower(email) = 'mail77@example.com'""", "(lower(email))"),
    (
        "PL041",
        'select id, (select count(*) from "Order" o where o.customer_id = c.id) from customer c',
        "(customer_id)",
    ),
    ("PL003", """select * from "Order" where amount = 7 and customer_id = 53""", "(amount, customer_id)"),
    ("PL051", """select * from "Order" order by "Created" desc, id limit 5""", '("Created" DESC, id)'),
    ("PL051", 'select * from (select * from "Order" order by status) o limit 5', "(status)"),
]


@pytest.fixture
def orders(any_postgres: Any, scratch_database: Callable[[Any], ScratchDatabase]) -> ScratchDatabase:
    database = scratch_database(any_postgres)
    for statement in TABLE.split(";\n"):
        if statement.strip():
            database.execute(statement)
    database.vacuum()
    return database


def explained(database: ScratchDatabase, sql: str) -> str:
    with database.connect() as connection:
        connection.execute("set max_parallel_workers_per_gather = 0")
        connection.execute("set jit = off")
        return json.dumps(connection.execute(f"explain (analyze, buffers, format json) {sql}").fetchone()[0])


def judged(database: ScratchDatabase, sql: str, schema: SchemaFacts | None) -> dict[str, Finding]:
    known = Context(facts=schema, normalized_sql=sql, mean_exec_time_ms=100.0)  # however fast this machine is
    outcome = run_checks(parse_plan(explained(database, sql)), known)
    assert outcome.failed == {}
    return {finding.code: finding for finding in outcome.findings}


def indexes_of(finding: Finding) -> list[str]:
    return [fix.code for fix in finding.fixes if fix.language == "sql" and fix.code.startswith("CREATE INDEX")]


@pytest.mark.postgres
def test_made_as_it_is_given_the_index_ends_the_finding(orders: ScratchDatabase) -> None:
    with connect(ConnectionSettings.from_dsn(orders.superuser_dsn)) as conn:
        schema = read_schema(conn)
    for code, sql, columns in SERVED:
        bare = [text.split(" ON ")[1] for text in indexes_of(judged(orders, sql, None)[code])]
        finding = judged(orders, sql, schema)[code]
        assert len(indexes_of(finding)) == 1, (sql, finding)
        (created,) = indexes_of(finding)
        create, *more = [line.removesuffix(";") for line in created.splitlines()]
        assert create.endswith(f'ON public."Order" {columns}'), sql
        assert [text.splitlines()[0].removesuffix(";") for text in bare] == [f'"Order" {columns}'], sql
        for statement in (create, *more):
            orders.execute(statement)
        name = create.split()[3]
        assert '"Index Name": "{}"'.format(name.strip('"')) in explained(orders, sql), sql
        assert not any(map(indexes_of, judged(orders, sql, None).values())), sql
        orders.execute(f"drop index {name}")


def scan(condition: str, **more: Any) -> str:
    return json.dumps({
        "Plan": {
            "Node Type": "Seq Scan", "Relation Name": "order", "Alias": "order", "Plan Rows": 5, "Plan Width": 40,
            "Actual Startup Time": 0.1, "Actual Total Time": 90.0, "Actual Rows": 5, "Actual Loops": 1,
            "Filter": condition, "Rows Removed by Filter": 200_000, **more,
        },
        "Execution Time": 91.0,
    })  # fmt: skip


def given(condition: str, context: Context, **more: Any) -> list[str]:
    findings = run_checks(parse_plan(scan(condition, **more)), context).findings
    return [fix.code for finding in findings for fix in finding.fixes if "STATISTICS" not in fix.code]


def of_table(*columns: Mapping[str, Any] | str, name: str = "order", **more: Any) -> Context:
    return Context(facts=facts({"tables": [{"name": name, "columns": list(columns), "rows": 200_005, **more}]}))


TEXT = {"name": "status", "type_name": "text", "type_oid": 25}


@pytest.mark.parametrize(
    ("condition", "context"),
    [
        ("(customer_id = 5)", Context(fingerprint="ab12")),  # the advisor's to say
        ("(customer_id = random())", Context()),
        ("((customer_id = 5) AND (note <> 'x'::text))", Context()),  # how many rows it leaves nobody knows
        ("((a > 5) AND (b > 5))", Context()),
        ("(data = '{}'::jsonb)", Context()),
        ("(xmin = '5'::xid)", Context()),
        ("(tableoid = '16400'::oid)", Context()),
        ("(name = 'x'::text COLLATE \"C\")", Context()),
        ("((a = 5) AND ((name)::text = 'x'::text COLLATE \"C\"))", Context()),
        ("(tags = '{a}'::text[])", Context()),
        ("((a = 1) AND (b = 2) AND (c = 3) AND (d = 4) AND (e = 5))", Context()),
        ("(customer_id = 5)", of_table("id")),  # a column that the schema does not know: it is another table
        ("(status = 'x'::text)", of_table({**TEXT, "avg_width_bytes": 900})),
        ("(doc = 'x'::text)", of_table({**TEXT, "name": "doc", "type_name": "character varying(1000)"})),
        ("(customer_id = 5)", of_table("customer_id", kind="p")),
        ("(customer_id = 5)", of_table("customer_id", name="other")),
    ],
)
def test_none_is_given_where_it_is_not_certain(condition: str, context: Context) -> None:
    assert given(condition, context) == []


def test_none_is_given_of_a_systems_table() -> None:
    assert given("(relname = 5)", Context(), **{"Relation Name": "pg_class", "Alias": "pg_class"}) == []


def test_the_range_stands_behind_what_is_equal() -> None:
    wanted = ['CREATE INDEX CONCURRENTLY ix_order_b_a ON public."order" (b, a);']
    there = [{"name": "of_another_order", "columns": ["a", "b"]}]
    assert given("((a > 5) AND (b = 6))", of_table("a", "b", indexes=there)) == wanted


def test_its_name_is_one_that_is_free() -> None:
    context = of_table("a", "b", indexes=[{"name": "ix_order_a", "columns": ["b"]}])
    assert given("(a = 6)", context) == ['CREATE INDEX CONCURRENTLY ix_order_a_2 ON public."order" (a);']


def test_without_the_schema_it_says_what_must_hold_of_texts() -> None:
    def titles(condition: str) -> list[str]:
        findings = run_checks(parse_plan(scan(condition)), Context()).findings
        return [fix.title for finding in findings for fix in finding.fixes if "STATISTICS" not in fix.code]

    plain = "Create the index (not in a transaction)"
    narrow = (
        "(a = 6)", "(at >= '2026-01-01'::date)", "(at >= CURRENT_DATE)", "(at > (now() - '7 days'::interval))",
        "(at >= date_trunc('day'::text, now()))", "(a = ($1)::integer)", "(lower(period) = 5)",
        "(at > (CURRENT_TIMESTAMP - '1 day'::interval))", "(at > ($1)::timestamp with time zone)",
    )  # fmt: skip
    assert {condition: titles(condition) for condition in narrow} == {condition: [plain] for condition in narrow}
    for text in ("(a = '6'::text)", "((a)::text = $1)", "(lower((a)::text) = '6'::text)"):
        assert titles(text) == [f"{plain}, unless a holds texts of more than 2,704 bytes"], text
    for unknown in ("(a IS NULL)", "(a = $1)", "(a = (now())::text)", "(a = to_char(now(), '?'::text))"):
        assert titles(unknown) == [f"{plain}, unless a, if it is a text, holds texts of more than 2,704 bytes"], unknown


def test_it_is_given_as_the_orm_says_it_too() -> None:
    def of_orm(marker: str) -> list[str]:
        orders = {"name": "shop_order", "columns": ["id", "customer_id"], "rows": 200_005}
        schema = facts({"tables": [orders, {"name": marker, "columns": ["id"]}]})
        names = {"Relation Name": "shop_order", "Alias": "shop_order"}
        return given("(customer_id = 6)", Context(facts=schema), **names)[1:]

    assert of_orm("django_migrations") == ['models.Index(fields=["customer_id"], name="ix_shop_order_customer_id")']
    assert of_orm("alembic_version") == ['Index("ix_shop_order_customer_id", "customer_id")']
    assert of_orm("other") == []
