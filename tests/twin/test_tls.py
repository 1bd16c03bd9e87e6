"""Twins of servers that are reached by TLS alone, verified and logged in to as the settings ask."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.advice.planner import Query
from analyzer.errors import MonitoredServerError, ServerUnreachable
from analyzer.monitored.catalog.schema_dump import dump_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.runtime.client_programs import client_program
from analyzer.twin import lease, remove
from tests.conftest import need
from tests.servers import ScratchDatabase
from tests.tls import Authority, give_certificate, start_hostssl

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]
LOOKUP = Query("q", "q", "select * from t where a = 5", 1.0)
UNVERIFIED = "the server's certificate cannot be verified; give its CA certificate (PEM) or the right one"
WITHOUT_BINDING = (
    "channel_binding=require, and the server logs in without; it takes TLS and a SCRAM password, and no pooler"
)


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module", params=(13, 15, 18), ids=lambda version: f"pg{version}")
def server(request, authority):
    started = need(lambda: start_hostssl(request.param, authority))
    yield started
    started.cluster.remove()


@pytest.fixture(scope="module")
def database(server):
    found = ScratchDatabase(server)
    found.execute("create table t as select g as a, repeat('x', 200) as b from generate_series(1, 20000) as g")
    found.vacuum()
    return found


@pytest.fixture
def by(database, authority):
    """Settings of the database's own login; ``host`` localhost is not what the certificate says."""

    def settings(**changes):
        given = {
            "host": "127.0.0.1", "port": database.server.cluster.port, "user": database.login,
            "password": database.password, "dbname": database.name, "sslrootcert": authority.pem, **changes,
        }  # fmt: skip
        return ConnectionSettings(**given)

    return settings


@pytest.fixture
def dump(tmp_path):
    def run(settings):
        target = tmp_path / "dump"
        dump_schema(settings, target, pg_dump=client_program("pg_dump", 180_000))
        return target.read_bytes()

    return run


def why_not(dump, settings):
    """pg_dump's session fails as every other does, so the twin's maker hears the same from both."""
    with pytest.raises(ServerUnreachable) as caught:
        dump(settings)
    with pytest.raises(ServerUnreachable) as other, connect(settings):
        pass
    assert str(caught.value) == str(other.value)
    return caught.value.reason


@pytest.mark.parametrize(
    "verified",
    [
        {"sslmode": "require"},
        {"sslmode": "verify-ca", "host": "localhost", "hostaddrs": ("127.0.0.1",)},
        {"sslmode": "verify-full"},
        {"sslmode": "verify-full", "requires_channel_binding": True},
        {"sslmode": "require", "requires_channel_binding": True, "hostaddrs": ("127.0.0.2", "127.0.0.1")},
        {"sslmode": "prefer"},
    ],
    ids=["require", "verify-ca", "verify-full", "verify-full-and-binding", "second-address", "prefer"],
)
def test_a_twin_is_made_and_plans(verified, by, var_dir):
    for used in (var_dir / "twins").glob("*/used"):
        assert remove(used.parent)  # so that it is dumped by this session
    with lease(by(**verified), var_dir) as twin:
        assert twin.timing.dump_s > 0
        assert twin.missing == ()
        assert twin.plan(LOOKUP).rows == 1
        assert twin.plan(Query("all", "all", "select * from t", 1.0)).rows == 20_000


def test_what_does_not_verify_is_not_dumped(by, dump, server, authority):
    other = Authority("Other CA").pem
    for sslmode in ("verify-ca", "verify-full"):
        assert why_not(dump, by(sslmode=sslmode, sslrootcert=other)) == UNVERIFIED
        assert why_not(dump, by(sslmode=sslmode, sslrootcert="")) == UNVERIFIED  # the machine's own
    wrong_name = by(sslmode="verify-full", host="localhost", hostaddrs=("127.0.0.1",))
    assert why_not(dump, wrong_name) == "the server's certificate is for another host name (sslmode=verify-full)"
    assert "perhaps only with TLS" in why_not(dump, by(sslmode="disable"))
    assert why_not(dump, by(sslmode="verify-full", password="wrong")) == "the password or the login's name is wrong"
    give_certificate(server, authority.issue(days=-1))
    server.cluster.restart()
    try:
        assert why_not(dump, by(sslmode="verify-full")) == UNVERIFIED
        assert b"CREATE TABLE" in dump(by(sslmode="require"))  # which does not look at it
    finally:
        give_certificate(server, authority.issue())
        server.cluster.restart()


@pytest.mark.parametrize(
    ("login", "works", "refused"),
    [
        ("clear_joe", [{"sslmode": "verify-full"}, {"sslmode": "verify-ca"}],
         {"sslmode": "require"}),
        ("md5_joe", [{"sslmode": "require"}, {"sslmode": "verify-full"}],
         {"sslmode": "verify-full", "requires_channel_binding": True}),
        ("trusted_joe", [{"sslmode": "require"}],
         {"sslmode": "require", "requires_channel_binding": True}),
    ],
)  # fmt: skip
def test_ways_to_log_in(login, works, refused, by, dump, database):
    group = f"in role {login.partition('_')[0]}_" if database.server.version < 16 else ""
    database.execute(
        "set password_encryption to md5",
        f"create role {login} login superuser password 'canary' {group}",
    )
    try:
        for settings in works:
            assert b"CREATE TABLE" in dump(by(user=login, password="canary", **settings))
        reason = why_not(dump, by(user=login, password="canary", **refused))
        assert reason == (
            "the server asks for the password in clear text; pgLoupe sends it so only with sslmode=verify-full"
            if login == "clear_joe"
            else WITHOUT_BINDING
        )
    finally:
        database.execute(f"drop role {login}")


def test_a_pooler_with_tls_is_named_as_what_it_is(by, dump, database, authority, pgbouncer, var_dir):
    pooler = pgbouncer(database, tls=authority.issue())
    through = by(port=pooler.port, sslmode="verify-full")
    with pytest.raises(MonitoredServerError) as caught, lease(through, var_dir):
        pass
    assert str(caught.value) == (
        f"127.0.0.1:{pooler.port}/{database.name} is a connection pooler: pg_dump, which reads schema and statistics,"
        " would leave its settings in the application's sessions; give the address of the PostgreSQL server itself"
    )
    with pytest.raises(ServerUnreachable) as bound, connect(replace(through, requires_channel_binding=True)):
        pass
    assert bound.value.reason == WITHOUT_BINDING
    assert "perhaps only with TLS" in why_not(dump, by(port=pooler.port, sslmode="disable"))


@pytest.mark.parametrize("server", [18], indirect=True, ids=["pg18"])
def test_commands_take_a_private_ca(database, authority, var_dir, tmp_path):
    ca, workload = tmp_path / "ca.pem", tmp_path / "workload"
    ca.write_text(authority.pem)
    workload.mkdir()
    (workload / "lookup.sql").write_text("select * from t where a = $1")
    (workload / "weights.json").write_text(json.dumps({"lookup": 50_000}))
    dsn = f"{database.dsn}?sslmode=verify-full&channel_binding=require&sslrootcert={ca}"
    done = subprocess.run(
        [sys.executable, "manage.py", "advise", dsn, f"--workload={workload}", "--format=json"],
        cwd=ROOT, env={**os.environ, "PGLOUPE_VAR_DIR": str(var_dir)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    (index,) = json.loads(done.stdout)["indexes"]
    assert (index["table"], index["definition"]) == ("public.t", "(a)")
