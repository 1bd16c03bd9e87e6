"""Types of literals that lost theirs, from the place they stood in."""

from pathlib import Path

import psycopg
import pytest

from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.schema.facts import ColumnFacts, SchemaFacts, TableFacts
from analyzer.statements.parameter_types import parameter_types
from analyzer.statements.preparable import preparable_sql

COLUMNS = {
    "id": "bigint", "n": "integer", "price": "numeric(8,2)", "rate": "double precision",
    "name": "character varying(40)", "born": "date",
    "at": "timestamp with time zone", "doc": "jsonb", "tags": "text[]", "levels": "integer[]",
    "is_on": "boolean", "span": "interval",
}  # fmt: skip
TABLE = tuple(ColumnFacts(name, at, kind, 0, False, 1e3) for at, (name, kind) in enumerate(COLUMNS.items(), 1))
FACTS = SchemaFacts("d", 150000, (TableFacts(1, "public", "t", "r", 1e3, 10**6, TABLE),))

CASES = [
    # what the server resolves itself is left to it
    ("select * from t where n = $1 and name like $2 and at > $3 limit $4", {}),
    ("select n + $1, price * $2, rate / $3 from t", {}),
    ("select $1 as kind, id from t", {}),
    ("select id from t where n in ($1, $2) and (id, n) > ($3, $4)", {}),
    ("select id from t where at > now() - $1::interval and at < now() - $2 * span", {}),
    ("select coalesce(n, $1), greatest($2, price), nullif(name, $3) from t", {}),
    ("select sum(case when n > $1 then price else $2 end) from t", {}),
    ("select id from t union all select $1", {}),
    ("insert into t (n, name) values ($1, $2), ($3, $4)", {}),
    ("update t set n = n + $1, at = $2 where id = $3", {}),
    # a number of days
    ("select * from t where born >= current_date - $1 and born < $2 + current_date", {1: "integer", 2: "integer"}),
    ("select * from t where born - $1 > at", {1: "integer"}),
    ("select * from t where current_date - $1 > n", {}),  # of dates
    ("select * from t where current_date - born > $1", {}),
    ("select $1 - born, $2 - current_date from t where $3 - born > $4 and $5 - (born + $6) < n",
     {6: "integer"}),  # a date on the left of "- date"
    # arithmetic of literals
    ("select $1 + $2 from t", {1: "integer", 2: "integer"}),
    ("select n * ($1 + $2) from t", {1: "integer", 2: "integer"}),
    ("select $1 * count(*) / sum(n) from t", {}),
    ("select -$1 from t", {1: "integer"}),
    # what CASE, ARRAY, VALUES, a subquery or a CTE makes text
    ("select sum(case when n > $1 then $2 else $3 end), avg(case when is_on then $4 end) from t",
     {2: "integer", 3: "integer", 4: "integer"}),
    ("select * from t where case when n > $1 then $2 else $3 end > price", {2: "numeric", 3: "numeric"}),
    ("select * from t where case when n > $1 then $2 else $3 end", {2: "boolean", 3: "boolean"}),
    ("select case when n > $1 then $2 else $3 end from t", {}),
    ("update t set n = case when id = $1 then $2 when id = $3 then $4 end", {2: "integer", 4: "integer"}),
    ("update t set (n, name) = (select $1, $2)", {1: "integer"}),
    ("update t set name = case when id = $1 then $2 else $3 end", {}),
    ("select * from t where levels && array[$1, $2] and tags && array[$3]", {1: "integer", 2: "integer"}),
    ("select percentile_disc(array[$1, $2]) within group (order by n) from t",
     {1: "double precision", 2: "double precision"}),
    ("select * from t join (values ($1, $2), ($3, $4)) as v (k, w) on v.k = t.id", {1: "integer", 3: "integer"}),
    ("select * from t join (values ($1, $2::bigint)) as v (k, w) on v.w = t.id", {}),
    ("select * from t join unnest(array[$1, $2]) as v (k) on v.k = t.n", {1: "integer", 2: "integer"}),
    ("select * from t join (select $1 as k) s on s.k = t.price", {1: "numeric"}),
    ("with c as (select $1 as days, $2 as kind) select * from t, c where born > current_date - c.days and"
     " name = c.kind",
     {1: "integer"}),
    ("with recursive up as (select id, $1 as d from t where id = $2 union all select t.id, up.d + $3 from t join up on"
     " t.n = up.id) select * from up where d < $4", {1: "integer", 3: "integer"}),
    ("with recursive up (id, d) as (select id, $1 from t union all select t.id, d * t.price from t join up using (id))"
     " select * from up", {1: "numeric"}),
    ("with recursive up as (select id, $1 as path from t union all select t.id, up.path || t.name from t join up using"
     " (id)) select * from up", {}),
    ("merge into t using (values ($1, $2)) as v (id, n) on t.id = v.id when matched then update set n = v.n",
     {1: "integer", 2: "integer"}),
    ("merge into t using (select $1 as id) as v on t.id = v.id when not matched then insert (id, n) values (v.id, $2)",
     {1: "integer"}),
    ("select exists (select $1 from t where n = (select $2 + $3))", {2: "integer", 3: "integer"}),
    ("select count(*) over (order by case when is_on then $1 else $2 end + n) from t", {1: "integer", 2: "integer"}),
    ("select count(*) filter (where case when n > $1 then $2 else $3 end) from t", {2: "boolean", 3: "boolean"}),
    # functions
    ("select * from generate_series($1, $2) g", {1: "integer", 2: "integer"}),
    ("select * from generate_series($1, $2, $3::interval) g", {}),
    ("select generate_series($1, max(n)) from t", {}),
    ("select round($1, $2), round(price, $3), abs($4), mod(id, $5) from t", {1: "integer", 2: "integer", 4: "integer"}),
    ("select json_build_object($1, n), concat(name, $2), count($3), format($4, $5) from t",
     {1: "text", 2: "text", 3: "text", 5: "text"}),
    ("select lag(n, $1, $2) over (order by id) from t", {}),
    ("select * from t where $1 is null or n = $2", {1: "text"}),
    # of IS NULL what the parameter is elsewhere
    ("select * from t where ($1 is null or id = $1) and (name like $2 or $2 is null)",
     {1: "bigint", 2: "character varying"}),
    ("select * from t where ($1 is null or n in ($1, $2)) and ($3 is null or levels && $3)",
     {1: "integer", 3: "integer[]"}),
    ("select * from t where $1 is null or at between $1 and $2 or n = any($3) or $3 is null",
     {1: "timestamp with time zone", 3: "integer[]"}),
    ("select * from t where $1 is null or id = $1::integer", {1: "integer"}),
    ("select * from t where case when $1 is null then is_on else n = $1 end", {1: "integer"}),
    ("select array_cat(array[$1], levels), array[$2] || levels, levels || $3 from t", {1: "integer", 2: "integer"}),
    ("select case when is_on then $1 else $2 end || n, born || coalesce($3, $4) from t", {}),
    ("select * from t where n = (array[$1, $2])[$3] and id = any (array(select $4))",
     {1: "integer", 2: "integer", 4: "bigint"}),
    ("select xmlelement(name a, $1), xmlforest($2 as b), array_fill($3, array[$4]), pg_size_pretty($5) from t",
     {1: "text", 2: "text", 3: "integer", 4: "integer", 5: "bigint"}),
    ("select pg_get_viewdef(id::oid, $1) from t", {1: "boolean"}),
    ("select * from t order by array_position(array[$1, $2], id), array_position(array[$3], name)",
     {1: "bigint", 2: "bigint"}),
    ("select * from t where n = any (array_remove(array[$1, $2], $3)) and levels && array_append(array[$4], $5)",
     {1: "integer", 2: "integer", 4: "integer"}),
    ("select array_append(levels, case when is_on then $1 else $2 end), array_position(levels, $3, $4) from t",
     {1: "integer", 2: "integer"}),
    ("select * from t where n = nullif($1, $2) and name = nullif($3, $4) and nullif($5, price) > $6",
     {1: "integer", 2: "integer"}),
    ("select $1 & $2, n | ($3 # $4), ~ $5, n & $6, doc & $7 from t",
     {1: "integer", 2: "integer", 3: "integer", 4: "integer", 5: "integer"}),
    ("select * from t where n & case when is_on then $1 else $2 end = $3", {1: "integer", 2: "integer"}),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "types"), CASES, ids=[sql[:70] for sql, _ in CASES])
def test_type_of_a_literal_from_where_it_stands(sql: str, types: dict[int, str]) -> None:
    assert parameter_types(sql, FACTS) == types


@pytest.mark.parametrize(
    ("sql", "sample", "types"),
    [
        ("select $1 + $2 from t", "select 1.5 + 20000000000 from t", {1: "numeric", 2: "bigint"}),
        ("select current_date - $1 from t", "select current_date - '2026-01-01' from t", {}),
        ("select doc -> $1 from t", "select doc -> 0 from t", {1: "integer"}),
        ("select doc -> $1 from t", "select doc -> 'a' from t", {}),
        ("select coalesce(sum(case when is_on then $1 else $2 end), $3) from t",
         "select coalesce(sum(case when is_on then 0.5 else 0 end), 0) from t", {1: "numeric", 2: "integer"}),
        ("select * from t where n in ($1, $2) and $3 is null", "select * from t where n in (1) and 5 is null",
         {3: "integer"}),
        ("select $1 + $2 from t", "select n from t", {1: "integer", 2: "integer"}),  # another statement
    ],
)  # fmt: skip
def test_a_real_run_tells_the_type(sql: str, sample: str, types: dict[int, str]) -> None:
    assert parameter_types(sql, FACTS, [sample]) == types


def test_the_type_is_written_as_a_cast_where_the_grammar_takes_one() -> None:
    found = preparable_sql("select current_date - $2 from t where $7::text is null", facts=FACTS)
    assert found.sql == "select current_date - $1::integer from t where $2::text is null"
    assert [(r.kind, r.parameters) for r in found.rewrites] == [("type", (2,))]
    assert found.parameters == (2, 7)


def test_without_facts_the_place_alone_tells() -> None:
    assert parameter_types("select sum(case when n > $1 then $2 else $3 end), $4 + n from t") == {
        2: "integer", 3: "integer"
    }  # fmt: skip
    assert parameter_types("not sql") == parameter_types("begin") == {}


NORMALIZED = [t for t in (Path(__file__).parent / "normalized.sql").read_text().splitlines() if not t.startswith("--")]


@pytest.mark.postgres
def test_the_server_can_prepare_every_normalized_text(any_postgres, scratch_database) -> None:
    database = scratch_database(any_postgres)
    database.execute(
        "create table t (id bigint primary key, n int, name text, at timestamptz, d date, j jsonb, a int[])"
    )
    with connect(ConnectionSettings.from_dsn(database.dsn)) as monitored:
        facts = read_schema(monitored)
    failed = []
    with database.connect() as connection:
        connection.prepare_threshold = None
        for text in NORMALIZED:
            if text.startswith("merge") and any_postgres.version < 15:
                continue
            preparable = preparable_sql(text, facts=facts)
            try:
                connection.execute(f"prepare tried as {preparable.sql}".encode())
                connection.execute("deallocate tried")
            except psycopg.Error as error:
                failed.append((text, str(error).splitlines()[0]))
    assert failed == []


@pytest.mark.parametrize(
    ("sql", "sample", "rewritten"),
    [
        ("select lpad(name, $1, $2), repeat($3, $4) from t", None, "select lpad(name, 8, ' '), repeat($1, 8) from t"),
        ("select lpad(name, $1) from t", "select lpad(name, 12) from t", "select lpad(name, 12) from t"),
        ("select rpad(name, $1) from t", "select rpad(name, 90000) from t", "select rpad(name, 8) from t"),
        ("select format($1, name, id) from t", None, "select format('%s %s', name, id) from t"),
        ("select format($1, name) from t", "select format('it''s %I', name) from t",
         "select format('it''s %I', name) from t"),
        ("select format($1, name) from t", "select format('%90000s', name) from t", "select format('%s', name) from t"),
        ("select repeat(name, $1 * n) from t", None, "select repeat(name, $1 * n) from t"),
    ],
)  # fmt: skip
def test_a_size_becomes_a_small_constant_the_gate_can_see(sql: str, sample: str | None, rewritten: str) -> None:
    assert preparable_sql(sql, facts=FACTS, samples=[sample] if sample else []).sql == rewritten
