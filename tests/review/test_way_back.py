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
    create table p (id int primary key);
    create table k (
        id int constraint of_p references p on delete set null deferrable initially deferred,
        a int constraint "Positive" check (a > 0), b int constraint "b once" unique deferrable, c int,
        constraint apart exclude using btree (c with =)
    );
    alter table k add constraint unchecked check (b > 0) not valid;
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
    alter table t alter column b type text
    alter table t alter column b type bigint, alter column c type varchar(20)
    alter table k drop constraint of_p
    alter table k drop constraint "Positive", drop constraint "b once"
    alter table k drop constraint apart, drop constraint unchecked
    alter table k drop constraint of_p; alter table k add constraint of_p foreign key (a) references p (id)
    alter table k rename constraint of_p to of_q; alter table k drop constraint of_q
    create unique index x on t (a); alter table t add constraint y unique using index x
"""

STATE = """
    select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid <> 0
    union all select attrelid::regclass || '.' || attname, format_type(atttypid, atttypmod)
    from pg_attribute join pg_class c on c.oid = attrelid and c.relkind = 'r'
    union all select relname, relkind::text from pg_class where relkind in ('r', 'i')
    order by 1, 2
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
            before = conn.execute(STATE).fetchall()
            conn.execute(script)
            for sql in back:
                conn.execute(sql.replace(" CONCURRENTLY", ""))
            left = conn.execute(STATE).fetchall()
            conn.rollback()
        if left != before:
            refused.append(script)
    database.drop()
    assert refused == []
