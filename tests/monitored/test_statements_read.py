"""Counters and texts of pg_stat_statements, in every version of the extension that 13 to 18 bring."""

import sys

import numpy as np
import pytest

from analyzer.errors import StatementFailed, UnsupportedVersion
from analyzer.monitored import loader
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.readings import COUNTERS, KEY_DTYPE
from analyzer.monitored.sample import statements
from analyzer.monitored.sample.names import read_names
from analyzer.monitored.sample.statements import read_statement_counters, read_statement_texts
from tests.servers import EVERY_VERSION

pytestmark = pytest.mark.postgres

# pg_stat_statements' columns per extension version, under PostgreSQL's names and ours
BEFORE_1_11 = {"shared_read_time_ms": "blk_read_time", "shared_write_time_ms": "blk_write_time"}
SINCE = {
    "1.10": ["temp_read_time_ms", "temp_write_time_ms", "jit_functions", "jit_generation_time_ms",
             "jit_inlining_count", "jit_inlining_time_ms", "jit_optimization_count", "jit_optimization_time_ms",
             "jit_emission_count", "jit_emission_time_ms"],
    "1.11": ["local_read_time_ms", "local_write_time_ms", "jit_deform_count", "jit_deform_time_ms"],
    "1.12": ["wal_buffers_full", "parallel_workers_to_launch", "parallel_workers_launched"],
}  # fmt: skip


def theirs(name, version):
    """PostgreSQL's name of one of our counters."""
    if loader.version_tuple(version) < (1, 11) and name in BEFORE_1_11:
        return BEFORE_1_11[name]
    name = name.removesuffix("_ms")
    for ours, pgss in (
        ("shared_read_time", "shared_blk_read_time"), ("shared_write_time", "shared_blk_write_time"),
        ("local_read_time", "local_blk_read_time"), ("local_write_time", "local_blk_write_time"),
        ("temp_read_time", "temp_blk_read_time"), ("temp_write_time", "temp_blk_write_time"),
        ("wal_full_page_images", "wal_fpi"),
    ):  # fmt: skip
        if name == ours:
            return pgss
    if name.endswith("_blocks"):
        place, what, _ = name.split("_")
        return f"{place}_blks_{what}"
    return name


def settings_of(database):
    return ConnectionSettings.from_dsn(database.dsn)


@pytest.mark.parametrize("major", EVERY_VERSION)
def test_every_counter_of_every_version(postgres, scratch_database, major):
    database = scratch_database(postgres(major))
    database.execute(
        "create table t (a int, b text)",
        "insert into t select i, repeat('x', 50) from generate_series(1, 20000) i",
        "create temporary table u as select * from t",
        "set work_mem = '64kB'; select * from t order by b, a offset 19999",
    )
    with connect(settings_of(database)) as conn:
        reading = read_statement_counters(conn)
        version = reading.state.statements_version
        known = [name for name in COUNTERS if not any(
            name in names and loader.version_tuple(version) < loader.version_tuple(since)
            for since, names in SINCE.items()
        )]  # fmt: skip
        assert list(reading.offered) == known
    with database.connect() as connection:
        ours = [(r["database_oid"], r["role_oid"], r["queryid"]) for r in reading.keys]
        columns = ", ".join(f"({theirs(name, version)})::float8" for name in known)
        rows = connection.execute(
            f"select dbid::int8, queryid, {columns} from pg_stat_statements"
            " where dbid = (select oid from pg_database where datname = current_database())"
            " and userid = 10"
        ).fetchall()
    assert len(rows) >= 4
    assert len(ours) == len(set(zip(ours, reading.keys["toplevel"].tolist(), strict=True)))
    for database_oid, queryid, *values in rows:
        found = entry_of(reading, (10, database_oid, queryid, True))
        assert {name: found[name] for name in known} == dict(zip(known, values, strict=True))
        assert all(np.isnan(found[name]) for name in COUNTERS if name not in known)
    by_name = {name: reading.counters[:, COUNTERS.index(name)] for name in known}
    assert by_name["calls"].min() >= 1
    for name in ("rows", "total_exec_time_ms", "shared_hit_blocks", "local_written_blocks",
                 "temp_written_blocks", "wal_bytes", "max_exec_time_ms"):  # fmt: skip
        assert by_name[name].max() > 0, name
    assert reading.keys.dtype == KEY_DTYPE
    assert np.isnan(reading.stats_since).all() == (loader.version_tuple(version) < (1, 11))
    if loader.version_tuple(version) >= (1, 11):
        assert abs(reading.stats_since.max() - reading.state.taken_at.timestamp()) < 60
    state = reading.state
    assert (state.server_version_num // 10_000, state.is_in_recovery) == (major, False)
    assert (state.deallocations is None) == (state.stats_reset_at is None) == (major < 14)
    assert state.started_at < state.taken_at


def entry_of(reading, key):
    (position,) = np.flatnonzero(reading.keys == np.array(key, dtype=KEY_DTYPE))
    return dict(zip(COUNTERS, reading.counters[position], strict=True))


@pytest.mark.parametrize(("major", "version"), [(18, "1.8"), (18, "1.9"), (18, "1.10"), (18, "1.11"), (15, "1.9")])
def test_extension_that_lags_behind_its_server(postgres, scratch_database, major, version):
    database = scratch_database(postgres(major))
    database.execute(
        "drop extension pg_stat_statements",
        'create schema "Odd ""schema"',
        f'create extension pg_stat_statements with schema "Odd ""schema" version \'{version}\'',
        f'grant usage on schema "Odd ""schema" to {database.login}',
        "select 'lagging'",
    )
    with connect(settings_of(database)) as conn:
        assert conn.statements_extension == ('Odd "schema', version)
        reading = read_statement_counters(conn)
        assert reading.state.statements_version == version
        assert (len(reading.offered) == len(COUNTERS)) is False
        texts = read_statement_texts(conn, reading.keys)
        assert "select $1" in {text.text for text in texts}


def test_extension_too_old_says_so(postgres13, scratch_database):
    database = scratch_database(postgres13)
    database.execute("drop extension pg_stat_statements", "create extension pg_stat_statements version '1.7'")
    with connect(settings_of(database)) as conn, pytest.raises(UnsupportedVersion) as caught:
        read_statement_counters(conn)
    assert str(caught.value) == "pg_stat_statements 1.7 is not supported; pgLoupe needs 1.8 or newer"


def test_texts_only_of_the_entries_asked_for(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute("select 1 as first_one", "select 2, 3 as second_one", "select 4, 5, 6")
    with connect(settings_of(database)) as conn:
        reading = read_statement_counters(conn)
        everything = read_statement_texts(conn, reading.keys)
        by_text = {t.text: t for t in everything}
        wanted = by_text["select $1, $2 as second_one"]
        key = (wanted.role_oid, wanted.database_oid, wanted.queryid, wanted.toplevel)
        assert read_statement_texts(conn, [key]) == [wanted]
        gone = (wanted.role_oid, wanted.database_oid, wanted.queryid + 1, True)
        assert read_statement_texts(conn, [key, gone]) == [wanted]
        assert read_statement_texts(conn, []) == []
        assert read_statement_texts(conn, reading.keys[:0]) == []
        names = read_names(conn)
        assert names.databases[wanted.database_oid] == database.name
        assert names.roles[wanted.role_oid] == "postgres"


def test_nested_statements_are_told_apart(postgres, scratch_database):
    for major, told in ((13, False), (15, True)):
        database = scratch_database(postgres(major))
        database.execute(
            "create function f() returns bigint language sql volatile as 'select count(*) from pg_class'",
            "select count(*) from pg_class",
        )
        with database.connect() as connection:
            connection.execute("set pg_stat_statements.track = 'all'")
            connection.execute("select f()")
        with connect(settings_of(database)) as conn:
            texts = read_statement_texts(conn, read_statement_counters(conn).keys)
        found = sorted(t.toplevel for t in texts if t.text == "select count(*) from pg_class")
        assert found == ([False, True] if told else [True])


def test_without_rights_others_are_left_out(postgres18, scratch_database):
    database = scratch_database(postgres18)
    database.execute(f"revoke pg_monitor from {database.login}", "select 'somebody else'")
    with connect(settings_of(database)) as conn:
        read_names(conn)
        reading = read_statement_counters(conn)
        roles = read_names(conn).roles
    assert {roles[oid] for oid in reading.keys["role_oid"].tolist()} == {database.login}


def test_very_long_text_is_cut(postgres15, scratch_database):
    database = scratch_database(postgres15)
    database.execute("select 1 where 1 in (" + ", ".join(["length('ä')"] * 9000) + ")")
    with connect(settings_of(database)) as conn:
        texts = read_statement_texts(conn, read_statement_counters(conn).keys)
    (cut,) = [t for t in texts if t.text and t.text.startswith("select $1 where $2 in (length(")]
    assert len(cut.text) == 100_001


def test_texts_of_other_encodings_do_not_fail(postgres15, scratch_database):
    database = scratch_database(postgres15)
    name = f"{database.name}_latin1"
    with postgres15.connect() as connection:
        connection.execute(f"create database {name} template template0 encoding latin1 locale 'C'")
    try:
        with postgres15.connect(name) as connection:
            connection.execute("set client_encoding = 'utf8'")
            connection.execute('select 1 as "prénom"')
        with connect(settings_of(database)) as conn:
            texts = {t.text for t in read_statement_texts(conn, read_statement_counters(conn).keys)}
        assert any(text and text.startswith("select $1 as") for text in texts)
    finally:
        with postgres15.connect() as connection:
            connection.execute(f"drop database {name} with (force)")


def test_not_loaded_library_says_what_to_do(private_postgres):
    server = private_postgres(18, {"shared_preload_libraries": ""})
    with server.connect() as connection:
        connection.execute("create extension pg_stat_statements")
    with connect(ConnectionSettings.from_dsn(server.dsn())) as conn, pytest.raises(StatementFailed) as caught:
        read_statement_counters(conn)
    assert str(caught.value).endswith(
        "pg_stat_statements is not loaded; add it to shared_preload_libraries and restart the server"
    )


def test_reading_calls_no_function_for_each_counter_of_an_entry(private_postgres):
    """Its rows are taken apart by numpy, not one by one as psycopg does it: that takes as long as the server."""
    server = private_postgres(18, {"pg_stat_statements.max": 6000})
    with server.connect() as connection:
        connection.execute("create extension pg_stat_statements")
        for start in range(0, 5000, 500):
            connection.execute(
                "; ".join(f"select 1 as c{i}, {', '.join(['2'] * (i % 40 + 1))}, '{i}'::text as d{i}, x{i}.* from"
                          f" (select 3) as x{i} where {' + '.join(['1'] * (i // 40 + 1))} > 0"
                          for i in range(start, start + 500)).encode()
            )  # fmt: skip
    settings = ConnectionSettings.from_dsn(server.dsn())
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    with connect(settings) as conn:
        read_statement_counters(conn)  # what is made once is made
        sys.setprofile(count)
        try:
            reading = read_statement_counters(conn)
        finally:
            sys.setprofile(None)
    assert len(reading.keys) >= 4500
    assert calls < 5 * len(reading.keys) < len(COUNTERS) * len(reading.keys)


def test_none_is_read_as_none(postgres18, scratch_database):
    with connect(settings_of(scratch_database(postgres18))) as conn:
        reading = read_statement_counters(conn, limit=0)
    assert (len(reading.keys), reading.counters.shape, len(reading.stats_since)) == (0, (0, len(COUNTERS)), 0)


def test_a_value_that_is_missing_is_told_in_whatever_part_its_row_comes(postgres18, scratch_database):
    """No statement of ours can yield NULL, so another one is sent in its place."""
    columns = ("role_oid", "database_oid", "queryid", "toplevel", "calls")
    with connect(settings_of(scratch_database(postgres18))) as conn:

        def taken(calls: str) -> statements._Rows:
            rows = statements._Rows(columns)
            select = f"select 1::oid, 2::oid, n::int8, true, {calls} from generate_series(1, 3000) n"
            with conn.raw.cursor() as cursor, cursor.copy(f"copy ({select}) to stdout (format binary)") as copy:
                parts = [bytes(row) for row in copy]
            rows.take(parts[:1000])
            rows.take(parts[1000:])
            return rows

        whole = taken("n::int8")
        assert np.concatenate(whole.keys)["queryid"].tolist() == list(range(1, 3001))
        assert np.concatenate(whole.counters, axis=1)[COUNTERS.index("calls")].tolist() == list(range(1, 3001))
        for calls in ("nullif(n, 2999)::int8", "nullif(n, 1)::int8", "n::int4"):
            with pytest.raises(StatementFailed, match="a counter has no value"):
                taken(calls)
