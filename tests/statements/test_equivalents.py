"""What is offered as the same statement gives the same rows on random data, with NULLs and duplicates in it."""

import random
from collections import Counter

import pytest

from analyzer.statements.equivalents import COUNT, NOT_IN, equivalent, equivalents
from tests.checks.builders import facts

TABLES = {
    "tables": [
        {"name": "a", "columns": [{"name": "id", "not_null": True}, "v", "w"]},
        {"name": "b", "columns": [{"name": "a_id", "not_null": True}, "x", "y"]},
    ]
}
SAME = {
    NOT_IN: [
        "select * from a where id not in (select a_id from b)",
        "select * from a t where t.id not in (select distinct a_id from b where x = 1 or y = 2) or v = 1",
        "select a.* from a join b on b.a_id = a.id where id not in (select c.a_id from b c where c.x = b.y)",
        "select v, count(*) from a where not (w is null) and id not in (select a_id from b where x > 2) group by v",
        "select * from a where v in (select x from b where a_id not in (select id from a c where c.w = 3))",
        "select * from a where not (id not in (select a_id from b where y is null))",
    ],
    COUNT: [
        "select * from a where (select count(*) from b where a_id = a.id) > 0",
        "select * from a where 0 = (select count(*) from b where a_id = a.id and x < 3) or v = 2",
        "select w from a where 1 <= (select count(*) from b where x = a.v and (y = 1 or y = 2)) and v > 0",
        "select * from a where not ((select count(*) from b where x = a.v) <> 0)",
        "select * from a where (select count(*) from b) < 1 or (select count(*) from b where x = v) >= 1",
    ],
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
    "select * from a where (select count(x) from b where a_id = a.id) > 0",
    "select * from a where (select count(*) from b where a_id = a.id) > 1",
    "select * from a where (select count(*) from b where random() < 0.5) > 0",
    "select * from a where (select count(*) from b limit 0) > 0",
    "delete from a where id not in (select a_id from b)",
]


def test_what_could_give_other_rows_is_not_offered() -> None:
    assert {sql: equivalents(sql, facts(TABLES)) for sql in OTHER} == dict.fromkeys(OTHER, ())


def test_a_table_that_may_hold_null_by_inheritance_is_left_alone() -> None:
    heir = {"name": "c", "oid": 7, "columns": ["a_id"], "inherits": [16385]}
    known = facts({"tables": [*TABLES["tables"], heir]})
    assert known.find_table("b").oid == 16385  # type: ignore[union-attr]
    assert equivalent(NOT_IN, SAME[NOT_IN][0], known) is None


@pytest.mark.postgres
def test_same_rows_on_random_data(scratch_database, postgres18) -> None:  # type: ignore[no-untyped-def]
    database, chance, known = scratch_database(postgres18), random.Random(7), facts(TABLES)
    database.execute(
        "create table a (id int not null, v int, w int)", "create table b (a_id int not null, x int, y int)"
    )
    written = [(sql, equivalent(kind, sql, known)) for kind, statements in SAME.items() for sql in statements]
    with database.connect() as connection:
        for _ in range(60):
            for table in ("a", "b"):
                connection.execute(f"truncate {table}")
                for _ in range(chance.choice((0, 1, 6, 12))):
                    nullable = [chance.choice((None, 1, 2, 3)) for _ in range(2)]
                    connection.execute(f"insert into {table} values (%s, %s, %s)", (chance.randint(1, 4), *nullable))
            for sql, other in written:
                assert other is not None, sql
                before, after = (Counter(connection.execute(text).fetchall()) for text in (sql, other.sql))
                assert before == after, (sql, other.sql)
