"""HypoPG on the server as the second opinion: it plans what the twin cannot, and leaves nothing behind."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.core.management import call_command

from analyzer.advice.advise import advise
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Planner, Query, Refused
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.advice.select import SelectionOptions
from analyzer.advice.show import advice_as_json, advice_as_sql, advice_as_text
from analyzer.advice.show_prediction import PredictionInFile, predictions_as_text
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.explain.hypopg import FIRST_ID, hypothetical_planner
from analyzer.monitored.explain.second_opinion import with_second_opinion
from analyzer.monitored.explain.session import RECHECK_AFTER_S
from analyzer.questions.ask import query_answer
from analyzer.questions.predict import predict
from analyzer.questions.predict import with_second_opinion as with_second_prediction
from analyzer.store.servers import add_server_from_dsn
from analyzer.twin import lease
from tests.servers import ScratchDatabase

pytestmark = [pytest.mark.postgres, pytest.mark.long]


def query(sql, values=None):
    return Query(key=sql, statement=sql, sql=sql, weight=1.0, values=values)


@pytest.fixture(scope="module")
def shop(postgres):
    """On the one server that has HypoPG; pgcrypto is an extension that the twin lacks."""
    database = ScratchDatabase(postgres(15))
    if not database.server.has_hypopg:
        database.drop()
        pytest.skip("HypoPG is not installed (apt install postgresql-15-hypopg)")
    database.execute(
        "create extension pgcrypto",
        "create table orders as select g as id, g % 900 as customer_id, (array['new', 'paid', 'sent'])[1 + g % 3] as"
        " status, digest(g::text, 'sha256') as token, repeat('x', 60) as note from generate_series(1, 20000) as g",
        "create index orders_id on orders (id)",
        "create function spied(int) returns int language plpgsql volatile as $$ begin return 1; end $$",
    )
    database.vacuum()
    yield database
    database.drop()


@pytest.fixture(scope="module")
def facts(shop):
    with connect(ConnectionSettings.from_dsn(shop.dsn)) as connection:
        return read_schema(connection)


@pytest.fixture
def planner(shop, facts):
    with hypothetical_planner(ConnectionSettings.from_dsn(shop.dsn), facts) as found:
        assert not isinstance(found, Refused), found
        yield found


def definition(facts, *columns, **options):
    return IndexDefinition(facts.find_table("orders"), tuple(IndexColumn(c) for c in columns), **options)


def test_statement_that_the_twin_refuses_is_planned_with_a_hypothetical_index(shop, facts, planner, own_dir):
    asked = query("select id from orders where token = digest('77', 'sha256')")
    with lease(ConnectionSettings.from_dsn(shop.dsn), own_dir) as twin:
        assert twin.plan(asked) == Refused("The twin does not have the extension pgcrypto.")
    (index,) = planner.hypothesize([definition(facts, "token")])
    before, after = planner.plan(asked), planner.plan(asked, [index.id])
    assert (index.id, before.used, after.used) == (FIRST_ID, frozenset(), {FIRST_ID})
    assert after.total_cost < before.total_cost / 20
    assert planner.explain(asked, [index.id])["Plan"]["Index Name"] == "ix_orders_token (hypothetical 1)"


def test_advice_asks_hypopg_for_what_the_twin_cannot_plan(shop, facts, own_dir):
    server = ConnectionSettings.from_dsn(shop.dsn)
    workload = [
        WorkloadStatement("token", "select id from orders where token = digest('77', 'sha256')", 1000.0, 10.0, 10.0),
        WorkloadStatement("note", "select count(note) from orders where customer_id = $1", 1000.0, 10.0, 10.0),
    ]
    with lease(server, own_dir) as twin:
        found = advise(twin, workload, facts, SelectionOptions(), now=datetime.now(UTC))
    assert found.not_planned == {"token": "The twin does not have the extension pgcrypto."}
    both = with_second_opinion(found, server, workload, facts)
    assert both.not_planned == {}
    shown = advice_as_json(both)
    assert [(i["planner"], i["helps"]) for i in shown["indexes"]] == [("twin", ["note"]), ("HypoPG", ["token"])]
    assert "ON public.orders (token)" in advice_as_sql(both)
    assert "planned by HypoPG on the server, since the twin cannot plan what it is for" in advice_as_text(both)


TOKEN = "select id from orders where token = digest('77', 'sha256')"
TOKEN_AND_NOTE = "select status from orders where status = encode(digest('7', 'md5'), 'hex') and customer_id = 5"


@pytest.mark.parametrize("share", [0.3, 0.9, 1.05, 1.5, 2.5])
def test_the_budget_holds_for_both_opinions_together(share, shop, facts, own_dir):
    server = ConnectionSettings.from_dsn(shop.dsn)
    workload = [
        WorkloadStatement("token", TOKEN, 1000.0, 10.0, 10.0),
        WorkloadStatement("both", TOKEN_AND_NOTE, 1000.0, 10.0, 10.0),
        WorkloadStatement("note", "select count(note) from orders where customer_id = $1", 1000.0, 10.0, 10.0),
    ]
    with lease(server, own_dir) as twin:
        whole = advise(twin, workload, facts, SelectionOptions(), now=datetime.now(UTC))
        budget_bytes = int(whole.selection.size_bytes * share)
        found = advise(twin, workload, facts, SelectionOptions(budget_bytes=budget_bytes), now=datetime.now(UTC))
    both = with_second_opinion(found, server, workload, facts)
    shown = advice_as_json(both)
    assert shown["size_bytes"] == sum(i["size_bytes"] for i in shown["indexes"]) <= budget_bytes
    assert both.not_planned == {}
    if share == 1.05:  # an index that is paid for serves these too
        assert [e.statement for e in both.second.effects if e.indexes] == ["both"]
        assert advice_as_text(both).startswith("Create 1 index: ")
        assert [(i["planner"], i["helps"]) for i in shown["indexes"]] == [("twin", ["note", "both"])]
    if share == 0.3:
        assert shown["indexes"] == []
        assert "No index is worth creating" in advice_as_text(both)


def test_a_prediction_that_the_twin_cannot_make_is_hypopgs(shop, facts, own_dir):
    server = ConnectionSettings.from_dsn(shop.dsn)
    now = datetime.now(UTC)
    with lease(server, own_dir) as twin:
        refused = [predict(twin, facts, sql, now=now) for sql in (TOKEN, "select spied(1) from orders where no = 1")]
    found, still = with_second_prediction(refused, server, facts)
    assert found.planner == "HypoPG"
    assert [liked.definition for liked in found.likes] == ["(token)"]
    assert found.cost_with < found.cost_without / 20
    assert found.plan_with_json["Plan"]["Index Name"].startswith("ix_orders_token")
    assert "by HypoPG on the server, since the twin cannot plan it" in predictions_as_text([PredictionInFile(1, found)])
    assert still.reason.startswith('Column "no" does not exist. Nor did HypoPG on the server: ')
    assert with_second_prediction(refused, server, replace(facts, extensions=())) == refused


def test_predict_asks_hypopg_as_well(shop, tmp_path, capsys):
    file = tmp_path / "new.sql"
    file.write_text(f"select id from orders where customer_id = 3;\n{TOKEN};\n")
    call_command("predict", shop.dsn, str(file), "--format", "json")
    first, second = json.loads(capsys.readouterr().out)["statements"]
    assert (first["planner"], second["planner"], second["line"]) == ("twin", "HypoPG", 2)
    assert second["indexes"][0]["statements"] == [
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_orders_token ON public.orders (token)"
    ]


@pytest.mark.django_db
def test_the_query_box_asks_hypopg_only_where_statements_are_explained(shop, facts):
    server = add_server_from_dsn(shop.dsn)
    found = query_answer(server, facts, TOKEN, datetime.now(UTC)).prediction
    assert (found.planner, found.likes[0].definition) == ("HypoPG", "(token)")
    server.explain_mode = server.ExplainMode.OFF
    answer = query_answer(server, facts, TOKEN, datetime.now(UTC)).prediction
    assert answer.reason == "The twin does not have the extension pgcrypto."


def test_it_is_a_planner_as_the_twin_is(planner, facts):
    as_planner: Planner = planner
    assert as_planner.plans_made == 0
    wanted = [definition(facts, "customer_id"), definition(facts, "status", "customer_id", include=("id",))]
    first, second = planner.hypothesize(wanted)
    assert planner.hypothesize([wanted[1], wanted[0]]) == [second, first]
    assert first.size_bytes > 100_000
    asked = query("select status from orders where customer_id = $1", ("7",))
    plain = planner.plan(asked)
    with_first = planner.plan(asked, [first.id])
    assert with_first.used == {first.id}
    assert planner.plan(asked) == plain
    assert planner.plans_made == 2  # asked again is not planned again
    generic = planner.plan(query("select id from orders where status = $1 and customer_id = $2"), [second.id])
    assert generic.used == {second.id}
    primary = next(i.oid for i in facts.find_table("orders").indexes if i.name == "orders_id")
    assert planner.plan(query("select * from orders where id = 5")).used == {primary}
    assert planner.plan(query("select * from orders where id = any ('{1,2,3,4,5,6,7,8,9}')")).used == {primary}
    with pytest.raises(KeyError):
        planner.plan(asked, [FIRST_ID + 99])


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ((IndexColumn("customer_id", descending=True),), {}),
        ((IndexColumn("lower(status)", is_expression=True), IndexColumn("id")), {}),
        ((IndexColumn("customer_id"),), {"predicate": "status = 'new'"}),
        ((IndexColumn("note", opclass="text_pattern_ops"),), {}),
        ((IndexColumn("id"),), {"is_unique": True}),
    ],
)
def test_kinds_of_b_trees(columns, options, planner, facts):
    (index,) = planner.hypothesize([IndexDefinition(facts.find_table("orders"), columns, **options)])
    assert not isinstance(index, Refused), index
    where = "lower(status) = 'new' and customer_id = 5 and status = 'new' and note like 'y%' and id = -1"
    assert not isinstance(planner.plan(query(f"select * from orders where {where}"), [index.id]), Refused)


def test_what_it_cannot_do_is_refused_with_the_reason(planner, facts):
    table = facts.find_table("orders")
    spied = (IndexColumn("public.spied(customer_id)", is_expression=True),)
    two = "id > 1); drop table orders; select (1"
    answers = planner.hypothesize([
        IndexDefinition(table, (IndexColumn("id"),), method="hash"),
        IndexDefinition(table, (IndexColumn("nowhere"),)),
        IndexDefinition(table, spied),
        IndexDefinition(table, (IndexColumn("id"),), predicate=two),
        IndexDefinition(table, (IndexColumn("id"),), predicate="txid_current() > 0"),
    ])  # fmt: skip
    assert all(isinstance(answer, Refused) for answer in answers), answers
    reasons = [answer.reason for answer in answers]
    assert reasons[0] == "HypoPG is asked for B-trees only, not for hash."
    assert reasons[1] == 'Telling HypoPG failed (XX000): hypopg: column "***" does not exist.'
    assert reasons[2] == "The function spied is not PostgreSQL's own, so it may do anything."
    assert reasons[3] == "The definition is not one CREATE INDEX."
    assert "txid_current" in reasons[4]
    # and none of it stops the next
    asked = query("select * from orders where customer_id = 5")
    (fine,) = planner.hypothesize([definition(facts, "customer_id")])
    assert planner.plan(asked, [fine.id]).used == {fine.id}
    assert planner.plan(asked, [fine.id], without=[1]) == Refused(
        "HypoPG plans with the indexes that exist; they are not hidden from it."
    )
    for sql in ("drop table orders", "select 1; select 2", "select * from nowhere"):
        assert isinstance(planner.plan(query(sql), [fine.id]), Refused), sql
    assert not isinstance(planner.plan(asked), Refused)


def test_a_function_that_our_parser_takes_for_a_construct_is_not_planned(shop, planner):
    """JSON_ARRAY came with 16: for this server it is a function, found where an extension's operator leads."""
    shop.execute(
        "create extension if not exists pg_trgm",
        "create function public.json_array(a int, b int) returns int language sql immutable as 'select 1'",
    )
    answer = planner.plan(query("select json_array(1, 2), 'a' % 'b' from orders"))
    assert isinstance(answer, Refused)
    assert answer.reason.startswith("This version of the server takes SQL/JSON constructs for calls of functions")


@pytest.mark.parametrize("is_of_the_index", [False, True])
def test_what_was_put_under_a_name_meanwhile_is_not_planned(is_of_the_index, postgres, shop):
    """An operator that fits better than PostgreSQL's own: its function would run while the server plans."""
    database = ScratchDatabase(postgres(15))
    try:
        database.execute(
            "create table item as select g as id, (g % 90)::int2 as kind from generate_series(1, 2000) as g",
            "analyze item",
        )
        settings = ConnectionSettings.from_dsn(database.dsn)
        with connect(settings) as connection:
            table = read_schema(connection).find_table("item")
            facts = read_schema(connection)
        partial = IndexDefinition(table, (IndexColumn("id"),), predicate="kind = '1'::text::int8")
        plain = IndexDefinition(table, (IndexColumn("id"),))
        asked = query(
            "select id from item where id = 5" if is_of_the_index else "select id from item where kind = 5::int8"
        )
        with hypothetical_planner(settings, facts) as planner:
            (index,) = planner.hypothesize([partial if is_of_the_index else plain])
            assert not isinstance(index, Refused), index
            before = planner.plan(asked)
            assert not isinstance(before, Refused), before
            database.execute(
                "create function spied(int2, int8) returns bool language plpgsql immutable as"
                " $$ begin raise log 'spied'; return true; end $$",
                "create operator = (leftarg = int2, rightarg = int8, function = spied)",
            )
            time.sleep(2 * RECHECK_AFTER_S)
            after = planner.plan(asked, [index.id])
        assert isinstance(after, Refused), after
        assert after.reason == "Planning a statement failed (no SQLSTATE): what it names was changed meanwhile."
    finally:
        database.drop()


@pytest.mark.parametrize("value", ["1e100000", "1" + "0" * 5_000], ids=["exponent", "digits"])
def test_values_that_take_the_servers_memory_are_not_planned_with(value, planner):
    asked = query("select id from orders where id = $1::numeric * 1", (value,))
    answer = planner.plan(asked)
    assert isinstance(answer, Refused), answer
    assert answer.reason.endswith("digits already while it is planned; 1,000 are allowed.")
    assert not isinstance(planner.plan(query(asked.sql, ("10",))), Refused)


def test_nothing_is_left_behind_and_nothing_is_written(shop, planner, facts):
    (index,) = planner.hypothesize([definition(facts, "customer_id")])
    planner.plan(query("select * from orders where customer_id = 5"), [index.id])
    planner.plan(query("select * from orders where customer_id = 5 and nowhere"), [index.id])
    planner.plan(query("select * from orders where id = 4"), [index.id])
    raw = planner._connection.raw
    assert raw.info.transaction_status.name == "IDLE"
    assert raw.execute("select count(*) from hypopg_list_indexes").fetchone() == (0,)
    assert raw.execute("select count(*) from pg_prepared_statements").fetchone() == (0,)
    with shop.connect() as connection:
        names = connection.execute("select indexname from pg_indexes where tablename = 'orders'").fetchall()
    assert names == [("orders_id",)]


def test_server_without_hypopg_says_so(scratch_database, postgres18):
    database = scratch_database(postgres18)
    database.execute("create table orders (id int)")
    settings = ConnectionSettings.from_dsn(database.dsn)
    with connect(settings) as connection:
        facts = read_schema(connection)
    with hypothetical_planner(settings, facts) as found:
        assert found == Refused(f"HypoPG is not installed in database {database.name!r}.")
    with database.connect() as connection:
        assert connection.execute("select count(*) from pg_extension where extname = 'hypopg'").fetchone() == (0,)
