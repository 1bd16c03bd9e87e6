"""Siblings of each kind that would give other rows are not offered, and it is said why."""

import pytest

from analyzer.statements.equivalents import (
    COUNT,
    DISTINCT_JOIN,
    FIRST_ROWS,
    INTERVAL,
    LIST,
    NOT_IN,
    OR,
    RANGE,
    SUBQUERY,
    UNION,
    NotRewritten,
    keyset,
    rewritten,
)
from tests.statements.equivalents.tables import FACTS

REFUSED = {
    OR: {
        "select v from a where v = 1 or random() < 0.5 and w = 2": "it calls random(), which may give",
        "select count(*) from a where v = 1 or w = 2": "an aggregate or a window function is computed",
        "select distinct v from a where v = 1 or w = 2": "its rows are grouped or made distinct",
        "select * from a where v = 1 or w = 2 for update": "it locks the rows, has a WITH query",
        "select * from a where v = 1 or w = 2 limit 3": "LIMIT without ORDER BY",
        "select v from a where v = 1 or w = 2 order by id": "it sorts by something that is not in its output",
        "select * from a, generate_series(1, 3) where v = 1 or w = 2": "it reads something else than plain tables",
        "with q as (select 1) select * from a where v = 1 or w = 2": "it locks the rows, has a WITH query",
        "select * from a where v = 1 or v = 2": "",
    },
    RANGE: {
        "select * from t where extract(month from ts) = 2": "what extract gives is no one range",
        "select * from t where ts::date = now()": "what the column's day, month or year is compared with",
        "select * from t where ts::date = 'today'": "what the column's day, month or year is compared with",
        "select * from t where date_trunc('month', ts) = '2024-01-02'": "what the column's day, month or year",
        "select * from t where date_trunc('hour', tz) = $1": "what date_trunc gives is no one range",
        "select * from t where extract(year from ts) = 2024.5": "what the column's day, month or year",
        "select * from t where not (ts::date = $1)": "",  # neither false nor NULL, but not the same of both
        "select * from t where ts::date <> $1": "",
        "select * from t where coalesce(g, 0) = $1": "",
        "select * from t where to_char(ts, 'YYYY-MM-DD') = $1": "",
    },
    INTERVAL: {
        "select * from t where tz + interval '1 month' > now()": "the interval may hold months",
        "select * from t where tz + interval '1 year' > now()": "the interval may hold months",
        "select * from t where age(now(), tz) < interval '1 day'": "",
        "select * from t where ts + interval '1 hour' > tz": "",
        "select * from t where d + interval '1 hour' > now()": "",
        "select * from t where ts + g * interval '1 day' > now()": "",
    },
    SUBQUERY: {
        "select (select v from a where a.w = b.x) from b": "no unique key lets the subquery give one row",
        "select (select count(*) from b where b.x > a.v) from a": "the subquery asks for outer columns by more",
        "select (select array_agg(x) from b where b.x = a.v) from a": "the subquery calls array_agg()",
        "select (select max(x) from b where b.x = a.v group by y) from a": "the subquery is sorted, limited, grouped",
        "select (select x from b where b.x = a.v order by y limit 1) from a": "the subquery is sorted",
        "select (select sum(random()) from b where b.x = a.v) from a": "the subquery calls random()",
        "select (select count(*) from a b where b.v = c.v) from c for update": "the query around the subquery",
        "select v, (select count(*) from b where b.x = a.v) from a group by v": "the query around the subquery",
        "select 1 + (select count(*) from b where b.x = a.v) from a": "",
    },
    FIRST_ROWS: {
        "select * from (select a.*, rank() over (partition by v order by w) r from a) q where r = 1": "rank() keeps",
        "select * from (select a.*, row_number() over (partition by v order by w) r from a) q where r <= 2": "several",
        "select * from (select e.*, row_number() over (partition by o order by id) r from e) q where r <= 2": "several",
        "select * from (select e.*, row_number() over (partition by e.a_id order by e.id) r from a left join e"
        " on e.a_id = a.id) q where r <= 2": "several rows of each group are asked for, and no foreign key",
        "select * from (select a.*, row_number() over (order by v + w) r from a) q where r = 1": "the rows are",
        "select * from (select v, row_number() over (order by v) r from a limit 5) q where r = 1": "the subquery is",
        "select * from (select a.*, row_number() over (partition by v order by w) r from a) q where r = 2": "",
        "select * from (select a.*, row_number() over (order by v) r from a) q where r = 1 or v = 3": "",
    },
    DISTINCT_JOIN: {
        "select distinct a.v from a join b on b.a_id = a.id": "the columns of a in its output hold no unique key",
        "select distinct a.id, b.x from a join b on b.a_id = a.id": "its output is not of plain columns of one table",
        "select distinct c.id from c join b on b.a_id = c.id": "the columns of c in its output hold no unique key",
        "select distinct a.id from a left join b on b.a_id = a.id": "it is grouped, joined by an outer join",
        "select distinct a.id from a join b on b.a_id = a.id where random() < 1": "it calls random()",
        "select distinct on (a.id) a.id from a join b on b.a_id = a.id": "",
    },
    LIST: {
        "select * from a where v in (select distinct on (y) x from b order by y, id)": "DISTINCT ON, LIMIT or a group",
        "select * from a where v in (select distinct x from b order by x limit 2)": "DISTINCT ON, LIMIT or a group",
        "select * from a where v = (select distinct x from b)": "",
    },
    UNION: {
        "select id, v from a union select id, x from b": "nothing keeps the rows of the arms apart",
        "select 1, v from a union select 2, x from b": "an arm may give a row twice",
        "select 'x', id from a union select 'x', id from b": "nothing keeps the rows of the arms apart",
        "select null, id from a union select null, id from b": "nothing keeps the rows of the arms apart",
        "select 1, a.id from a, b union select 2, id from b": "an arm may give a row twice",
        "select '1', id from a union select 1, id from b": "nothing keeps the rows of the arms apart",
        "select 1, id from a union all select 2, id from b": "",
        "select 1, id from a except select 2, id from b": "",
    },
    COUNT: {
        "select * from a where (select count(*) from b where random() < 0.5) > 0": "the subquery calls random()",
        "select * from a where (select count(x) from b where x = v) > 0": "",
        "select * from a where (select count(*) from b where x = v) > 1": "",
        "select * from a where (select count(*) from b group by x) > 0": "",
    },
    NOT_IN: {
        "select * from a where v not in (select id from b)": "a.v may be NULL",
        "select * from a where id not in (select x from b)": "b.x may be NULL",
        "select * from a where id not in (select id from b limit 2)": "the list is limited or grouped",
        "delete from a where id not in (select id from b)": "",
    },
}
NO_PAGES = {
    "select v, count(*) from a group by v order by v offset 10": "its rows are grouped or made distinct",
    "select v + 1 as n from a order by n offset 10": "its order is not of plain columns",
    "select * from a left join b on b.a_id = a.id order by a.id offset 10": "its rows are grouped or made distinct",
    "select * from a offset 10": "",
    "select * from a order by v limit 10": "",
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_what_could_give_other_rows_is_not_offered(kind: str) -> None:
    found = {sql: rewritten(kind, sql, FACTS) for sql in REFUSED[kind]}
    assert {sql: _began(said, REFUSED[kind][sql]) for sql, said in found.items()} == REFUSED[kind]


def test_no_pages_where_no_key_completes_the_order() -> None:
    assert {sql: _began(keyset(sql, FACTS), reason) for sql, reason in NO_PAGES.items()} == NO_PAGES


def _began(found: object, reason: str) -> str:
    """As much of the reason as is expected of it."""
    assert isinstance(found, NotRewritten), found
    said = found.reasons[0] if found.reasons else ""
    return said[: len(reason)] if reason else said
