"""The way back drops what the server made, by the names that the server chose."""

import pytest

from analyzer.monitored.catalog.migration_facts import read_live_facts
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.review.files.sql import read_sql
from analyzer.review.review import review
from tests.servers import EVERY_VERSION, ScratchDatabase

pytestmark = pytest.mark.postgres
WORLD = """
    create table t (id int primary key, a int, b int, c text, j jsonb);
    create schema apart; create table apart.u (t_b_idx int); create index t_b_idx on apart.u (t_b_idx);
"""
MADE = """
    create index on t (b)
    create index on t (lower(c))
    create index on t (a, lower(c), (a + b))
    create index on t ((a + b), (a - b))
    create index on t ((j ->> 'x'))
    create index on t (((j ->> 'x')::int))
    create index on t ((c::varchar(5)), (c collate "C"))
    create index on t (coalesce(a, b), nullif(a, b), greatest(a, b), (case when a > 1 then b end))
    create index on t (a) include (b)
    create index on t using gin (to_tsvector('english', c))
    alter table t add unique (a) include (b)
    alter table t add check (a > b)
    alter table t add check (a > 0)
    alter table t drop constraint t_pkey, add primary key (id)
    create unique index x on t (a); alter table t add constraint y unique using index x
"""


@pytest.mark.parametrize("version", EVERY_VERSION, ids=lambda version: f"pg{version}")
def test_each_way_back_is_taken_by_the_server(version, postgres):
    database, refused = ScratchDatabase(postgres(version)), []
    database.execute(WORLD)
    with connect(ConnectionSettings.from_dsn(database.dsn, allow_local=True)) as connection:
        facts = read_live_facts(connection, ())
    for script in filter(None, map(str.strip, MADE.splitlines())):
        back = review(read_sql(script), facts.schema.server_version_num, facts).way_back
        assert back, script
        with database.connect(autocommit=False) as conn:
            before = conn.execute("select count(*) from pg_class").fetchone()
            conn.execute(script)
            for sql in back:
                conn.execute(sql.replace(" CONCURRENTLY", ""))
            left = conn.execute("select count(*) from pg_class").fetchone()
            conn.rollback()
        if left > before:
            refused.append(script)
    database.drop()
    assert refused == []
