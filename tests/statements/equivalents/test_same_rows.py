"""What is offered as the same statement gives the same rows: random conditions on random data, NULLs and duplicates."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from analyzer.statements.equivalents import (
    COUNT,
    DISTINCT_JOIN,
    FENCE,
    FIRST_ROWS,
    IN_LIST,
    INTERVAL,
    LIST,
    NOT_IN,
    OR,
    RANGE,
    SUBQUERY,
    UNION,
    Equivalent,
    rewritten,
)
from tests.statements.equivalents.tables import DDL, FACTS, MOMENTS, condition, fill

CASES = 300  # of each kind
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Beirut",
         "America/Santiago", "Africa/Cairo", "America/Asuncion")  # fmt: skip
Given = Mapping[int, str]


def ors(c: random.Random) -> tuple[str, Given]:
    arms = [f"{condition(c, 'a.v')}", condition(c, "b.x"), condition(c, "a.w")][: c.choice((2, 3))]
    either = " or ".join(arms)
    return c.choice(
        (
            f"select a.id, a.v, b.x from a join b on b.a_id = a.id where ({either}) and {condition(c, 'b.y')}",
            f"select a.v, b.x from a left join b on b.a_id = a.id where {either}",
            f"select a.v from a, b where {either} order by a.v",
            f"select w, id from a where ({condition(c, 'v')} or {condition(c, 'w')}) and id > 2 order by 2 limit 3",
            f"select *, v + w as both from a where {condition(c, 'v')} or {condition(c, 'w')} or id = $1",
            f"select * from a where ({condition(c, 'v')} or {condition(c, 'w')}) and id > 2 order by id desc limit 3",
            f"select v as id, id as v from a where {condition(c, 'v')} or {condition(c, 'w')} order by 2 limit 3",
            f"select v as w, w as v, id from a where {condition(c, 'v')} or {condition(c, 'w')} order by w, 3 limit 3",
            f"select v, a.* from a where {condition(c, 'v')} or {condition(c, 'w')} order by 1 desc, 2 limit 3",
            f"select v from a where v = any(array[1, 2]) or exists (select 1 from b where {condition(c, 'x', 'w')})",
        )
    ), {1: str(c.randint(1, 9))}


def ranges(c: random.Random) -> tuple[str, Given]:
    column, operator = c.choice(("ts", "tz")), c.choice(("=", "=", "<", "<=", ">", ">="))
    day, later = sorted(moment[:10] for moment in c.sample(MOMENTS[:-2], 2))
    unit, start = c.choice(
        (("day", day), ("month", day[:8] + "01"), ("year", day[:5] + "01-01"), ("week", "2024-01-01"))
    )
    more, ago = c.choice(("week", "month", "quarter", "year")), c.randint(0, 3000)
    return c.choice(
        (
            f"select id from t where {column}::date {operator} $1",
            f"select * from t where date({column}) {operator} '{day}' and {condition(c, 'g')}",
            f"select * from t where '{day}'::date {operator} {column}::date or {condition(c, 'g')}",
            f"select id from t where {column}::date between $1 and $2",
            f"select id from t where {column}::date {operator} $1::date - 1",
            f"select id from t where date_trunc('{unit}', {column}) {operator} $3",
            f"select id from t where date_trunc('{unit}', tz) {operator} date_trunc('{unit}', '{day}'::timestamptz)",
            f"select id from t where date_trunc('hour', ts) {operator} '{day} 01:00'",
            f"select id from t where extract(year from {c.choice((column, 'd'))}) {operator} {day[:4]}",
            f"select id from t where date_part('year', {column}) {operator} $4",
            f"select a.id from a left join t on t.id = a.id where t.{column}::date {operator} $1 or a.v = 1",
            f"select id from t where date_trunc('day', {column}) {operator} current_date - {ago}",
            f"select id from t where date_trunc('{unit}', tz) {operator} date_trunc('{unit}', current_date - {ago})",
            f"select id from t where date_trunc('{unit}', tz) {operator} date_trunc('{unit}', '{day}'::timestamp)",
            f"select id from t where date_trunc('{more}', ts) {operator} date_trunc('{more}', '{day}'::timestamptz)",
            f"select id from t where date_trunc('{more}', ts) {operator} date_trunc('{more}', current_date - {ago})",
            f"select id from t where date_trunc('{unit}', {column}) {operator} '{start}'::date",
            f"select id from t where date_trunc('day', {column}) between $1::date - 1 and $2::date",
            f"select id from t where {column}::date in ('{day}', $2, '2024-03-01'::date) and {condition(c, 'g')}",
            f"select id from t where date_trunc('{unit}', {column}) in ('{start}', $3) or {condition(c, 'g')}",
            f"select id from t where date_part('year', {column}) in ({day[:4]}, 2017, $4)",
            f"select id from t where (tz at time zone '{c.choice(ZONES)}')::date {operator} '{day}'",
            f"select id from t where date_trunc('{unit}', tz at time zone '{c.choice(ZONES)}') {operator} $3",
            f"select id from t where extract(year from tz at time zone '{c.choice(ZONES)}') {operator} $4",
        )
    ), {1: day, 2: later, 3: start, 4: day[:4]}


def intervals(c: random.Random) -> tuple[str, Given]:
    column, operator, sign = c.choice(("ts", "tz")), c.choice(("<", "<=", ">", ">=", "=")), c.choice("+-")
    span = c.choice(("1 hour", "90 minutes", "1 hour 30 minutes", "36 hours", "1 day", "2 weeks", "30 seconds"))
    moment = c.choice(MOMENTS[:-2])
    return c.choice(
        (
            f"select id from t where {column} {sign} interval '{span}' {operator} $1",
            f"select id from t where $1 {operator} interval '{span}' + {column}",
            f"select id from t where {column} {sign} interval '{span}' {operator} now() - interval '1 hour'",
            f"select id from t where {column} {sign} interval '{span}' {operator} localtimestamp or g = 1",
            f"select id from t where {column} {sign} interval '{span}' {operator} current_date",
            f"select id from t where isfinite({column}) and now() - {column} {operator} interval '{span}'",
            f"select id from t where isfinite({column}) and {column} - localtimestamp {operator} interval '{span}'",
            f"select id from t where isfinite(tz) and tz - '{moment}'::timestamptz {operator} $2::interval",
        )
    ), {1: moment, 2: c.choice(("1 hour", "36 hours"))}


def subqueries(c: random.Random) -> tuple[str, Given]:
    value = c.choice(("count(*)", "count(x)", "count(distinct x)", "sum(x)", "max(y)", "min(x)", "avg(y)",
                      "bool_or(x > 1)", "count(*) filter (where y = 2)"))  # fmt: skip
    return c.choice(
        (
            f"select id, (select {value} from b where b.a_id = a.id) from a",
            f"select *, (select {value} as n from b where a.v = b.x and {condition(c, 'y')}) from a where w > 0",
            f"select (select {value} from b where a_id = a.v and y = a.w) as n, v from a order by n",
            "select b.*, (select v from a where a.id = b.a_id) as v from b",
            f"select b.id, (select v from a where b.x = a.id and {condition(c, 'a.w')}), "
            f"(select count(*) from t where t.g = b.y) from b where {condition(c, 'x', 'y')}",
            f"select coalesce((select {c.choice(('sum(y)', 'count(y)'))} from b where b.x = a.v), 0), w from a",
            f"select *, case when v = 1 then (select {value} from b where a_id = a.id)::text else"
            f" (select {value} from b where x = a.w)::text end, 1 + (select count(*) from b where y = v) as n from a",
            f"select distinct greatest((select max(x) from b where a_id = a.id), w) from a where {condition(c, 'v')}"
            " order by 1",
            f"select distinct b.x, (select {value} from b k where k.x = b.x) from b left join a on a.id = b.a_id",
            *subqueries_in_conditions(c, value),
        )
    ), {1: "1"}


def subqueries_in_conditions(c: random.Random, value: str) -> tuple[str, ...]:
    number = c.choice(("count(*)", "sum(y)", "max(y)", "avg(x)", "coalesce(sum(x), 1)", "max(x) - count(*)"))
    asked = f"(select {number} from b where b.a_id = a.id and {condition(c, 'x', 'y')})"
    operator, order = c.choice(("<", ">=", "<>")), c.choice(("y desc", "y nulls first", "x nulls last"))
    return (
        f"select * from a where v {operator} {asked}",
        f"select * from a where not (v {operator} {asked}) or {condition(c, 'w')}",
        f"select w, count(*), max(id) from a where coalesce({asked}, 2) {operator} v group by w",
        f"select a.* from a, c where a.id = c.id and {asked} {operator} c.v order by a.id, c.kind limit 3",
        f"select id from a where v {operator} (select {number} from b u where u.x = (a.w) group by u.x)",
        f"select id, (select {value} from b u where u.a_id = (a.id) group by u.a_id limit $1) from a order by id",
        f"select id, (select x as n from b u where u.a_id = (a.id) order by {order}, id limit $1) as last from a",
        f"select id from a where (select u.y from b u where u.x = a.v order by u.{order}, u.id limit 1) {operator} w",
        f"select id from a order by (select {value} from b where x = a.v) nulls first, id",
    )


def in_lists(c: random.Random) -> tuple[str, Given]:
    inner = f"select {c.choice(('y', 'distinct y'))} from b where b.a_id = a.id and {condition(c, 'x')}"
    return c.choice(
        (
            f"select * from a where v in ({inner}) and {condition(c, 'w')}",
            "select * from a left join c on c.id = a.w where c.v = any (select x from b where b.y = c.id)",
            "select * from a where (v, w) in (select y, x from b where b.a_id = a.id order by y)",
            f"update a set w = 7 where v in ({inner}) returning *",
        )
    ), {}


def fences(c: random.Random) -> tuple[str, Given]:
    plain = f"q as materialized (select id, v, w from a where {condition(c, 'v', 'w')})"
    return c.choice(
        (
            f"with {plain} select * from q where {condition(c, 'v')}",
            f"with {plain}, r(i, n) as materialized (select v, count(*) from q group by 1) select * from r where n > 1",
            f"with {plain} select b.* from b left join q on q.id = b.a_id and {condition(c, 'q.v')}",
            f"select * from b where exists (with {plain} select 1 from q where q.id = b.a_id)",
            f"with recursive {plain} select distinct v from q union select x from b where {condition(c, 'y')}",
        )
    ), {}


def first_rows(c: random.Random) -> tuple[str, Given]:
    direction = c.choice(("", "desc", "nulls first", "desc nulls last"))
    return c.choice(
        (
            f"select * from (select t.*, row_number() over (partition by g order by ts {direction}, id) as rn from t"
            f" where {condition(c, 'g')}) q where rn = 1 and id > 1",
            "select id, n from (select id, row_number() over (partition by g, d order by id desc) n from t) q"
            " where 1 = q.n or false",
            "select id, n from (select id, row_number() over (partition by g, d order by id desc) n from t) q"
            " where q.n < 2",
            f"select q.id from (select b.id, a.v, row_number() over (partition by a.v order by b.id {direction}) rn"
            " from a join b on b.a_id = a.id) q where rn <= $1",
            f"select * from (select a.*, row_number() over (order by v {direction}, id) rn from a) q where rn <= 3",
            f"select * from (select a.*, row_number() over (order by v {direction}, id) rn from a) q where rn <= $2",
            f"select * from (select e.*, row_number() over (partition by a_id order by o {direction}, id) as n from e"
            f" where {condition(c, 'o')}) q where n <= {c.randint(1, 3)} and {condition(c, 'o')}",
            f"select a_id, n from (select a_id, row_number() over (partition by e.a_id order by e.id) as n from e, a"
            f" where a.id = e.a_id and {condition(c, 'a.v', 'o')}) q where q.n < 3",
            "select a_id, n, q.* from (select a_id, e.id, row_number() over (partition by a_id order by id) n from e) q"
            " where n <= $2",
            "select from (select a_id, row_number() over (partition by a_id order by id) n from e) q where n <= 2",
            f"with s as (select t.*, row_number() over (partition by g order by ts {direction}, id) as rn from t)"
            f" select * from s where rn = 1 and {condition(c, 'g')}",
            "with x as (select 2 as v), s as (select e.*, row_number() over (partition by a_id order by id) n from e),"
            " f as (select * from s where n between 1 and $2) select a.v, f.* from a join f on f.a_id = a.id, x",
            f"select * from a where id in (with s as (select b.*, row_number() over (order by x {direction}, id) rn"
            f" from b) select a_id from s k where k.rn between $1 and {c.randint(1, 4)} and {condition(c, 'y')})",
            "select v as g, id from (select v, v as g, id, row_number() over (partition by w order by id) r from a) x"
            " where r = $1",
        )
    ), {1: "1", 2: str(c.randint(0, 4))}


def distincts(c: random.Random) -> tuple[str, Given]:
    extra = condition(c, "b.x", "a.w", "b.y")
    return c.choice(
        (
            f"select distinct a.id, a.v from a join b on b.a_id = a.id where {extra}",
            f"select distinct a.* from b, a where {extra} and {condition(c, 'a.v')} order by a.id desc limit 4",
            f"select count(*) from (select distinct a.* from a join b on b.x = a.v where {extra}) q",
            f"select distinct w, a.id from a, b, t where x = v and t.g = b.y and {condition(c, 'v', 'g')}",
            f"select distinct c.kind, c.id from c join a on a.v = c.v and {condition(c, 'w')}",
        )
    ), {}


def lists(c: random.Random) -> tuple[str, Given]:
    word = c.choice(("in", "not in", "= any", "<> all", "> all", "< any"))
    return c.choice(
        (
            f"select * from a where v {word} (select distinct x from b where {condition(c, 'y')})",
            f"select * from a where v {word} (select distinct x from b where b.a_id = a.id) or w = 1",
            "select * from a where exists (select distinct x, y from b where b.a_id = a.id order by x)",
            "select * from a where not exists (select distinct x from b where b.a_id = a.id)",
        )
    ), {}


def unions(c: random.Random) -> tuple[str, Given]:
    return c.choice(
        (
            f"select 'a' as k, id from a where {condition(c, 'v', 'w')} union select 'b', id from b order by id, k",
            "select id, v, 1 from a union select id, x, 2 from b union select id, v, 3 from c where kind = 'x'",
            "select id, kind, v from c where kind = 'x' union select id, kind, v from c where kind = 'y'",
            f"select * from a where v = 1 union select * from a where v = 2 and {condition(c, 'w')}",
            "select $1 as k, id from a union select $2, id from b",
            "select * from (select id, w from a where w = 3 union select id, w from a where 1 = w) q where id > 2",
        )
    ), {1: "p", 2: "q"}


def counts(c: random.Random) -> tuple[str, Given]:
    operator, number = c.choice(((">", 0), (">=", 1), ("<>", 0), ("=", 0), ("<", 1), ("<=", 0)))
    count = c.choice(("count(*)", "count(1)", "count('x')", "count(b.id)", "count(b.x)", "count(distinct b.y)"))
    tail = f"from b where {c.choice(('a_id = a.id', 'x = v'))} and {condition(c, 'x', 'y')}"
    inner = f"(select {count} {tail})"
    asked = f"{inner} {operator} {number}"
    return c.choice(
        (
            f"select id, {asked}, ({asked})::int, not {asked}, (select {count} {operator} {number} {tail}) from a",
            f"select case when {asked} then v when {condition(c, 'w')} then w end, case v when 1 then {asked} end"
            " from a",
            f"select *, sum(case when {asked} then 1 else 0 end) over (partition by v) as n from a",
            f"select distinct v, {asked} as any from a where coalesce({inner}, 7) {operator} $1 order by 2, 1",
            f"select * from a where case when {condition(c, 'v')} then {asked} else {number} {operator} 0 end",
            f"select v, {asked} from a group by v, a.id, 2 having count(*) > 0",
            "select * from a where (select count(b.id) from a k left join b on b.a_id = k.id and "
            f"{condition(c, 'x')} where k.v = a.w) {operator} {number}",
            f"select * from a where {inner} {operator} {number}",
            f"select * from a where {inner} {operator} $1 or {condition(c, 'v')}",
            f"select v, count(*) from a where not ({inner} {operator} $1) and {condition(c, 'w')} group by v",
        )
    ), {1: str(number)}


def not_ins(c: random.Random) -> tuple[str, Given]:
    inner = f"select {c.choice(('b.id', 'c.id', 'distinct c.id'))} from b, c where {condition(c, 'x', 'y', 'c.v')}"
    return c.choice(
        (
            f"select * from a where id not in ({inner})",
            f"select * from a t where t.id not in ({inner} and c.v = t.v) or {condition(c, 't.v')}",
            f"select v, count(*) from a where not (id not in ({inner})) group by v",
            "select * from a where not (v in (select x from b where y = a.w and x is not null) and v is not null)",
            "select * from a where w not in (select x from b where x is not null) and w > 0 and w is not null",
            f"select * from a where (id <> all ({inner})) is not false and {condition(c, 'v')}",
            f"select * from a where not (id = any ({inner})) or id <> all (select id from e where e.o = a.v)",
            f"select * from c where (id, kind) not in (select b.id, k.kind from b, c k where {condition(c, 'x')})",
            f"delete from c where id <> all ({inner.replace('c.', 'k.').replace('b, c', 'b, c k')}) returning *",
            f"update a u set v = u.v + 1, w = 7 where id not in ({inner}) and {condition(c, 'u.v')} returning u.*",
            f"insert into c select id, 'new', x from b where id not in (select c.id from c where {condition(c, 'v')})"
            " returning *",
        )
    ), {}


DRAWN: dict[str, Callable[[random.Random], tuple[str, Given]]] = {
    OR: ors, RANGE: ranges, INTERVAL: intervals, SUBQUERY: subqueries, FIRST_ROWS: first_rows, DISTINCT_JOIN: distincts,
    LIST: lists, UNION: unions, COUNT: counts, NOT_IN: not_ins,
    IN_LIST: in_lists, FENCE: fences,
}  # fmt: skip


@pytest.mark.postgres
@pytest.mark.parametrize("kind", list(DRAWN))
def test_same_rows_on_random_data(kind: str, scratch_database, postgres) -> None:  # type: ignore[no-untyped-def]
    for version in (13, 18):
        database, chance, tried = scratch_database(postgres(version)), random.Random(kind), 0
        database.execute(*DDL)
        with database.connect() as connection:
            while tried < CASES:
                with connection.transaction(force_rollback=True):
                    fill(connection, chance)
                    for sql, given, found in drawn(kind, chance, 15):
                        connection.execute(f"set local timezone to '{zone(chance, found)}'")
                        before, after = (rows(connection, text, given) for text in (sql, found.sql))
                        assert before == after, (sql, found.sql, given)
                        tried += 1


def drawn(kind: str, chance: random.Random, times: int) -> Iterator[tuple[str, Given, Equivalent]]:
    for _ in range(times):
        sql, given = DRAWN[kind](chance)
        found = rewritten(kind, sql, FACTS)
        if isinstance(found, Equivalent):
            yield sql, given, found


def zone(chance: random.Random, found: Equivalent) -> str:
    """One for which holds what the rewrite wants."""
    return chance.choice(("UTC", "Asia/Kolkata") if any("clock" in fact for fact in found.assumptions) else ZONES)


def rows(connection: Any, sql: str, given: Given) -> tuple[list[str], Counter[tuple[bytes | None, ...]]]:
    """The columns' names and the rows as the server writes them."""
    sql = re.sub(r"\$(\d+)", lambda number: f"'{given[int(number[1])]}'", sql)
    with connection.transaction(force_rollback=True):  # it may write
        result = connection.execute(sql).pgresult
    columns = range(result.nfields)
    found = Counter(tuple(result.get_value(row, at) for at in columns) for row in range(result.ntuples))
    return [result.fname(at).decode() for at in columns], found
