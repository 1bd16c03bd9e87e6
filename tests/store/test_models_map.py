"""The uploaded map of tables to models."""

import pytest

from analyzer.advice.code import DjangoModel, Models
from analyzer.errors import BadInput
from analyzer.findings import Finding, Fix, Severity
from analyzer.models import Database, ModelsMap
from analyzer.schema.facts import SchemaFacts
from analyzer.store.findings import keep_findings
from analyzer.store.models_map import forget_models, keep_models, models_of
from analyzer.store.schemas import keep_schema
from tests.advice.builders import table
from tests.dashboard import world

pytestmark = pytest.mark.django_db


def test_a_map_is_replaced_read_and_forgotten():
    database = world.database(world.server())
    assert models_of(None) == Models()
    keep_models(database, "orders = shop.Order\nlines = shop.Line", "ada")
    kept = keep_models(database, '{"orders": {"model": "sales.Order", "fields": {"cust": "customer"}}}', "bob")
    assert (kept.tables, kept.uploaded_by, ModelsMap.objects.count()) == (1, "bob", 1)
    found = models_of(ModelsMap.objects.get()).django
    assert found == {"orders": DjangoModel("sales", "Order", {"cust": "customer"})}
    forget_models(database)
    assert ModelsMap.objects.count() == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("orders = Order", "Line 1 of the map of models: 'Order' is not of the form app.Model, for example shop.Order"),
        ("", "The map of models names no table."),
        ("# nothing\n", "The map of models names no table."),
        ("{}", "The map of models names no table."),
        ("orders\0 = shop.Order", "The map of models holds a zero byte: it is not a text."),
        ("x" * 2_100_000, "The map of models is larger than 2 MB."),
    ],
)
def test_bad_map_keeps_the_one_before(text, message):
    database = world.database(world.server())
    keep_models(database, "orders = shop.Order", "ada")
    with pytest.raises(BadInput) as caught:
        keep_models(database, text, "bob")
    assert str(caught.value) == message
    assert ModelsMap.objects.get().uploaded_by == "ada"


def test_a_map_this_version_does_not_take_counts_as_none():
    database = world.database(world.server())
    kept = keep_models(database, "orders = shop.Order", "ada")
    kept.text = "orders"
    assert models_of(kept) == Models()


def test_what_code_comes_first_is_known_by_the_tables_the_map_or_a_person():
    database = world.database(world.server())

    def first(*tables):
        facts = SchemaFacts("shop", 150_000, tuple(table(name, ["id|bigint|-1"]) for name in tables))
        keep_schema(database, facts)
        database.refresh_from_db()
        return database.code_first

    assert first("orders") == ""
    assert first("orders", "alembic_version") == "sqlalchemy"
    assert first("orders", "alembic_version", "django_migrations") == "django"
    keep_models(database, "orders = shop.models:Order", "ada")
    assert first("orders", "django_migrations") == "sqlalchemy"
    keep_models(database, '{"orders": {"class": "shop.models:Order", "sqlmodel": true}}', "ada")
    assert first("orders", "django_migrations") == "sqlmodel"
    Database.objects.update(orm="sql")
    assert first("orders", "django_migrations") == "sql"
    Database.objects.update(orm="")
    forget_models(database)
    assert first("orders", "django_migrations") == "django"


@pytest.mark.parametrize(
    ("orm", "languages"),
    [
        ("", ["django", "sqlalchemy", "sql"]),
        ("django", ["django", "sqlalchemy", "sql"]),
        ("sqlmodel", ["sqlalchemy", "django", "sql"]),
        ("sql", ["sql", "django", "sqlalchemy"]),
    ],
)
def test_the_fix_in_the_applications_own_language_leads(orm, languages):
    database = world.database(world.server())
    database.orm = orm
    fixes = tuple(Fix("", language, "") for language in ("django", "sqlalchemy", "sql"))
    found = Finding("ST001", "N+1", Severity.WARNING, "orders", "", "", {}, fixes=fixes)
    (record,) = keep_findings(database.server, database, [found], ["ST001"])
    assert [fix["language"] for fix in record.fixes] == languages
