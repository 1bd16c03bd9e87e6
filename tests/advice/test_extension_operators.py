"""Indexes whose expressions name operators and functions of others: pg_get_expr writes them with their schema."""

from typing import Any

import pytest

from analyzer.advice.advise import advise
from analyzer.advice.candidates.enumerate_indexes import statement_candidates
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.outcome import built_index
from analyzer.advice.select import SelectionOptions
from analyzer.advice.selection.drops import proposals
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.twin import lease
from tests.advice.builders import statement
from tests.advice.test_what_if import NOW
from tests.servers import ScratchDatabase
from tests.twin.conftest import settings_of

pytestmark = pytest.mark.postgres
SCHEMA = (
    "create extension citext",
    "create table orders (id int primary key, customer_id int not null, status citext not null)",
    "insert into orders select i, i % 20000, case when i % 500 = 0 then 'open' else 'done' end"
    " from generate_series(1, 60000) as i",
    "create index listed on orders (customer_id) where status in ('open', 'new')",
    "create index alike on orders (customer_id) where status = 'open'",
    "create index prefixed on orders (customer_id) where status like 'o%'",
)
SQL = "select * from orders where customer_id = $1 and status in ('open', 'new')"


@pytest.mark.parametrize("version", [13, 15, 18])
def test_an_index_on_citext_values_is_read_and_known(postgres: Any, scratch_database: Any, version: int) -> None:
    database: ScratchDatabase = scratch_database(postgres(version))
    database.execute(*SCHEMA, "analyze")
    with connect(settings_of(database.dsn)) as connection:
        facts = read_schema(connection)
    table = facts.find_table("orders")
    assert table is not None
    predicates = {index.name: index.predicate for index in table.indexes if index.predicate}
    assert "OPERATOR(public.=) ANY" in predicates["listed"]
    for name, predicate in (("listed", "status IN ('open', 'new')"), ("alike", "status = 'open'")):
        built = built_index(IndexDefinition(table, (IndexColumn("customer_id"),), predicate=predicate))
        assert built is not None
        assert built.name == name
    assert statement_candidates(SQL, facts)
    assert list(proposals(facts)) == []


def test_the_database_is_advised_on_all_the_same(postgres: Any, scratch_database: Any, var_dir: Any) -> None:
    database: ScratchDatabase = scratch_database(postgres(18))
    database.execute(*SCHEMA)
    database.vacuum()
    with connect(settings_of(database.dsn)) as connection:
        facts = read_schema(connection)
    with lease(settings_of(database.dsn), var_dir) as twin:
        advice = advise(
            twin, [statement(SQL, calls=1000), statement("select * from orders where customer_id = $1", calls=1000)],
            facts, SelectionOptions(), now=NOW,
        )  # fmt: skip
    assert advice.faults == ()
    assert [p.chosen.index.definition.body() for p in advice.proposals] == ["(customer_id)"]


def test_an_index_on_an_own_function_or_a_field_is_known_as_built(postgres: Any, scratch_database: Any) -> None:
    database: ScratchDatabase = scratch_database(postgres(18))
    database.execute(
        "create extension hstore",
        "create function plain(text) returns text immutable strict language sql as $$ select lower($1) $$",
        "create table people (id int primary key, email text, attrs hstore)",
        "insert into people select i, 'e' || i, hstore('color', 'c' || i) from generate_series(1, 60000) as i",
        "create index of_function on people (plain(email))",
        "create index of_field on people ((attrs -> 'color'))",
        "create index partial on people (id) where plain(email) > 'x'",
        "analyze",
    )
    with connect(settings_of(database.dsn)) as connection:
        facts = read_schema(connection)
    table = facts.find_table("people")
    assert table is not None
    for name, expression in (("of_function", "plain(email)"), ("of_field", "attrs -> 'color'")):
        built = built_index(IndexDefinition(table, (IndexColumn(expression, is_expression=True),)))
        assert built is not None
        assert built.name == name
        bodies = {d.body() for d in statement_candidates(f"select * from people where {expression} = $1", facts)}
        assert not any(expression in body for body in bodies), bodies
    predicate = "plain(email) > 'x'"
    assert built_index(IndexDefinition(table, (IndexColumn("id"),), predicate=predicate)) is not None
