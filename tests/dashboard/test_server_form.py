"""Servers are added, changed and removed on the page: tried on real servers first, no password shown ever again."""

import base64
import io
import logging
import re
import socket
import threading

import pytest
import redis
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from django.utils.html import escape

from analyzer import tasks
from analyzer.models import Server, Snapshot, StepStatus
from analyzer.monitored.access.address_policy import AddressPolicy
from analyzer.steps import activity, schedule
from analyzer.steps import run as pipeline
from analyzer.store.secrets import decrypt, encrypt
from analyzer.store.servers import add_server_from_dsn, connection_settings
from dashboard import celery  # noqa: F401  (the tasks' app, which a worker loads)
from tests.dashboard import world
from tests.monitored.test_connection_failures import certificates, tls_server  # noqa: F401

pytestmark = pytest.mark.django_db

CANARY = "canary-7Qz9-passw0rd"
LOOPBACK = AddressPolicy.parse("default,127.0.0.0/8,::1/128")


@pytest.fixture(autouse=True)
def _operator(client, settings):
    cache.clear()
    world.user()
    client.force_login(get_user_model().objects.get())
    settings.ADDRESS_POLICY = LOOPBACK


@pytest.fixture(params=(13, 18), ids=lambda version: f"pg{version}")
def either_postgres(request, postgres):
    """The oldest and the newest."""
    return postgres(request.param)


def fields(**changes):
    return {
        "name": "", "given_by": "fields", "dsn": "", "host": "127.0.0.1", "port": "5432", "dbname": "shop",
        "user": "joe", "password": CANARY, "sslmode": "prefer", "sslrootcert": "", "explain_mode": "analyze",
        "sample_interval_s": "60", "explain_budget_s_per_hour": "60", "cores": "8", "is_active": "on",
        "action": "save", **{name: str(value) for name, value in changes.items()},
    }  # fmt: skip


def of(database, **changes):
    """The fields of a scratch database's own login."""
    port = changes.pop("port", database.server.cluster.port)
    return fields(port=port, dbname=database.name, user=database.login, **{"password": database.password, **changes})


def text_of(response) -> str:  # type: ignore[no-untyped-def]
    return response.content.decode()


# -- adding -------------------------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_a_server_is_tried_and_then_watched(client, either_postgres, scratch_database):
    database = scratch_database(either_postgres)
    tried = client.post("/servers/add/", of(database, action="test"))
    assert tried.status_code == 200
    assert f"It works: PostgreSQL {either_postgres.version}" in text_of(tried)
    assert not Server.objects.exists()

    chosen = of(database, explain_mode="plain", cores=4, disk_gb="250.5", sample_interval_s=30)
    saved = client.post("/servers/add/", chosen)
    server = Server.objects.get()
    assert (saved.status_code, saved.headers["Location"]) == (302, f"/servers/{server.slug}/")
    assert server.name == f"{database.name} on 127.0.0.1"
    assert (server.explain_mode, server.cores, server.disk_gb, server.sample_interval_s) == ("plain", 4, 250.5, 30)
    assert not server.is_address_trusted
    assert server.server_version_num // 10_000 == either_postgres.version
    assert {item["name"] for item in server.preflight} >= {"pg_stat_statements", "Login", "track_io_timing"}
    assert decrypt(server.password_encrypted) == database.password
    assert {due.step for due in schedule.claim_due_steps(server.created_at)} <= set(schedule.STEPS)
    pipeline.run_step(server, "snapshot", pipeline.take_snapshot)
    assert StepStatus.objects.get(step="snapshot").last_error == ""


@pytest.mark.postgres
def test_a_pasted_connection_string_is_enough(client, postgres18, scratch_database):
    database = scratch_database(postgres18)
    given = fields(given_by="dsn", dsn=database.dsn, host="", password="", dbname="", user="", name="Shop")
    assert client.post("/servers/add/", given).status_code == 302
    server = Server.objects.get()
    assert (server.name, server.slug, server.dbname, server.user) == ("Shop", "shop", database.name, database.login)
    assert decrypt(server.password_encrypted) == database.password


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        ("", "Paste a connection string, or choose separate fields."),
        ("mysql://joe@db/shop", "A connection string starts with postgresql://, not mysql://."),
        (f"postgresql://joe:{CANARY}@db/shop?sslkeylogfile=/tmp/x", "The connection string may not set sslkeylogfile."),
        (f"postgresql://joe:{CANARY}@db/shop?hostaddr=127.0.0.1", "The connection string may not set hostaddr."),
        (f"host=/run/postgresql user=joe password={CANARY} dbname=x", "A Unix-socket directory is not allowed as host"),
        (f"postgresql://joe:{CANARY}@a,b/shop", "Give one host; several servers are monitored as several entries."),
        (f"postgresql://joe:{CANARY}%zz@db/shop", "The connection string cannot be read;"),
    ],
)
def test_a_connection_string_that_cannot_be_used_says_why(client, dsn, message):
    response = client.post("/servers/add/", fields(given_by="dsn", dsn=dsn))
    assert response.status_code == 422
    assert escape(message) in text_of(response)
    assert CANARY not in text_of(response)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": ""}, "Give a host name or an address."),
        ({"dbname": ""}, "Give the database."),
        ({"user": ""}, "Give the login."),
        ({"host": "/run/postgresql"}, "A Unix-socket directory is not allowed here"),
        ({"host": "a,b"}, "Give one host; several servers are monitored as several entries."),
        ({"port": "70000"}, "less than or equal to 65535"),
        ({"sslrootcert": "/etc/passwd"}, "This is no certificate."),
        ({"sslmode": "maybe"}, "not one of the available choices"),
        ({"sample_interval_s": "1"}, "greater than or equal to 5"),
        ({"name": "Taken"}, "Another server has this name."),
        ({"host": "db.example.com", "user": "pgloupe"}, "Taken watches this database already."),
    ],
)
def test_nothing_typed_is_lost_but_the_password(client, changes, message):
    world.server("Taken", "taken")
    given = fields(
        **{"sslrootcert": "", "explain_mode": "off", "cores": "17", "host": "db9", "user": "joe<b>", **changes}
    )
    page = text_of(client.post("/servers/add/", given))
    assert escape(message) in page
    assert Server.objects.count() == 1
    for name in ("host", "dbname", "user", "cores", "port"):
        assert f'value="{escape(given[name])}"' in page or not given[name], name
    assert re.search(r'value="off"[^>]* checked', page)
    assert CANARY not in page
    assert re.search(r'<input type="password" name="password"(?![^>]* value=)', page)


@pytest.mark.postgres
def test_tls_verified_with_a_certificate_of_ones_own(client, tls_server):  # noqa: F811
    server, ca, other = tls_server
    with server.connect() as superuser:
        superuser.execute("create extension pg_stat_statements")
    given = fields(
        port=server.cluster.port, dbname="postgres", user="postgres", password=server.cluster.superuser_password,
        sslmode="verify-full", action="test",
    )  # fmt: skip
    works = text_of(client.post("/servers/add/", {**given, "sslrootcert": ca}))
    assert "It works: PostgreSQL 15" in works
    assert "the server&#x27;s certificate is verified" in works
    wrong = client.post("/servers/add/", {**given, "sslrootcert": other})
    assert wrong.status_code == 422
    assert "the server&#x27;s certificate cannot be verified; give its CA certificate (PEM)" in text_of(wrong)
    assert 'data-wrong-field="sslrootcert"' in text_of(wrong)
    assert escape(other.strip()) in text_of(wrong)  # still there
    named = text_of(client.post("/servers/add/", {**given, "host": "localhost", "sslrootcert": ca}))
    assert "is for another host name (sslmode=verify-full)" in named  # the name is checked, the address used
    assert 'data-wrong-field="host"' in named


@pytest.mark.postgres
def test_channel_binding_that_was_asked_for_stays(client, tls_server):  # noqa: F811
    server, _, _ = tls_server
    with server.connect() as superuser:
        superuser.execute("create extension pg_stat_statements")
    dsn = server.dsn(sslmode="require", channel_binding="require")
    wrong = text_of(client.post("/servers/add/", fields(given_by="dsn", dsn=dsn, sample_interval_s=1)))
    assert 'id="id_requires_channel_binding" checked' in wrong  # taken apart into the fields
    assert client.post("/servers/add/", fields(given_by="dsn", dsn=dsn)).status_code == 302
    added = Server.objects.get()
    assert connection_settings(added).requires_channel_binding
    page = f"/servers/{added.slug}/edit/"
    assert 'id="id_requires_channel_binding" checked' in text_of(client.get(page))
    kept = fields(name="Shop", port=server.cluster.port, dbname="postgres", user="postgres", password="",
                  sslmode="require", requires_channel_binding="on")  # fmt: skip
    assert client.post(page, kept).status_code == 302
    assert Server.objects.get().requires_channel_binding
    del kept["requires_channel_binding"]
    assert client.post(page, kept).status_code == 302
    assert not Server.objects.get().requires_channel_binding


# -- what can be wrong --------------------------------------------------------------------------------------------


def failure(client, changes, path="/servers/add/"):  # type: ignore[no-untyped-def]
    """What the page says, and the field it points to."""
    response = client.post(path, {**changes, "action": "save"})
    page = text_of(response)
    assert response.status_code == 422
    assert not Server.objects.exists()
    assert changes["password"] not in page or not changes["password"]
    assert "nothing is saved" in page
    said = re.search(r"<h2>The connection failed; nothing is saved</h2>\s*<p>(.*?)</p>", page, re.DOTALL)
    field = re.search(r'data-wrong-field="(\w+)"', page)
    assert said, page
    return said[1], field[1] if field else ""


def test_wrong_host(client):
    said, field = failure(client, fields(host="no-such-host.invalid", sslmode="require"))
    assert said == ("Cannot connect to no-such-host.invalid:5432/shop: the host name is not known; check its spelling.")
    assert field == "host"


def test_refused(client):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    said, field = failure(client, fields(port=port))
    assert said.endswith("the connection was refused: no server listens there, or a firewall rejects it.")
    assert field == "port"


@pytest.fixture
def listening():
    """A TCP server that is no PostgreSQL: says ``words``, or nothing at all."""
    servers = []

    def listen(words: bytes) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                servers.append(client)
                if words:
                    client.sendall(words)

        threading.Thread(target=serve, daemon=True).start()
        return server.getsockname()[1]

    yield listen
    for one in servers:
        one.close()


@pytest.mark.parametrize(
    ("words", "sslmode"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "prefer"), (b"220 mail.example.com ESMTP\r\n", "require")],
)
def test_not_postgresql(client, listening, words, sslmode):
    said, field = failure(client, fields(port=listening(words), sslmode=sslmode))
    assert said.endswith("what answers at this address is not PostgreSQL.")
    assert field == "port"


def test_a_black_hole_is_given_up(client, listening):
    said, field = failure(client, fields(port=listening(b"")))
    assert said.endswith("a server that hangs, or one that sleeps and takes longer to wake.")
    assert field == "host"


@pytest.mark.postgres
class TestOnAServer:
    def test_no_tls(self, client, postgres18, scratch_database):
        said, field = failure(client, of(scratch_database(postgres18), sslmode="require"))
        assert "the server offers no TLS" in said
        assert "PGLOUPE_ALLOW_PLAINTEXT_TO" in said
        assert field == "sslmode"

    def test_without_tls_beyond_this_machine(self, client):
        said, field = failure(client, fields(host="10.255.255.1", sslmode="disable"))
        assert "sslmode=disable may leave the connection to 10.255.255.1 unencrypted" in said
        assert field == "sslmode"

    def test_wrong_password(self, client, either_postgres, scratch_database):
        said, field = failure(client, of(scratch_database(either_postgres), password=CANARY))
        assert said.endswith("the password or the login&#x27;s name is wrong.")
        assert field == "password"

    def test_no_password(self, client, postgres18, scratch_database):
        said, field = failure(client, of(scratch_database(postgres18), password=""))
        assert said.endswith("the server asks for a password and none was given.")
        assert field == "password"

    def test_no_such_database(self, client, either_postgres, scratch_database):
        said, field = failure(client, {**of(scratch_database(either_postgres)), "dbname": "nowhere"})
        assert said.endswith("the database does not exist.")
        assert field == "dbname"

    def test_extension_missing_may_be_saved_all_the_same(self, client, either_postgres, scratch_database):
        database = scratch_database(either_postgres)
        database.execute("drop extension pg_stat_statements")
        response = client.post("/servers/add/", of(database))
        page = text_of(response)
        assert (response.status_code, Server.objects.count()) == (422, 0)
        assert "It connects, but 1 thing is missing; nothing is saved yet" in page
        assert "The extension is loaded but not created in database" in page
        copied = re.search(r"<code>(.*?)</code>", page[page.index('id="outcome"') :], re.DOTALL)
        assert re.sub(r"<[^>]+>", "", copied[1]) == "CREATE EXTENSION pg_stat_statements;"
        assert 'value="save_anyway"' in page

        assert client.post("/servers/add/", of(database, action="save_anyway")).status_code == 302
        server = Server.objects.get()
        assert [i["status"] for i in server.preflight if i["name"] == "pg_stat_statements"] == ["missing"]
        database.execute("create extension pg_stat_statements")  # the SQL it gave
        pipeline.run_step(server, "snapshot", pipeline.take_snapshot)
        assert StepStatus.objects.get(step="snapshot").last_error == ""

    def test_right_missing_with_the_grant(self, client, either_postgres, scratch_database):
        database = scratch_database(either_postgres)
        database.execute(f"revoke pg_monitor from {database.login}")
        page = text_of(client.post("/servers/add/", of(database)))
        assert "The login sees its own statements and sessions only" in page
        assert f"pg_monitor</span> TO &quot;{database.login}&quot;;" in page or (
            f"GRANT pg_monitor TO &quot;{database.login}&quot;;" in re.sub(r"</?span[^>]*>", "", page)
        )
        assert not Server.objects.exists()

    def test_pgbouncer_in_between(self, client, postgres15, scratch_database, pgbouncer):
        database = scratch_database(postgres15)
        pooler = pgbouncer(database)
        page = text_of(client.post("/servers/add/", of(database, port=pooler.port, action="test")))
        assert "A connection pooler is in between" in page
        assert "EXPLAIN ANALYZE, index advice and what-if need the server&#x27;s own address" in page

    def test_saving_all_the_same_needs_a_connection(self, client, postgres18, scratch_database):
        given = of(scratch_database(postgres18), password=CANARY, action="save_anyway")
        assert client.post("/servers/add/", given).status_code == 422
        assert not Server.objects.exists()


# -- where it may be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "::1", "[::1]", "::ffff:127.0.0.1", "169.254.169.254", "fd00:ec2::254", "0.0.0.0"],
)
def test_this_machine_and_metadata_services_are_refused(client, settings, host):
    settings.ADDRESS_POLICY = AddressPolicy.parse()
    said, field = failure(client, fields(host=host, sslmode="require"))
    assert "PGLOUPE_ALLOWED_ADDRESSES" in said
    assert field == "host"


@pytest.mark.postgres
def test_a_database_without_tls_in_a_network_that_was_named(
    client, settings, monkeypatch, postgres18, scratch_database
):
    """As in a compose network: the name ``db`` is a private address, the database there has no TLS."""
    database = scratch_database(postgres18)
    known = {"db": "127.0.0.1"}
    ask = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: ask(known.get(host, host), *a, **k))
    given = of(database, host="db", sslmode="disable", action="test")
    settings.ADDRESS_POLICY = AddressPolicy.parse("default,127.0.0.0/8", plaintext_to="127.0.0.0/8")
    page = text_of(client.post("/servers/add/", given))
    assert "It works: PostgreSQL 18" in page
    assert "The connection is not encrypted: who listens in between reads what we read." in page
    known["db"] = "10.1.2.3"
    refused = text_of(client.post("/servers/add/", given))
    assert "sslmode=disable may leave the connection to db (10.1.2.3) unencrypted" in refused
    assert "PGLOUPE_ALLOW_PLAINTEXT_TO" in refused


@pytest.mark.postgres
def test_a_server_added_by_command_keeps_its_address_until_it_changes(client, settings, postgres18, scratch_database):
    settings.ADDRESS_POLICY = AddressPolicy.parse()
    database = scratch_database(postgres18)
    server = add_server_from_dsn(database.dsn, name="Shop")
    path = f"/servers/{server.slug}/edit/"
    given = of(database, name="Shop two", password="", sslmode="prefer")
    assert client.post(path, given).status_code == 302
    server.refresh_from_db()
    assert (server.name, server.is_address_trusted) == ("Shop two", True)
    moved = client.post(path, {**given, "host": "localhost", "password": database.password})
    assert moved.status_code == 422
    assert "PGLOUPE_ALLOWED_ADDRESSES" in text_of(moved)
    server.refresh_from_db()
    assert server.host == "127.0.0.1"


def test_the_policy_holds_for_what_is_stored_too(settings):
    server = world.server(host="127.0.0.1")
    connection_settings(server)
    settings.ADDRESS_POLICY = AddressPolicy.parse()
    pipeline.run_step(server, "snapshot", pipeline.take_snapshot)
    assert "PGLOUPE_ALLOWED_ADDRESSES" in StepStatus.objects.get().last_error


def test_nobody_looks_for_open_ports(client):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    answers = [client.post("/servers/add/", fields(port=port, action="test")).status_code for _ in range(32)]
    assert answers == [422] * 30 + [429] * 2


# -- changing -----------------------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_a_password_left_empty_is_unchanged(client, postgres18, scratch_database):
    database = scratch_database(postgres18)
    client.post("/servers/add/", of(database, name="Shop"))
    page = text_of(client.get("/servers/shop/edit/"))
    assert "Unchanged if left empty." in page
    assert database.password not in page
    assert decrypt(Server.objects.get().password_encrypted) == database.password

    assert client.post("/servers/shop/edit/", of(database, name="Shop", password="", cores=2)).status_code == 302
    server = Server.objects.get()
    assert (server.cores, decrypt(server.password_encrypted)) == (2, database.password)
    wrong = client.post("/servers/shop/edit/", of(database, name="Shop", password=CANARY))
    assert wrong.status_code == 422
    assert "login&#x27;s name is wrong" in text_of(wrong)
    assert decrypt(Server.objects.get().password_encrypted) == database.password


def test_the_stored_password_is_sent_to_no_other_machine(client, settings):
    world.server(password_encrypted=encrypt(CANARY))
    heard = []
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: heard.append(listener.accept()), daemon=True).start()
    given = fields(name="shop", password="", port=listener.getsockname()[1])
    page = text_of(client.post("/servers/shop/edit/", given))
    assert "Type the password again: the host or port changed" in page
    assert heard == []
    listener.close()


def test_what_is_not_about_the_connection_is_saved_while_the_server_is_down(client):
    world.server(sslmode="require")
    given = fields(
        name="Shop renamed", host="db.example.com", user="pgloupe", password="", sslmode="require", cores=3,
        explain_mode="off",
    )  # fmt: skip
    del given["is_active"]
    assert client.post("/servers/shop/edit/", given).status_code == 302
    server = Server.objects.get()
    assert (server.name, server.slug, server.cores, server.explain_mode) == ("Shop renamed", "shop", 3, "off")
    assert server.is_active is False


# -- removing -----------------------------------------------------------------------------------------------------


def test_removing_says_what_goes_and_leaves_nothing(client):
    shop = world.shop(hours=2, every_s=600)
    other = world.server("other")
    world.step(other)
    page = text_of(client.get("/servers/shop/remove/"))
    for words in ("10 statements and 1 plan", "samples with all figures", "3 findings", "2 suggestions"):
        assert words in re.sub(r"\s+", " ", page), words
    assert Server.objects.count() == 2

    assert client.post("/servers/shop/remove/").headers["Location"] == "/servers/"
    assert list(Server.objects.all()) == [other]
    assert not Snapshot.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name from information_schema.columns where column_name = 'server_id'"
            " and table_schema = 'public' and table_name !~ '_p[0-9]+$'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"select count(*) from {table} where server_id = %s", [shop.shop.pk])
            assert cursor.fetchone() == (0,), table


# -- who may ------------------------------------------------------------------------------------------------------


def test_viewers_may_not(client):
    world.server()
    viewer = get_user_model().objects.create_user("vic", password="x")
    client.force_login(viewer)
    for path in ("/servers/add/", "/servers/shop/edit/", "/servers/shop/remove/"):
        assert client.get(path).status_code == 403
        assert client.post(path, fields()).status_code == 403
    assert Server.objects.count() == 1


def test_hostile_texts_are_shown_as_text(client):
    name = '"><script>alert(1)</script>\u202e'
    page = text_of(client.post("/servers/add/", fields(name=name, host='<img src=x onerror="1">', dbname=name)))
    assert "<script>alert" not in page
    assert "<img src=x" not in page


# -- secrets ------------------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_password_is_readable_nowhere(client, postgres18, scratch_database, redis_server, caplog, capfd):
    """Typed, tried in vain and with success, sampled, failed at, edited: then everything is searched."""
    caplog.set_level(logging.DEBUG)
    database = scratch_database(postgres18)
    database.execute(f"alter role {database.login} password '{CANARY}'")
    pages = []

    def post(path, given, **headers):  # type: ignore[no-untyped-def]
        response = client.post(path, given, **headers)
        pages.append(text_of(response) + str(response.headers) + str(response.cookies))
        return response

    given = of(database, password=CANARY, name="Shop")
    dsn = f"postgresql://{database.login}:{CANARY}@127.0.0.1:{postgres18.cluster.port}/{database.name}"
    post("/servers/add/", {**given, "dbname": "nowhere"})
    post("/servers/add/", {**given, "user": ""})
    post("/servers/add/", {**given, "given_by": "dsn", "dsn": dsn + "?options=-cx"})
    post("/servers/add/", {**given, "given_by": "dsn", "dsn": dsn + "x"})
    post("/servers/add/", {**given, "action": "test"}, headers={"HX-Request": "true"})
    post("/servers/add/", {**given, "port": "1", "action": "test"}, headers={"HX-Request": "true"})
    assert post("/servers/add/", given).status_code == 302
    assert post("/servers/shop/edit/", {**given, "cores": "3"}).status_code == 302
    server = Server.objects.get()
    assert decrypt(server.password_encrypted) == CANARY

    activity.keep(server, activity.look(server, closely=False))
    for step in ("snapshot", "schema"):
        tasks.TASKS[step].apply_async((server.pk,))  # through Redis
        tasks.TASKS[step].apply((server.pk,))
    database.execute(f"alter role {database.login} password 'another one'")
    for step in ("snapshot", "schema", "explain", "check"):
        tasks.TASKS[step].apply((server.pk,))
    assert "password" in StepStatus.objects.get(step="snapshot").last_error
    for path in ("/", "/servers/", "/servers/shop/", "/servers/shop/edit/", "/servers/shop/remove/"):
        pages.append(text_of(client.get(path)))

    everywhere = (
        "".join(pages) + caplog.text + "".join(capfd.readouterr()) + store_as_text() + redis_as_text(redis_server)
    )
    assert "Shop" in everywhere
    assert str(server.pk) in redis_as_text(redis_server)
    assert CANARY not in everywhere


def store_as_text() -> str:
    out = io.StringIO()
    with connection.cursor() as cursor:
        cursor.execute("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"select row_to_json(t)::text from {table} t")
            for (row,) in cursor.fetchall():
                out.write(row)
                # bytea is shown in hexadecimal
                out.write("".join(bytes.fromhex(h).decode("latin-1") for h in re.findall(r'"\\\\x([0-9a-f]+)"', row)))
    return out.getvalue()


def redis_as_text(server) -> str:  # type: ignore[no-untyped-def]
    found = redis.Redis.from_url(server.url)
    parts = []
    for key in found.scan_iter():
        kind = found.type(key)
        value = {
            b"list": lambda k: found.lrange(k, 0, -1),
            b"hash": found.hgetall,
            b"set": found.smembers,
            b"zset": lambda k: found.zrange(k, 0, -1),
            b"string": found.get,
        }[kind](key)
        parts.append(f"{key!r}={value!r}")
        parts += [base64.b64decode(b).decode("latin-1") for b in re.findall(r'"body": ?"([^"]+)"', str(value))]
    return "\n".join(parts)
