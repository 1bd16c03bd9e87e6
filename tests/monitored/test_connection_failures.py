"""Why a server cannot be reached: one precise reason each, and never the password."""

import logging
import os
import socket
import threading
import traceback

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from analyzer.errors import ServerUnreachable, StatementFailed
from analyzer.management.commands import advise, analyze, inspect_plan, predict, review_migration
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.login import WAKING_S
from analyzer.runtime.processes import RuntimeFailure
from tests.tls import Authority, give_certificate

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

CANARY = "canary-3f9a-password"
NO_ANSWER = (
    "no answer in time: wrong address, a firewall, a server that hangs, or one that sleeps and takes longer to wake"
)


def why(settings, **kwargs):
    with pytest.raises(ServerUnreachable) as caught, connect(settings, **kwargs):
        pass
    everything = str(caught.value) + repr(caught.value) + "".join(traceback.format_exception(caught.value))
    assert CANARY not in everything
    assert str(caught.value) == f"Cannot connect to {settings.address}: {caught.value.reason}"
    return caught.value.reason


def settings(**changes):
    return ConnectionSettings(
        **{"host": "127.0.0.1", "user": "joe", "dbname": "shop", "password": CANARY, "sslmode": "prefer", **changes}
    )


@pytest.fixture
def listener():
    """A TCP server that does with each connection what it is told."""
    sockets = []

    def listen(behave):
        server = socket.create_server(("127.0.0.1", 0))
        sockets.append(server)

        def serve():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                sockets.append(client)
                behave(client)

        threading.Thread(target=serve, daemon=True).start()
        return server.getsockname()[1]

    yield listen
    for one in sockets:
        one.close()


def test_unknown_host_name():
    reason = why(settings(host="no-such-host.invalid", sslmode="require"))
    assert reason == "the host name is not known; check its spelling"


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    reason = why(settings(port=port))
    assert reason == "the connection was refused: no server listens there, or a firewall rejects it"


def test_no_socket_in_the_directory(tmp_path):
    assert why(settings(host=str(tmp_path))) == "there is no server's socket in this directory"


def test_server_that_never_answers(listener):
    port = listener(lambda client: None)
    reason = why(settings(port=port), connect_timeout_s=2)
    assert reason == NO_ANSWER


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        (analyze, ["analyze", "DSN"]),
        (advise, ["advise", "DSN"]),
        (predict, ["predict", "DSN", "FILE"]),
        (review_migration, ["review_migration", "DSN", "FILE"]),
        (inspect_plan, ["inspect_plan", "FILE", "--dsn", "DSN"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_waits_for_a_server_that_wakes(module, arguments, tmp_path, monkeypatch):
    patience_s = []

    def asleep(server, *, connect_timeout_s=5, **more):
        patience_s.append(connect_timeout_s)
        raise ServerUnreachable(server.address, "it sleeps")

    monkeypatch.setattr(module, "connect", asleep)
    file = tmp_path / "file"
    file.write_text("Result  (cost=0.00..0.01 rows=1 width=4)" if module is inspect_plan else "select 1;")
    given = {"DSN": "postgresql://joe@127.0.0.1/shop", "FILE": str(file)}
    with pytest.raises(CommandError, match="it sleeps"):
        call_command(*(given.get(argument, argument) for argument in arguments))
    assert patience_s == [WAKING_S]


def test_something_else_listens(listener):
    port = listener(lambda client: client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\nhello"))
    assert why(settings(port=port)) == "what answers at this address is not PostgreSQL"


def test_connection_closed_at_once(listener):
    port = listener(lambda client: client.close())
    reason = why(settings(port=port))
    assert reason == "the connection was closed at once: the server stopped, or it is not PostgreSQL"


@pytest.mark.postgres
class TestOnAServer:
    def test_wrong_password(self, any_postgres, scratch_database, caplog):
        database = scratch_database(any_postgres)
        caplog.set_level(logging.DEBUG)
        reason = why(settings(port=any_postgres.cluster.port, user=database.login, dbname=database.name))
        assert reason == "the password or the login's name is wrong"
        assert CANARY not in caplog.text

    def test_no_password(self, postgres15, scratch_database):
        database = scratch_database(postgres15)
        reason = why(settings(port=postgres15.cluster.port, user=database.login, dbname=database.name, password=""))
        assert reason == "the server asks for a password and none was given"

    def test_no_such_database(self, any_postgres, scratch_database):
        database = scratch_database(any_postgres)
        good = ConnectionSettings.from_dsn(database.dsn)
        with pytest.raises(ServerUnreachable) as caught, connect(good, dbname="nowhere"):
            pass
        assert caught.value.reason == "the database does not exist"
        assert caught.value.address == f"127.0.0.1:{any_postgres.cluster.port}/nowhere"

    def test_no_connection_left(self, postgres18, scratch_database):
        database = scratch_database(postgres18)
        database.execute(f"alter role {database.login} connection limit 0")
        with (
            pytest.raises(ServerUnreachable) as caught,
            connect(ConnectionSettings.from_dsn(database.dsn)),
        ):
            pass
        assert caught.value.reason == "the server has no connection left for this login"

    def test_login_that_may_not_log_in_or_connect(self, postgres15, scratch_database):
        database = scratch_database(postgres15)
        good = ConnectionSettings.from_dsn(database.dsn)
        database.execute(f"revoke connect on database {database.name} from public")
        with pytest.raises(ServerUnreachable, match="GRANT CONNECT is missing"), connect(good):
            pass
        database.execute(f"alter role {database.login} nologin")
        with pytest.raises(ServerUnreachable, match="may not log in"), connect(good):
            pass

    def test_server_without_tls(self, postgres15, scratch_database):
        database = scratch_database(postgres15)
        reason = why(
            settings(port=postgres15.cluster.port, user=database.login, dbname=database.name, sslmode="require")
        )
        assert reason == (
            "the server offers no TLS, and pgLoupe does not send a password without it; turn on ssl on the server,"
            " or, in a network you trust, name it in PGLOUPE_ALLOW_PLAINTEXT_TO and take sslmode=prefer"
        )

    def test_pooler_without_the_database(self, postgres15, scratch_database, pgbouncer):
        database = scratch_database(postgres15)
        pooler = pgbouncer(database)
        good = ConnectionSettings.from_dsn(pooler.dsn())
        with pytest.raises(ServerUnreachable) as caught, connect(good, dbname="nowhere"):
            pass
        assert caught.value.reason in (
            "the database does not exist",
            "the connection pooler cannot reach the database behind it",
        )


@pytest.fixture(scope="module")
def certificates():
    """A CA of the server's certificate, which is for 127.0.0.1 but not for localhost; and another."""
    return Authority(), Authority("Other CA")


@pytest.fixture
def tls_server(private_postgres, certificates):
    ca, other = certificates
    server = private_postgres(15)
    give_certificate(server, ca.issue())
    hba = server.cluster.data_dir / "pg_hba.conf"
    hba.write_text(
        "local all all trust\nhostssl all clear 127.0.0.1/32 password\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
    )
    server.cluster.settings["ssl"] = "on"
    try:
        server.cluster.restart()
    except RuntimeFailure as failure:
        if "SSL is not supported by this build" not in str(failure) or IN_CI:
            raise
        pytest.skip("PostgreSQL 15 here is built without TLS (Debian's has it)")
    with server.connect() as connection:
        connection.execute(f"create role clear login password '{CANARY}'")
    return server, ca.pem, other.pem


@pytest.mark.postgres
def test_tls(tls_server):
    server, ca, other = tls_server
    base = {
        "host": "127.0.0.1", "port": server.cluster.port, "user": "postgres", "dbname": "postgres",
        "password": server.cluster.superuser_password,
    }  # fmt: skip
    for tls in ({"sslmode": "require"}, {"sslmode": "verify-full", "sslrootcert": ca}):
        with connect(ConnectionSettings(**base, **tls)) as conn:
            assert conn.raw.pgconn.ssl_in_use
    wrong = ConnectionSettings(**base, sslmode="verify-full", sslrootcert=other)
    assert why(wrong) == ("the server's certificate cannot be verified; give its CA certificate (PEM) or the right one")
    unknown = ConnectionSettings(**base, sslmode="verify-full")
    assert "cannot be verified" in why(unknown)
    named = ConnectionSettings(**{**base, "host": "localhost"}, sslmode="verify-full", sslrootcert=ca)
    assert why(named) == "the server's certificate is for another host name (sslmode=verify-full)"
    assert "perhaps only with TLS" in why(ConnectionSettings(**base, sslmode="disable"))
    clear = {**base, "user": "clear", "password": CANARY}
    assert why(ConnectionSettings(**clear, sslmode="require")) == (
        "the server asks for the password in clear text; pgLoupe sends it so only with sslmode=verify-full"
    )
    with connect(ConnectionSettings(**clear, sslmode="verify-full", sslrootcert=ca)) as conn:
        assert conn.role == "clear"


@pytest.mark.postgres
@pytest.mark.fault
def test_stopped_server(private_postgres):
    server = private_postgres(15)
    settings = ConnectionSettings.from_dsn(server.dsn())
    server.cluster.kill()
    assert "refused" in why(settings)


@pytest.mark.postgres
def test_a_foreign_servers_refusal_is_not_the_loss_of_ours(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute(
        "create extension postgres_fdw",
        "create server away foreign data wrapper postgres_fdw options (host '127.0.0.1', port '1')",
        "create user mapping for public server away options (user 'x', password 'y')",
        "create foreign table distant (id int) server away options (use_remote_estimate 'true')",
        f'grant usage on foreign server away to "{database.login}"',
        f'grant select on distant to "{database.login}"',
    )
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
        with conn.transaction_read_only(), pytest.raises(StatementFailed) as failed:
            conn.execute("explain select * from public.distant", action="planning a statement")
        assert str(failed.value) == (
            "planning a statement failed (08001): a foreign server that it asks cannot be reached"
        )
        with conn.transaction_read_only():
            assert conn.run("gate_session", action="looking")
