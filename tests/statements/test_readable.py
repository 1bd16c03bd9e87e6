"""What newer servers put ``$n`` in place of, as a statement that can be parsed again."""

import pytest

from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.sample.statements import read_statement_counters, read_statement_texts
from analyzer.statements.parse import parse_statement
from analyzer.statements.server_texts import readable


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SAVEPOINT $1", 'SAVEPOINT "$1"'),
        ("rollback to savepoint $1;", 'rollback to savepoint "$1";'),
        ("deallocate $1", 'deallocate "$1"'),
        ("SET TRANSACTION SNAPSHOT $1", "SET TRANSACTION SNAPSHOT '$1'"),
        ("COMMIT PREPARED $1", "COMMIT PREPARED '$1'"),
        ("select 1 where a = $2($2 AS REGCLASS) and b = $11($11 as regtype)",
         "select 1 where a = CAST($2 AS REGCLASS) and b = CAST($11 as regtype)"),
        ("select f($1), $2($3 as x)", None),
        ("do $$begin perform '$2($2 as x)'; end$$", None),
        ("select $1($1 AS regclass", None),
        ("<insufficient privilege>", None),
        (None, None),
    ],
)  # fmt: skip
def test_a_text_is_written_so_that_it_can_be_parsed(sql, text):
    assert readable(sql) == (text or sql)


@pytest.mark.postgres
def test_no_text_of_a_session_is_said_to_be_cut(scratch_database, any_postgres):
    database = scratch_database(any_postgres)
    with database.connect(autocommit=False) as connection:
        for statement in (
            "savepoint a", "release a", "savepoint b", "rollback to b", "prepare p as select 1", "deallocate p",
            "select relname from pg_class where oid = cast('pg_class' as regclass)",
        ):  # fmt: skip
            connection.execute(statement, prepare=False)
        (oid,) = connection.execute("select oid from pg_database where datname = current_database()").fetchone()
    with connect(ConnectionSettings.from_dsn(database.dsn)) as connection:
        keys = read_statement_counters(connection).keys
        texts = [text.text for text in read_statement_texts(connection, keys[keys["database_oid"] == oid])]
    mine = [sql for sql in texts if sql and "pgloupe" not in sql]
    assert len(mine) >= 6
    assert [sql for sql in mine if parse_statement(sql).kind == "unknown"] == []
