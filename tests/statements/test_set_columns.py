"""Which columns UPDATEs set, wherever they stand and whatever they name."""

import pytest

from analyzer.statements.set_columns import columns_set
from tests.checks.builders import facts

FACTS = facts({"tables": [
    {"oid": 1, "name": "t", "columns": ["a"]},
    {"oid": 2, "name": "whole", "kind": "p", "columns": ["a"]},
    {"oid": 3, "name": "part", "parent": "whole", "columns": ["a"]},
    {"oid": 4, "name": "heir", "inherits": [1], "columns": ["a"]},
    {"oid": 5, "schema": "one", "name": "item", "columns": ["a"]},
    {"oid": 6, "schema": "two", "name": "item", "columns": ["a"]},
]})  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("with u as (update part set a = 1, (b, c) = (2, 3) returning 1) select from u",
         {"public.part": "abc", "public.whole": "abc"}),
        ("merge into t using part p on true when matched and t.a > 1 then update set b = 1"
         " when not matched then insert (a) values (1) when matched then update set c = 2",
         {"public.t": "bc", "public.heir": "bc"}),
        ("with i as (insert into whole (a) values (1) on conflict (a) do update set b = 1) delete from t",
         {"public.part": "b", "public.whole": "b"}),
        ("insert into t (a) values (1) on conflict do nothing", {}),
        ("prepare p as update heir set a = $1", {"public.heir": "a", "public.t": "a"}),
        ("update item set a = 1", {"one.item": "a", "two.item": "a"}),
        ("update two.item set a = 1", {"two.item": "a"}),
        ("update three.item set a = 1", {}),
    ],
)  # fmt: skip
def test_columns_are_set_wherever_an_update_stands(sql, expected):
    assert columns_set([sql], FACTS) == {name: frozenset(columns) for name, columns in expected.items() if columns}
