"""NOT IN and counts that would give other rows written otherwise are not offered."""

import pytest

from analyzer.statements.equivalents import COUNT, NOT_IN, SUBQUERY, equivalent
from tests.checks.builders import facts

TABLES = {
    "tables": [
        {"name": "a", "columns": [{"name": "id", "not_null": True}, "v", "w"]},
        {"name": "b", "columns": [{"name": "a_id", "not_null": True}, "x", "y"]},
    ]
}
OTHER = [
    "select * from a where v not in (select a_id from b)",  # a NULL of v
    "select * from a where id not in (select x from b)",  # a NULL of x
    "select * from a where id not in (select a_id from b limit 2)",
    "select * from a where id not in (select max(a_id) from b group by x)",
    "select * from a where id not in (select c.a_id from a d left join b c on c.a_id = d.id)",
    "select * from a b2 left join b on true where b.a_id not in (select id from a)",
    "select * from b where a_id not in (select b.a_id from b)",  # the name of the outer table is taken inside
    "with b as (select null::int as a_id) select * from a where id not in (select a_id from b)",
    "select * from a where (select count(*) from b where a_id = a.id group by x) > 0",
    "select * from a where (select count(x + 1) from b where a_id = a.id) > 0",
    "select * from a where (select count(v) from b) > 0",  # of the outer table: counts the outer rows
    "select * from a where (select count(*) from b where a_id = a.id) > 1",
    "select * from a where (select count(*) from b where random() < 0.5) > 0",
    "select * from a where (select count(*) from b limit 0) > 0",
    "select * from a where (select count(*) from b limit $1) > 0",
    "select * from a where (select count(*) from b order by generate_series(1, 0)) > 0",  # NULL: of no row
    "select * from a where id not in (select a_id from b order by generate_series(1, 0))",
    "select * from a where (select count(*) from b group by ()) > 0",
    "select * from a where (select count(*) over () from b) > 0",
    "select * from a where id not in (select generate_series(1, a_id) from b)",
    "select * from a where id not in (select a_id from b group by grouping sets ((a_id), ()))",
    "select * from a where (select count(*) from b tablesample system (10) where a_id = a.id) > 0",
    "delete from a where v not in (select a_id from b)",
    "delete from a where id <> all (select x from b)",
]


def test_what_could_give_other_rows_is_not_offered() -> None:
    found = {sql: [equivalent(kind, sql, facts(TABLES)) for kind in (NOT_IN, COUNT)] for sql in OTHER}
    assert found == {sql: [None, None] for sql in OTHER}


def test_a_subquery_of_a_table_sample_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    sql = "select (select max(x) from b tablesample system (10) where b.a_id = a.id) from a"
    assert equivalent(SUBQUERY, sql, facts(TABLES)) is None
    assert caplog.messages == []


def test_a_table_that_may_hold_null_by_inheritance_is_left_alone() -> None:
    heir = {"name": "c", "oid": 7, "columns": ["a_id"], "inherits": [16385]}
    known = facts({"tables": [*TABLES["tables"], heir]})
    assert known.find_table("b").oid == 16385  # type: ignore[union-attr]
    assert equivalent(NOT_IN, "select * from a where id not in (select a_id from b)", known) is None
