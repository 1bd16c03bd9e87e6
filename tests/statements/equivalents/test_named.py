"""What is said beside a statement written otherwise, and the names of its columns."""

import pytest

from analyzer.statements.equivalents import DISTINCT_JOIN, FENCE, FIRST_ROWS, OR, SUBQUERY, UNION, Equivalent, rewritten
from analyzer.statements.equivalents.notes import ANY_ORDER, ANY_ROWS, NO_TIES, NO_TIES_AT_LIMIT
from analyzer.statements.output_names import output_name
from analyzer.statements.tree import Unparsable, parse
from tests.statements.equivalents.tables import DDL, FACTS

EXPRESSIONS = (
    "v", "a.v", "lower('x')", "v::text", "'1'::int::text", "'1'::text", "case when v = 1 then 2 end", "coalesce(v, w)",
    "case when v = 1 then w else v end", "case when v = 1 then w else 3 end", "greatest(v, 1)", "least(v, 1)",
    "nullif(v, 1)", "array[v]", "row(v, w)", "(v, w)", "array(select 1)", "exists (select 1)", "(select min(x) from b)",
    "(select coalesce(v, 0))", "(select v + 1)", "(select 1)::text", "v = 1", "v is null", "v in (1, 2)", "1", "null",
    "current_date", "current_timestamp(2)", "localtime", "session_user", "user", "(array[1, 2])[1]", "not v = 1",
    "'x' collate \"C\"", "v = any (select 1)", "case when v = 1 then '1' else v::text end", "current_schema",
)  # fmt: skip


@pytest.mark.postgres
def test_columns_are_named_as_the_server_names_them(scratch_database, postgres) -> None:  # type: ignore[no-untyped-def]
    sql = f"select {', '.join(EXPRESSIONS)} from a"
    statement = parse(sql)
    assert not isinstance(statement, Unparsable)
    names = [output_name(target.val) or "?column?" for target in statement[0].stmt.targetList]
    for version in (13, 18):
        database = scratch_database(postgres(version))
        database.execute(*DDL)
        with database.connect() as connection:
            assert names == [column.name for column in connection.execute(sql).description]


def test_ties_and_collations_are_said_where_they_decide() -> None:
    for kind, sql, given in (
        (OR, "select id, v from a where v = 1 or w = 2 order by v limit 3", (NO_TIES_AT_LIMIT,)),
        (OR, "select id as n from a where v = 1 or w = 2 order by n limit 3", ()),
        (OR, "select id from c where v = 1 or lower(kind) like 'x%'", ()),
        (OR, "select v from a where v = 1 or w = 2 order by v", ()),
        (DISTINCT_JOIN, "select distinct a.* from a join b on b.x = a.v order by a.v limit 3", (NO_TIES_AT_LIMIT,)),
        (UNION, "select id, kind from c where kind = 'x' union select id, kind from c where kind = 'X'",
         ("the collation of c.kind is deterministic, as all are that are not declared otherwise",)),
        (FIRST_ROWS, "select from (select a_id, row_number() over (partition by a_id order by id) n from e) q"
         " where n <= 2", ()),
        (SUBQUERY, "select id as w, (select max(x) from b where a_id = a.id) from a order by a.w limit 3",
         (NO_TIES_AT_LIMIT,)),
        (SUBQUERY, "select id as w, (select max(x) from b where a_id = a.id) from a order by w limit 3", ()),
        (SUBQUERY, "select kind, (select count(*) from c k where k.kind = c.kind) from c",
         ("the collation of c.kind is deterministic, as all are that are not declared otherwise",)),
        (FENCE, "with q as materialized (select id, v from a where v > 1) select sum(v) from q", ()),
        (FENCE, "with q as materialized (select id, v from a where v > 1) select * from q limit 3", (ANY_ROWS,)),
        (FENCE, "with q as materialized (select id, v from a where v > 1) select * from q order by v limit 3",
         (NO_TIES_AT_LIMIT,)),
        (FENCE, "with q as materialized (select id, v from a where v > 1) select array_agg(v) from q", (ANY_ORDER,)),
        (FENCE, "with q as materialized (select distinct on (v) v, id from a order by v) select * from q where v = 1",
         (NO_TIES,)),
        (UNION, "select 'x', id from a union select 'X', id from b", ()),
    ):  # fmt: skip
        found = rewritten(kind, sql, FACTS)
        assert isinstance(found, Equivalent), (sql, found)
        assert found.assumptions == given, sql
