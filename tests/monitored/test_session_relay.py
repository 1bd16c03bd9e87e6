"""A session lent to psql and pg_dump: they see the server as if they had connected to it themselves."""

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from analyzer.errors import ConnectionLost, MissingRight, MonitoredServerError, ServerUnreachable, StatementCancelled
from analyzer.monitored.catalog.schema_dump import dump_schema
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.session_relay import PORT, private_listener, serve
from analyzer.runtime.client_programs import client_program
from tests.environment import IN_VAIN_S
from tests.waiting import wait_for

pytestmark = pytest.mark.postgres

PG_DUMP = client_program("pg_dump", 180_000)


@pytest.fixture
def relayed(postgres18):
    """Output and errors of a program that talks to a session on 18, and that session's last error."""

    def run(command, text="", timeout_s=IN_VAIN_S):
        with (
            contextlib.closing(postgres18.connect()) as session,
            private_listener() as (directory, listener),
            tempfile.TemporaryFile("w+") as given,
        ):
            assert directory.stat().st_mode & 0o777 == 0o700
            given.write(text)
            given.seek(0)
            place = f"host={directory} port={PORT} user=postgres dbname=postgres"
            with subprocess.Popen(
                [part.format(place) for part in command],
                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=given,
            ) as program:  # fmt: skip
                error = serve(session, listener, program, timeout_s)
                out, err = program.communicate(timeout=IN_VAIN_S)
        assert not directory.exists()
        return out, err, error

    return run


PSQL = (str(PG_DUMP.with_name("psql")), "-X", "-q", "-A", "-t", "{}")


@pytest.mark.parametrize(
    ("statements", "out"),
    [
        ("select 1, null, '', 'ä';", "1|||ä\n"),
        ("select g from generate_series(1, 500) as g;", "".join(f"{g}\n" for g in range(1, 501))),
        (r"select 1\; select 2 where false\; select 3;", "1\n3\n"),
        (";select;\\;", ""),
        ("begin; savepoint s; select 1;\n\\echo :ERROR\n rollback;", "1\nfalse\n"),
        ("set client_encoding to latin1;\n\\encoding\n", "LATIN1\n"),
        ("set application_name to other; show application_name;", "other\n"),
        ("select length(repeat('x', 5000000)), length('" + "b" * 300_000 + "');", "5000000|300000\n"),
        (r"select $1 \; select 1;", ""),
    ],
    ids=["values", "rows", "several", "none", "transaction", "encoding", "setting", "long", "error"],
)  # fmt: skip
def test_results_are_as_of_the_server(statements, out, relayed):
    assert relayed(PSQL, statements)[0] == out


def test_errors_are_as_of_the_server_and_kept(relayed):
    out, err, error = relayed(PSQL, "select 1/0;\n\\echo :LAST_ERROR_SQLSTATE\nbegin;\noops;\n")
    assert out == "22012\n"
    assert err == 'ERROR:  division by zero\nERROR:  syntax error at or near "oops"\nLINE 1: oops;\n        ^\n'
    assert error.sqlstate == "42601"


def test_statements_are_marked(relayed):
    out, _, _ = relayed(PSQL, "select query from pg_stat_activity where pid = pg_backend_pid();")
    assert out == "select /* pgloupe */ query from pg_stat_activity where pid = pg_backend_pid();\n"


def test_other_than_simple_queries_are_refused(relayed):
    _, err, _ = relayed(PSQL, "select $1 \\bind 1 \\g\n")
    assert "FATAL:  pgLoupe's relay takes simple queries only" in err
    _, err, error = relayed(PSQL, "copy (select 1) to stdout;")
    assert "FATAL:  the connection to the server was lost" in err
    assert str(error) == "the relay does not take COPY_OUT"


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        (struct.pack("!ii", 8, 80877103), b"E"),  # SSLRequest: no client asks for that on a Unix socket
        (struct.pack("!ii", 2_000_000_000, 3 << 16), b""),
        (struct.pack("!i", 3), b""),
        (b"", b""),
        (struct.pack("!ii", 36, (3 << 16) + 9999) + b"user\0postgres\0_pq_.more\0on\0\0", b"v"),
    ],
)
def test_start_up_packets(packet, answer, postgres18):
    with postgres18.connect() as session, private_listener() as (directory, listener):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(directory / f".s.PGSQL.{PORT}"))
        client.sendall(packet)
        client.shutdown(socket.SHUT_WR)
        with client, subprocess.Popen(["sleep", "60"]) as program:
            assert serve(session, listener, program, 5) is None
            assert client.recv(1) == answer
            program.kill()


def test_program_that_never_connects_is_not_waited_for(relayed):
    assert relayed(["true"]) == ("", "", None)
    with pytest.raises(TimeoutError):
        relayed(["sleep", "1"], timeout_s=0.2)


# -- pg_dump ----------------------------------------------------------------------------------------------


@pytest.fixture
def database(scratch_database, postgres15):
    found = scratch_database(postgres15)
    found.execute("create table t as select g as a from generate_series(1, 1000) as g", "analyze t")
    return found


def settings_of(database):
    return ConnectionSettings.from_dsn(database.dsn)


def sessions(database):
    with database.connect() as connection:
        return connection.execute(
            "select count(*) from pg_stat_activity where usename = %s", [database.login]
        ).fetchone()[0]


@pytest.fixture
def locked(database):
    """pg_dump waits for this table."""
    with database.connect(autocommit=False) as other:
        other.execute("lock table t in access exclusive mode")
        yield database


def waits(database):
    with database.connect() as connection:
        return connection.execute(
            "select count(*) = 1 from pg_stat_activity where usename = %s and wait_event_type = 'Lock'",
            [database.login],
        ).fetchone()[0]


def test_program_gets_no_password(database, tmp_path, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "of somebody else")
    spy = tmp_path / "pg_dump"
    spy.write_text(f'#!/bin/sh\n(env; printf "%s\\n" "$@") > {tmp_path}/seen\nexec {PG_DUMP} "$@"\n')
    spy.chmod(0o755)
    dump_schema(settings_of(database), tmp_path / "dump", pg_dump=spy)
    seen = (tmp_path / "seen").read_text()
    assert database.login in seen
    assert database.password not in seen
    assert "PGPASSWORD" not in seen
    assert (tmp_path / "dump").stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dump", "pg_dump", "seen"]


def test_dump_is_that_of_a_direct_connection(any_postgres, scratch_database, tmp_path):
    database = scratch_database(any_postgres)
    database.execute(
        "create table t (a int primary key, b text collate \"C\" default 'ü')",
        "insert into t select g, 'v' || g % 7 from generate_series(1, 1000) as g",
        "analyze t",
    )
    dump_schema(settings_of(database), tmp_path / "relayed", pg_dump=PG_DUMP)
    direct = [str(PG_DUMP), "-Fc", "--no-data", "--statistics", "--no-owner", "--no-privileges", "--no-comments"]
    subprocess.run([*direct, f"--file={tmp_path}/direct", f"--dbname={database.superuser_dsn}"], check=True)
    restore = str(PG_DUMP.with_name("pg_restore"))
    texts = [
        subprocess.run(
            [restore, "--restrict-key=x", "-f-", tmp_path / name], capture_output=True, text=True, check=True
        ).stdout
        for name in ("relayed", "direct")
    ]
    assert "most_common_vals" in texts[0]
    # options of columns that only some minor releases know are blanked in ours (twin/restore.py)
    ours, direct_text = (re.sub(r"ALTER TABLE ONLY \S+ ALTER COLUMN \S+ SET \(pg_attver=\d+\);", "", t) for t in texts)
    assert [line for line in ours.splitlines() if line.strip()] == [
        line for line in direct_text.splitlines() if line.strip()
    ]


def test_database_of_another_encoding(postgres15, tmp_path):
    with postgres15.connect() as connection:
        connection.execute("create database latin encoding latin1 template template0 lc_collate 'C' lc_ctype 'C'")
    try:
        with postgres15.connect("latin") as connection:
            connection.execute("create table größe (a int)")
        settings = ConnectionSettings.from_dsn(postgres15.dsn("latin"))
        dump_schema(settings, tmp_path / "dump", pg_dump=PG_DUMP)
        assert "größe".encode("latin1") in (tmp_path / "dump").read_bytes()
    finally:
        with postgres15.connect() as connection:
            connection.execute("drop database latin with (force)")


def test_missing_right_says_what_to_grant(database, tmp_path):
    database.execute(f"revoke pg_read_all_data from {database.login}")
    with pytest.raises(MissingRight) as caught:
        dump_schema(settings_of(database), tmp_path / "dump", pg_dump=PG_DUMP)
    assert str(caught.value) == (
        f"Role '{database.login}' may not use table t, which pg_dump needs; its owner can run:"
        f' GRANT SELECT ON "t" TO "{database.login}";'
    )
    assert not (tmp_path / "dump").exists()


def test_lock_in_the_way_is_waited_for_briefly(locked, tmp_path):
    with pytest.raises(StatementCancelled) as caught:
        dump_schema(settings_of(locked), tmp_path / "dump", pg_dump=PG_DUMP, lock_timeout_ms=200)
    assert str(caught.value) == (
        "dumping schema and statistics was stopped: a lock on a table was held by others for longer than we wait"
    )


def test_dump_that_takes_too_long_is_stopped_on_the_server_too(locked, tmp_path):
    with pytest.raises(StatementCancelled, match="it took longer than 1 s"):
        dump_schema(settings_of(locked), tmp_path / "dump", pg_dump=PG_DUMP, lock_timeout_ms=60_000, timeout_s=1)
    wait_for(lambda: sessions(locked) == 0)
    assert list(tmp_path.iterdir()) == []


def test_server_that_ends_the_session_is_a_lost_connection(locked, tmp_path):
    def end():
        wait_for(lambda: waits(locked))
        locked.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{locked.login}'")

    threading.Thread(target=end).start()
    with pytest.raises(ConnectionLost, match="was lost while dumping schema and statistics"):
        dump_schema(settings_of(locked), tmp_path / "dump", pg_dump=PG_DUMP, lock_timeout_ms=60_000)


def test_pg_dump_that_is_killed_ends_its_statement(locked, tmp_path):
    pid_file = tmp_path / "pid"
    spy = tmp_path / "pg_dump"
    spy.write_text(f'#!/bin/sh\necho $$ > {pid_file}\nexec {PG_DUMP} "$@"\n')
    spy.chmod(0o755)

    def kill():
        wait_for(lambda: waits(locked))
        os.kill(int(pid_file.read_text()), signal.SIGKILL)

    threading.Thread(target=kill).start()
    with pytest.raises(MonitoredServerError, match="failed; pg_dump gave no reason"):
        dump_schema(settings_of(locked), tmp_path / "dump", pg_dump=spy, lock_timeout_ms=60_000)
    wait_for(lambda: sessions(locked) == 0)


def test_pg_dump_says_its_own_reasons_readably(database, tmp_path):
    spy = tmp_path / "pg_dump"
    spy.write_text(f'#!/bin/sh\nexec {PG_DUMP} --table=nowhere "$@"\n')
    spy.chmod(0o755)
    with pytest.raises(MonitoredServerError) as caught:
        dump_schema(settings_of(database), tmp_path / "dump", pg_dump=spy)
    assert str(caught.value) == "dumping schema and statistics failed; pg_dump says: no matching tables were found"


DUMPER = """
import sys
from pathlib import Path
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.catalog.schema_dump import dump_schema
settings = ConnectionSettings.from_dsn(sys.argv[1])
dump_schema(settings, Path(sys.argv[2]), pg_dump=Path(sys.argv[3]), lock_timeout_ms=60000)
"""


@pytest.mark.fault
def test_all_of_it_ends_when_pgloupe_is_killed(locked, tmp_path):
    before = set(Path("/tmp").glob("pgloupe-*"))
    command = [sys.executable, "-c", DUMPER, locked.dsn, str(tmp_path / "dump"), str(PG_DUMP)]
    with subprocess.Popen(command) as pgloupe:
        wait_for(lambda: waits(locked))
        children = Path(f"/proc/{pgloupe.pid}/task/{pgloupe.pid}/children").read_text().split()
        assert len(children) == 1
        pgloupe.kill()
    wait_for(lambda: not Path(f"/proc/{children[0]}").exists())
    assert set(Path("/tmp").glob("pgloupe-*")) - before == set()
    with locked.connect() as connection:  # a server sees that a client is gone when it writes to it
        connection.execute("select pg_cancel_backend(pid) from pg_stat_activity where usename = %s", [locked.login])
    wait_for(lambda: sessions(locked) == 0)


def test_several_dumps_at_once(database, tmp_path):
    failed = []

    def dump(number):
        try:
            dump_schema(settings_of(database), tmp_path / f"dump{number}", pg_dump=PG_DUMP)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=dump, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(list(tmp_path.iterdir())) == 4


def test_error_of_the_login_is_that_of_other_sessions(database, tmp_path):
    wrong = ConnectionSettings.from_dsn(database.dsn.replace(database.password, "canary"))
    with pytest.raises(ServerUnreachable) as caught:
        dump_schema(wrong, tmp_path / "dump", pg_dump=PG_DUMP)
    assert str(caught.value) == f"Cannot connect to {wrong.address}: the password or the login's name is wrong"
