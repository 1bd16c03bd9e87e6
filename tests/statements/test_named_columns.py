"""Which columns that hold nothing the statements on their table name."""

import pytest

from analyzer.statements.named_columns import empty_columns_named
from tests.checks.builders import facts

EMPTY = {"null_frac": 1.0}
FACTS = facts({"tables": [
    {"oid": 1, "name": "t", "columns": [{"name": "a", **EMPTY}, {"name": "Odd name", **EMPTY}, {"name": "rest"}]},
    {"oid": 2, "name": "heir", "inherits": [1], "columns": [{"name": "a", **EMPTY}]},
    {"oid": 3, "name": "other", "columns": [{"name": "a", **EMPTY}]},
    {"oid": 4, "name": "quoted", "columns": [{"name": 'so "called"', **EMPTY}]},
]})  # fmt: skip
READ = ("select count(*) from t", "select count(*) from other", "select count(*) from quoted")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('select t."a", t.rest from t where id = $1', {"public.t": "a", "public.heir": "a"}),
        ("insert into t (rest, A) values ($1, $2)", {"public.t": "a", "public.heir": "a"}),
        ('update public.t set "Odd name" = $1', {"public.t": "Odd name"}),
        ("select a from heir", {"public.t": "a", "public.heir": "a"}),
        ("select rest, an, a_b from t", {}),
        ("select a from elsewhere", {}),
        ('select "so ""called""" from quoted', {"public.quoted": 'so "called"'}),
        ("insert into other values ($1, $2)", {"public.other": "a"}),
        ("with w as (insert into public.other select $1, $2 returning 1) select * from w", {"public.other": "a"}),
        ("insert into other default values", {}),
        ("insert into elsewhere select * from other", {}),
        ("insert into", {}),
    ],
)
def test_a_column_is_named_by_statements_on_its_table(sql, expected):
    named = empty_columns_named([sql, *READ], FACTS)
    assert {table: columns for table, columns in named.items() if columns} == {t: {c} for t, c in expected.items()}


def test_of_a_table_that_no_select_reads_nothing_is_known():
    written = ["insert into other (a) values ($1)", "update t set rest = $1", "delete from t where id = $1"]
    assert empty_columns_named(written, FACTS) == {}
    assert empty_columns_named([*written, "select rest from t"], FACTS) == {"public.t": set(), "public.heir": set()}
