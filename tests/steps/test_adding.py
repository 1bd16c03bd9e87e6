"""A second address of a server that is watched: one more of its databases, and no second server."""

from typing import Any

import pytest
from django.utils import timezone
from psycopg import sql

from analyzer.errors import BadInput
from analyzer.management.commands.up import add_servers
from analyzer.models import Database, Server
from analyzer.monitored.access.identity import ServerIdentity
from analyzer.monitored.connection import connect
from analyzer.steps import adding
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.steps.adding import add_from_dsn
from analyzer.store.databases import inspected_databases, is_left_out
from analyzer.store.same_server import look_into, merge, watched_as_well
from analyzer.store.servers import add_server_from_dsn, settings_of_command
from tests import servers
from tests.conftest import need
from tests.faults.test_replica import standby_of
from tests.servers import ScratchDatabase

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]


@pytest.fixture
def two(postgres18: Any, scratch_database: Any) -> tuple[Any, Any]:
    return scratch_database(postgres18), scratch_database(postgres18)


def looked_into(server: Server) -> list[str]:
    return [database.name for database in inspected_databases(server)]


def test_a_second_database_goes_to_the_server_that_is_watched(two: tuple[Any, Any]) -> None:
    one, other = two
    said: list[str] = []
    add_servers([one.dsn, other.dsn], said.append)  # the first has no sample yet: it is asked
    server = Server.objects.get()
    assert server.dbname == one.name
    assert len(said) == 1
    assert said[0].startswith(
        f"{other.name} is a database of {server.name}, which is watched already: it is looked into there from now on,"
        f" as login {one.login}, and no second server is made."
    )
    schema_step.read_schema(server)  # without load
    assert looked_into(server) == [one.name, other.name]
    pipeline.take_snapshot(server)
    add_servers([one.dsn, other.dsn], said.append)
    assert said[1:] == [f"{other.name} is looked into already, as a database of {server.name}."]
    assert Server.objects.count() == 1


def test_a_login_that_cannot_read_the_database_is_said(two: tuple[Any, Any]) -> None:
    one, other = two
    with other.connect() as admin:
        for grantee in (sql.SQL("public"), sql.Identifier(one.login)):
            admin.execute(sql.SQL("revoke connect on database {} from {}").format(sql.Identifier(other.name), grantee))
        admin.execute(
            sql.SQL("grant connect on database {} to {}").format(*map(sql.Identifier, (other.name, other.login)))
        )
    assert add_from_dsn(one.dsn) == ""
    said = add_from_dsn(other.dsn)
    assert f"What may be missing: GRANT CONNECT ON DATABASE {other.name} TO {one.login};" in said


def test_another_login_of_the_same_database_is_taken_and_makes_no_second_server(two: tuple[Any, Any]) -> None:
    one, _ = two
    add_from_dsn(one.dsn)
    said = add_from_dsn(one.superuser_dsn)
    server = Server.objects.get()
    assert (server.user, server.dbname) == ("postgres", one.name)
    assert "it is reached as postgres at 127.0.0.1" in said


def test_lists_of_databases_are_kept_to(two: tuple[Any, Any]) -> None:
    one, other = two
    add_from_dsn(one.dsn)
    Server.objects.update(databases_not=[f"{other.name[:-1]}*"], databases_only=["else"])
    assert add_from_dsn(other.dsn).endswith(f"whose settings leave it out ({other.name[:-1]}*).")
    Server.objects.update(databases_not=[])
    add_from_dsn(other.dsn)
    assert Server.objects.get().databases_only == ["else", other.name]


def test_while_it_is_down_a_known_database_makes_no_server(two: tuple[Any, Any]) -> None:
    one, other = two
    add_servers([one.dsn, other.dsn], lambda _: None)
    down = [database.dsn.replace(f":{one.server.cluster.port}/", ":1/") for database in two]
    Server.objects.update(port=1)
    add_servers([*down, down[1].replace(f"/{other.name}", "/unheard_of")], lambda _: None)
    assert sorted(Server.objects.values_list("dbname", flat=True)) == [one.name, "unheard_of"]


def test_a_server_that_is_still_starting_is_one_server(two: tuple[Any, Any]) -> None:
    one, _ = two
    down = one.dsn.replace(f":{one.server.cluster.port}/", ":1/")
    said: list[str] = []
    add_servers([down, down.replace(f"/{one.name}", "/another")], said.append)
    assert list(Server.objects.values_list("dbname", flat=True)) == [one.name]
    assert "does not answer yet, so another is taken as a database of it" in said[0]


def test_a_name_is_no_pattern(two: tuple[Any, Any]) -> None:
    one, _ = two
    add_from_dsn(one.dsn)
    server = Server.objects.get()
    server.databases_only = ["else"]
    server.save()
    look_into(server, 4711, "team_[a]*")
    server.refresh_from_db()
    assert not is_left_out(server, "team_[a]*")
    assert is_left_out(server, "team_a_and_more")


def test_servers_elsewhere_are_not_waited_for_without_end(two: tuple[Any, Any], monkeypatch: Any) -> None:
    _, other = two
    given = settings_of_command(other.dsn)
    far = [Server(name=f"far {n}", host=f"10.0.0.{n}", port=5432) for n in range(3)]
    near = Server(name="near", host=given.host, port=given.port)
    asked: list[tuple[str, int]] = []
    now = [0.0]

    def down(server: Server, timeout_s: int) -> Any:
        asked.append((server.name, timeout_s))
        now[0] += timeout_s
        raise BadInput("down")

    monkeypatch.setattr(adding, "may_have_restarted", lambda _: [*far, near])
    monkeypatch.setattr(adding, "last_seen_as", lambda _: None)
    monkeypatch.setattr(adding, "connect_in", down)
    monkeypatch.setattr(adding.time, "monotonic", lambda: now[0])
    assert adding.same_server(ServerIdentity(timezone.now(), 1, "app"), given) is None
    assert asked == [("near", 3), ("far 0", 2)]


@pytest.mark.slow
def test_a_replica_and_a_restored_copy_are_servers_of_their_own() -> None:
    primary = need(lambda: servers.start_private(18))
    database = ScratchDatabase(primary)
    replica = standby_of(primary)
    try:
        dsns = [server.dsn(database.name, "postgres") for server in (primary, replica)]
        assert [add_from_dsn(dsn) for dsn in (*dsns, *dsns)] == [""] * 4
        assert system_identifiers(dsns[0]) == system_identifiers(dsns[1])
        for server in Server.objects.all():
            pipeline.take_snapshot(server)
            assert watched_as_well(server) == []
        with replica.connect() as standby:
            standby.execute("select pg_promote()")  # a copy that takes writes, with the same identifier
        assert [add_from_dsn(dsn) for dsn in dsns] == [""] * 2
        assert Server.objects.count() == 2
    finally:
        replica.cluster.remove()
        primary.cluster.remove()


def system_identifiers(dsn: str) -> int:
    with connect(settings_of_command(dsn)) as conn, conn.transaction_read_only():
        return conn.run("replica_identity", action="asking")[0].system_identifier  # type: ignore[no-any-return]


def test_two_that_are_one_are_merged_and_the_kept_history_stays(two: tuple[Any, Any]) -> None:
    kept, gone = (add_server_from_dsn(database.dsn) for database in two)
    for server in (kept, gone):
        schema_step.read_schema(server)
        pipeline.take_snapshot(server)
    assert watched_as_well(kept) == [gone]
    assert watched_as_well(gone) == [kept]
    Database.objects.filter(server=gone, name=gone.dbname).update(orm="django")
    sampled = kept.snapshots.count()
    assert merge(kept, gone) == [gone.dbname]
    assert Server.objects.get() == kept
    assert kept.snapshots.count() == sampled
    assert looked_into(kept) == [kept.dbname, gone.dbname]
    assert Database.objects.get(server=kept, name=gone.dbname).orm == "django"
