"""A monitored server that is a streaming replica: explained like any other, and told where recovery gets in the way."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from analyzer.models import ExplainAudit, ExplainState, PlanRecord, StepStatus
from analyzer.models import Server as Monitored
from analyzer.monitored.access.address_policy import AddressPolicy
from analyzer.monitored.access.replica import NotItsReplica, need_replica
from analyzer.monitored.catalog.cluster import read_cluster
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.explain.explain import ExplainLimits, ExplainRequest, explain_statement
from analyzer.runtime.initdb import run_program
from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.system_user import make_private_dir
from analyzer.statements.fingerprint import fingerprint
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.store.servers import add_server_from_dsn
from tests import servers
from tests.conftest import need
from tests.dashboard import world
from tests.dashboard.test_server_form import of
from tests.servers import ScratchDatabase, Server
from tests.waiting import wait_for

pytestmark = [pytest.mark.fault, pytest.mark.postgres]
SLOW = "select count(*) from item where md5(md5(md5(name))) < md5(md5(md5(name || 'x')))"
RUNNING = (
    "select pid from pg_stat_activity where query like '%ANALYZE%EXECUTE%' and state = 'active'"
    " and pid <> pg_backend_pid() and now() - query_start > '100 ms'"
)


def standby_of(primary: Server, **settings: str | int) -> Server:
    """A streaming replica of a private server, made by pg_basebackup; the caller stops it."""
    cluster = primary.cluster
    with (cluster.data_dir / "pg_hba.conf").open("a") as hba:
        hba.write("local replication all trust\n")
    cluster.reload()
    target = cluster.data_dir.with_name(f"{cluster.data_dir.name}-standby")
    make_private_dir(target, cluster.user)
    source = ["-h", str(cluster.socket_dir), "-p", str(cluster.port), "-U", "postgres"]
    run_program(
        cluster.bin_dir, cluster.user, "pg_basebackup", "-D", str(target), *source, "-R", "-X", "stream", "-c", "fast"
    )
    replica = PostgresCluster(target, bin_dir=cluster.bin_dir, settings={**cluster.settings, **settings}, tcp=True)
    replica.start()
    return Server(primary.version, replica)


@pytest.fixture
def pair() -> Iterator[tuple[ScratchDatabase, Server]]:
    """A database on the primary, and a replica that lets nobody hold up its recovery."""
    primary = need(lambda: servers.start_private(18))
    database = ScratchDatabase(primary)
    database.execute(
        "create table item as select n as id, md5(n::text) as name from generate_series(1, 700000) n",
        "alter table item add primary key (id)",
    )
    database.vacuum()
    replica = standby_of(primary, max_standby_streaming_delay="0", hot_standby_feedback="off")
    try:
        _wait_for_replay(database, replica)
        yield database, replica
    finally:
        replica.cluster.remove()
        primary.cluster.remove()


def _wait_for_replay(database: ScratchDatabase, replica: Server) -> None:
    with database.connect() as connection, replica.connect() as standby:
        (target,) = connection.execute("select pg_current_wal_lsn()").fetchone() or (None,)
        wait_for(lambda: _one(standby, f"select pg_last_wal_replay_lsn() >= '{target}'::pg_lsn"))


def _one(connection: psycopg.Connection[tuple[object, ...]], sql: str) -> object:
    row = connection.execute(sql.encode()).fetchone()
    return row[0] if row else None


def _remove_rows_while_it_runs(database: ScratchDatabase, replica: Server, stop: threading.Event) -> None:
    with replica.connect() as standby, database.connect() as connection:
        while not stop.is_set() and _one(standby, RUNNING) is None:
            stop.wait(0.02)
        while not stop.is_set():
            connection.execute("delete from item where id in (select id from item limit 10)")
            connection.execute("vacuum item")
            stop.wait(0.05)


@pytest.mark.django_db(transaction=True)
def test_a_replica_is_explained_and_a_conflict_is_told_and_tried_again(pair: tuple[ScratchDatabase, Server]) -> None:
    database, replica = pair
    server = add_server_from_dsn(replica.dsn(database.name, database.login, database.password), cores=64)

    def run(step: str) -> str:
        functions = {
            "snapshot": pipeline.take_snapshot,
            "schema": schema_step.read_schema,
            "explain": pipeline.explain_statements,
        }
        pipeline.run_step(server, step, functions[step])
        server.refresh_from_db()
        return StepStatus.objects.get(server=server, step=step).last_error

    assert (run("snapshot"), run("schema")) == ("", "")
    with replica.connect(database.name) as application:
        for _ in range(2):
            application.execute(SLOW.encode())
    assert run("snapshot") == ""

    stop = threading.Event()
    removing = threading.Thread(target=_remove_rows_while_it_runs, args=(database, replica, stop))
    removing.start()
    try:
        assert run("explain") == ""
    finally:
        stop.set()
        removing.join()
    audit = ExplainAudit.objects.get(statement__tables=["item"])
    assert (audit.decision, audit.layer) == ("failed", "conflict")
    assert audit.reason.startswith("executing a statement was stopped: a conflict with recovery")
    state = ExplainState.objects.get(statement__tables=["item"])
    assert timedelta(minutes=9) < state.next_at - timezone.now() <= timedelta(minutes=10)
    assert not PlanRecord.objects.filter(is_analyzed=True, statement__tables=["item"]).exists()

    ExplainState.objects.update(next_at=timezone.now())
    _wait_for_replay(database, replica)
    assert run("explain") == ""
    assert PlanRecord.objects.filter(is_analyzed=True, statement__tables=["item"]).exists()
    assert ExplainState.objects.get(statement__tables=["item"]).outcome == "executed"


EXPLAINED = "select count(*) from pg_stat_statements where query like 'EXPLAIN%'"


@pytest.mark.django_db(transaction=True)
def test_a_server_with_a_replica_is_explained_there(pair: tuple[ScratchDatabase, Server], settings: Any) -> None:
    database, replica = pair
    settings.ADDRESS_POLICY = AddressPolicy.parse("default,127.0.0.0/8")
    server = add_server_from_dsn(database.dsn, cores=64, replica_host="127.0.0.1", replica_port=replica.cluster.port)

    def explain() -> str:
        pipeline.run_step(server, "explain", pipeline.explain_statements)
        return StepStatus.objects.get(server=server, step="explain").last_error

    pipeline.run_step(server, "snapshot", pipeline.take_snapshot)
    pipeline.run_step(server, "schema", schema_step.read_schema)
    with database.connect() as application:
        for _ in range(2):
            application.execute(SLOW.encode())
    pipeline.run_step(server, "snapshot", pipeline.take_snapshot)
    assert explain() == ""
    assert PlanRecord.objects.filter(is_analyzed=True, statement__tables=["item"]).exists()
    with database.connect() as on_primary, replica.connect(database.name) as on_replica:
        assert _one(on_primary, EXPLAINED) == 0
        assert int(str(_one(on_replica, EXPLAINED))) > 0

    ExplainState.objects.all().delete()
    Monitored.objects.update(replica_port=database.server.cluster.port)  # it was promoted, or is another machine today
    server.refresh_from_db()
    here = f"127.0.0.1:{database.server.cluster.port}/{database.name}"
    assert explain() == f"{here} is no replica of {here}: it takes writes; nothing is explained there"
    assert not ExplainState.objects.exists()


def test_a_primary_names_the_standbys_that_stream_from_it(pair: tuple[ScratchDatabase, Server]) -> None:
    database, replica = pair
    for dsn, standbys in ((database.dsn, 1), (replica.dsn(database.name, database.login, database.password), 0)):
        with connect(ConnectionSettings.from_dsn(dsn)) as conn:
            facts = read_cluster(conn)
        assert (len(facts.standbys or ()), facts.is_replica) == (standbys, standbys == 0)


def test_a_replica_of_another_system_is_refused(pair: tuple[ScratchDatabase, Server], scratch_database: Any) -> None:
    database, replica = pair
    copy = ConnectionSettings.from_dsn(replica.dsn(database.name, database.login, database.password))
    need_replica(copy, ConnectionSettings.from_dsn(database.dsn))
    other = scratch_database(need(lambda: servers.server(18)))
    with pytest.raises(NotItsReplica) as refused:
        need_replica(copy, ConnectionSettings.from_dsn(other.dsn))
    assert refused.value.reason == "it is a copy of another system"


@pytest.mark.django_db
def test_the_form_takes_a_replica_of_the_server_only(
    pair: tuple[ScratchDatabase, Server], client: Any, settings: Any
) -> None:
    database, replica = pair
    settings.ADDRESS_POLICY = AddressPolicy.parse("default,127.0.0.0/8")
    client.force_login(world.user())
    given = of(database, name="shop", replica_host="127.0.0.1", replica_port=database.server.cluster.port)
    answer = client.post("/servers/add/", given)
    assert answer.status_code == 422
    assert "it takes writes; nothing is explained there." in answer.content.decode()
    assert not Monitored.objects.exists()

    given["replica_port"] = str(replica.cluster.port)
    assert client.post("/servers/add/", given).status_code == 302
    server = Monitored.objects.get()
    assert (server.replica_host, server.replica_port) == ("127.0.0.1", replica.cluster.port)

    elsewhere = {**given, "replica_host": "attacker.example", "password": ""}
    answer = client.post(f"/servers/{server.slug}/edit/", elsewhere)
    assert answer.status_code == 422
    assert "Type the password again: the replica changed, and it is sent there." in answer.content.decode()
    without = {**given, "replica_host": "", "password": ""}
    assert client.post(f"/servers/{server.slug}/edit/", without).status_code == 302
    server.refresh_from_db()
    assert server.replica_host == ""


def test_a_replica_that_is_far_behind_is_left_alone(pair: tuple[ScratchDatabase, Server]) -> None:
    database, replica = pair
    settings = ConnectionSettings.from_dsn(replica.dsn(database.name, database.login, database.password))
    with replica.connect() as standby:
        standby.execute("select pg_wal_replay_pause()")
        database.execute("insert into item values (0, 'new')")
        wait_for(lambda: _one(standby, "select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"))
        sql = "select name from item where id = 7"
        request = ExplainRequest(sql, fingerprint(sql) or "")
        (outcome,) = explain_statement(settings, request, ExplainLimits(cores=64, replication_lag_s=0.0))
        assert (outcome.decision, outcome.layer) == ("plan_only", "load")
        assert outcome.reason.startswith("A replica is ")
        standby.execute("select pg_wal_replay_resume()")
    _wait_for_replay(database, replica)
    (outcome,) = explain_statement(settings, request, ExplainLimits(cores=64))
    assert outcome.decision == "executed"
