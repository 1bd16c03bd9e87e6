"""What pg_stat_statements makes of statements on real servers, and what we make of that."""

import psycopg
import pytest

from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.preparable import preparable_sql
from analyzer.statements.secrets import redact_sql

pytestmark = pytest.mark.postgres

# run with literals, as an application would; {} is the version's own list of rewrites expected
STATEMENTS = {
    "select id from shop where at > now() - interval '1 day' and day = date '2024-01-01'": {"typed_literal"},
    "select id from shop where at > timestamp with time zone '2024-01-01' and at < timestamptz '2024-02-01'": {
        "typed_literal"
    },
    "select interval '2' day, numeric '1.5', id from shop where name = varchar 'x'": {"typed_literal"},
    "select extract(year from at), id from shop": {"extract"},
    "select extract('month' from at) as m, count(*) from shop group by extract('month' from at)": {"group_by_twin"},
    "select date_trunc('day', at), count(*) from shop group by date_trunc('day', at) order by date_trunc('day', at)": {
        "group_by_twin"
    },
    "select coalesce(name, 'none'), count(*) from shop group by coalesce(name, 'none') having count(*) > 3": {
        "group_by_twin"
    },
    "select name || 'x' from shop order by name || 'x' limit 5": {"group_by_twin"},
    "select distinct on (date_trunc('hour', at)) id from shop order by date_trunc('hour', at), id": {"group_by_twin"},
    "select id from shop where id in (1, 2, 3, 4, 5) and name in ('a', 'b')": {"list"},
    "select id from shop where id = any (array[1, 2, 3]) limit 10 offset 20": {"array", "list"},
    "update shop set name = 'y', at = at + interval '1 hour' where id = -5": {"typed_literal"},
    "delete from shop where day < date '2000-01-01'": {"typed_literal"},
    "insert into shop (name, at) values ('a', now()), ('b', timestamptz '2024-01-01')": {"typed_literal"},
    "select 'ü' as \"ä\", id from shop where name = E'it''s \\' x' and name <> $$dollar$$": set(),
    "with x as (select id from shop where name = 'q') select count(*) from x where id between 4 and 9": set(),
    "select id from shop where (id, name) > (5, 'a') order by id desc, name limit 3": set(),
    "select substring(name from 2 for 3), position('a' in name), trim(both 'x' from name) from shop": set(),
    "select 1 from shop where name like 'a%' and not (name ilike '%d_') and at at time zone 'UTC' > '2024-1-1'": set(),
    "select case when id > 5 then 'big' else 'small' end, sum(id) from shop group by 1": set(),
}
# 13 to 17 keep each element of a list; 18 shortens lists of constants to one
ONLY_FROM_18 = {"list"}


@pytest.fixture
def recorded(scratch_database, any_postgres):
    """The texts of pg_stat_statements by statement, and a connection to prepare them with."""
    database = scratch_database(any_postgres)
    database.execute("create table shop (id serial primary key, name varchar(40), at timestamptz, day date)")
    texts = {}
    with database.connect() as connection:
        connection.prepare_threshold = None
        for statement in STATEMENTS:
            before = {row[0] for row in connection.execute(own_statements).fetchall()}
            connection.execute(statement)
            after = {row[0]: row[1] for row in connection.execute(own_statements).fetchall()}
            (new,) = [text for key, text in after.items() if key not in before and "pg_stat_statements" not in text]
            texts[statement] = new
        yield any_postgres.version, texts, connection


own_statements = (
    "select s.queryid, s.query from pg_stat_statements as s join pg_database as d on d.oid = s.dbid"
    " where d.datname = current_database()"
)


def test_a_statement_and_its_normalized_text_have_one_fingerprint(recorded):
    _, texts, _ = recorded
    differing = {text for statement, text in texts.items() if fingerprint(statement) != fingerprint(text)}
    assert differing == set()


def test_every_text_is_prepared_after_the_rewrites_it_needs(recorded):
    version, texts, connection = recorded
    wrong = {}
    for statement, expected in STATEMENTS.items():
        preparable = preparable_sql(texts[statement])
        rewrites = {rewrite.kind for rewrite in preparable.rewrites}
        if version < 18:
            expected = expected - ONLY_FROM_18
        try:
            connection.execute(f"prepare probe as {preparable.sql}")
            connection.execute("deallocate probe")
        except psycopg.Error as error:
            wrong[texts[statement]] = f"{preparable.sql}: {error}"
            continue
        if rewrites != expected:
            wrong[texts[statement]] = rewrites
    assert not wrong, "\n".join(f"{k} -> {v}" for k, v in wrong.items())


def test_redacted_texts_are_prepared_too(recorded):
    _, texts, connection = recorded
    wrong = {}
    for text in texts.values():
        redacted = redact_sql(text)
        try:
            connection.execute(f"prepare probe as {preparable_sql(redacted).sql}")
            connection.execute("deallocate probe")
        except psycopg.Error as error:
            wrong[redacted] = str(error)
    assert not wrong, "\n".join(f"{k} -> {v}" for k, v in wrong.items())
