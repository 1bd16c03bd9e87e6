"""Which EXISTS the planner makes no join of."""

import pytest

from analyzer.statements.exists_links import ExistsLink, unjoined_exists

B = "(select 1 from b where b.a_id = a.id)"


@pytest.mark.parametrize(
    ("sql", "links"),
    [
        (f"select * from a where exists {B} and not exists {B}", []),
        (f"select * from a join c on c.id = a.id and exists {B}", []),
        (f"delete from a where not exists {B}", []),
        (f"select * from a where a.x or exists {B}", [ExistsLink("OR", "")]),
        (f"select * from a where not (a.x or exists {B})", [ExistsLink("OR", "")]),
        (f"select exists {B} from a", [ExistsLink("value", "")]),
        (f"select * from a where case when exists {B} then a.x else a.y end", [ExistsLink("value", "")]),
        (f"select * from a where exists {B[:-1]} offset 0)", [ExistsLink("AND", "OFFSET")]),
        (f"select * from a where exists {B[:-1]} limit 1)", []),
        (f"select * from a where exists ({B} union all {B})", [ExistsLink("AND", "UNION, INTERSECT or EXCEPT")]),
        (f"select * from a where exists {B[:-1]} having count(*) > 1)", [ExistsLink("AND", "HAVING")]),
        (
            "select * from a where exists (select max(x) from b where b.a_id = a.id)",
            [ExistsLink("AND", "an aggregate")],
        ),
        (f"select * from a where exists (with c as {B} select from c)", [ExistsLink("AND", "WITH")]),
        (f"select * from a where exists {B[:-1]} and exists {B})", []),
    ],
)
def test_what_is_no_join(sql: str, links: list[ExistsLink]) -> None:
    assert unjoined_exists(sql) == tuple(links)


@pytest.mark.parametrize("sql", [f"select (select 1), exists {B} from a", "select from"[:-1] + "("])
def test_other_subqueries_tell_nothing(sql: str) -> None:
    assert unjoined_exists(sql) is None
