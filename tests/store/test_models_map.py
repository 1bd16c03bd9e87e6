"""The uploaded map of tables to Django models."""

import pytest

from analyzer.advice.code import DjangoModel
from analyzer.errors import BadInput
from analyzer.models import ModelsMap
from analyzer.store.models_map import forget_models, keep_models, models_of
from tests.dashboard import world

pytestmark = pytest.mark.django_db


def test_a_map_is_replaced_read_and_forgotten():
    database = world.database(world.server())
    assert models_of(None) == {}
    keep_models(database, "orders = shop.Order\nlines = shop.Line", "ada")
    kept = keep_models(database, '{"orders": {"model": "sales.Order", "fields": {"cust": "customer"}}}', "bob")
    assert (kept.tables, kept.uploaded_by, ModelsMap.objects.count()) == (1, "bob", 1)
    found = models_of(ModelsMap.objects.get())
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
        ("x" * 2_000_001, "The map of models is larger than 2 MB."),
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
    assert models_of(kept) == {}
