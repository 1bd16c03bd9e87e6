"""Joins by all of another table's key are references, declared or not."""

import pytest

from analyzer.advice.references import implied_references
from tests.advice.builders import facts, index, table

JOIN = "select * from item i join stock s on s.part = i.part and s.depot = i.depot"


def found(sql=JOIN, *, parts=200_000, rows=6e6, unique=True, where=None):
    item = table("item", ("id|bigint|-1", f"part|integer|{parts}", "depot|integer|1000"), rows=rows)
    key = index("stock_key", "depot", "part", unique=unique, where=where)
    stock = table("stock", ("part|integer|200000", "depot|integer|1000"), rows=800_000, indexes=(key,), keys=())
    return implied_references([sql], facts(item, stock))


def test_a_join_by_a_whole_key_tells_how_many_combinations_there_are():
    assert found() == {("public", "item"): {frozenset({"part", "depot"}): 800_000}}
    semi = "select * from item i where exists (select from stock s where s.part = i.part and s.depot = i.depot)"
    assert found(semi) == found()


@pytest.mark.parametrize(
    "different",
    [
        {"sql": "select * from item i join stock s on s.part = i.part"},
        {"sql": "select * from item i join stock s on s.part = i.part and s.depot < i.depot"},
        {"sql": "select * from item i join stock s on s.part = i.part or s.depot = i.depot"},
        {"sql": "select * from item i, stock s, stock z where s.part = i.part and z.depot = i.depot"},
        {"unique": False},
        {"where": "(depot > 5)"},
        {"parts": 900_000},
        {"rows": 700_000},
    ],
    ids=["half a key", "a range", "either", "two uses", "not unique", "unique in part", "more values", "fewer rows"],
)
def test_what_is_no_reference_tells_nothing(different):
    assert found(**different) == {}
