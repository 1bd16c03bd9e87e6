import pytest

from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.sample.workload import read_recorded_workload

pytestmark = pytest.mark.postgres


def test_what_ran_in_this_database_dearest_first(scratch_database, any_postgres):
    database = scratch_database(any_postgres)
    other = scratch_database(any_postgres)
    database.execute("create table t (a int, b text)", "insert into t select i, 'x' from generate_series(1, 20000) i")
    other.execute("create table elsewhere (a int)", "select count(*) from elsewhere")
    for value in (1, 2, 3):
        database.execute(f"select * from t where b = 'secret{value}' order by a")
    database.execute("update t set b = 'y' where a = 5", "vacuum t", "select /* pgloupe */ 1")
    with connect(ConnectionSettings.from_dsn(database.dsn)) as connection:
        found = read_recorded_workload(connection, most=50)
    texts = {s.normalized_sql: s for s in found}
    select = next(s for text, s in texts.items() if text.startswith("select * from t"))
    assert (select.calls, select.rows, select.kind) == (3, 0, "select")
    assert select.calls_per_day == pytest.approx(72)  # three within an hour
    assert {s.kind for s in found} == {"select", "update", "insert"}
    assert not any("secret" in text or "elsewhere" in text or "vacuum" in text or "pgloupe" in text for text in texts)
    assert [s.total_exec_time_ms for s in found] == sorted((s.total_exec_time_ms for s in found), reverse=True)


def test_no_more_than_asked_for(scratch_database, postgres18):
    database = scratch_database(postgres18)
    database.execute("create table t (a int, b int)")
    for column in ("a", "b", "a, b", "b, a"):
        database.execute(f"select {column} from t")
    with connect(ConnectionSettings.from_dsn(database.dsn)) as connection:
        assert len(read_recorded_workload(connection, most=2)) == 2


def test_a_cursor_on_no_table_whose_text_holds_a_secret_is_nobodys_workload(scratch_database, any_postgres):
    """Up to 15 pg_stat_statements keeps the constants of DECLARE: such a text is read for its secret alone."""
    database = scratch_database(any_postgres)
    database.execute(
        "create table t (a int)",
        "create function remote(text) returns setof int language sql as 'select 1'",
        "declare c cursor with hold for select * from remote('host=x password=secret')",
        "fetch forward 2000 from c",
        "declare d cursor with hold for select a from t",
        "fetch forward 2000 from d",
    )
    with connect(ConnectionSettings.from_dsn(database.dsn)) as connection:
        recorded = read_recorded_workload(connection, most=50)
    assert [s.normalized_sql.split(" from ")[-1] for s in recorded if s.kind == "select"] == ["t"]
