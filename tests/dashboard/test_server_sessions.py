"""The page of a server's sessions, read from real servers: who blocks whom, what is left open, and a dead server."""

import re
import threading
from html import unescape

import pytest
from django.utils import timezone

from analyzer.models import Server
from analyzer.questions import sessions_now as question
from analyzer.store.series.activity import keep_activity
from analyzer.store.servers import add_server_from_dsn
from tests import servers
from tests.conftest import need
from tests.dashboard import world
from tests.dashboard.test_browser import Watched
from tests.monitored.test_standing import SETTINGS, wait_for
from tests.servers import ScratchDatabase

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _nothing_known():
    question._answers.clear()


@pytest.fixture
def database(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute("create table t (a int)")
    return database


def watched(database: ScratchDatabase) -> Server:
    server = add_server_from_dsn(database.dsn)
    with database.connect() as connection:
        (role, name) = connection.execute(
            "select (select oid::int8 from pg_roles where rolname = current_user), oid::int8 from pg_database"
            " where datname = current_database()"
        ).fetchone()
    server.roles.create(oid=role, name="postgres")
    server.databases.get_or_create(oid=name, defaults={"name": database.name})
    return server


def words(answer) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))


def test_the_root_of_a_pile_is_named_with_what_it_does(client, database):
    client.force_login(world.user())
    server = watched(database)
    web, batch = ({"application_name": name, "autocommit": False} for name in ("<i>web</i>", "batch"))
    with database.connect(**web) as holder, database.connect(**batch) as waiter:
        holder.execute("lock table t in access exclusive mode /*route='<i>pay</i>'*/")
        pids = holder.info.backend_pid, waiter.info.backend_pid
        thread = threading.Thread(target=lambda: waiter.execute("select 'a secret' from t"))
        thread.start()

        def blocked():
            question._answers.clear()
            page = client.get(f"/servers/{server.slug}/sessions/")
            return page if "1 waiting for a lock" in words(page) else None

        page = wait_for(blocked)
        holder.rollback()
        thread.join()
    said = words(page)
    assert f"Process {pids[0]} blocks 1 session" in said
    assert f"{pids[0]} postgres in {database.name} · <i>web</i> · idle in transaction for" in said
    assert f"{pids[1]} postgres in {database.name} · batch · waits" in said
    assert "lock table t in access exclusive mode from <i>pay</i>" in said
    assert "<i>pay</i>" not in page.content.decode()
    assert "<i>web</i>" not in page.content.decode()
    assert "a secret" not in said
    assert re.search(r"Connections \d+ of \d+", said)


def test_what_is_left_behind_stands_on_the_page(client):
    client.force_login(world.user())
    private = need(lambda: servers.start_private(18, SETTINGS))
    try:
        database = ScratchDatabase(private)
        server = watched(database)
        with database.connect(autocommit=False) as left:
            left.execute("create table t (a int)")
            left.execute("prepare transaction 'tx 1'")
        database.execute("select pg_create_physical_replication_slot('standby_2', true)")
        said = words(client.get(f"/servers/{server.slug}/sessions/"))
    finally:
        private.cluster.remove()
    assert "tx 1 postgres" in said
    assert re.search(r"standby_2 physical none for [\d.]+ \S+ reserved", said)
    assert "Oldest snapshot: prepared transaction tx 1" in said


def test_without_pg_monitor_it_says_what_is_not_visible(client, postgres18, scratch_database):
    client.force_login(world.user())
    database = scratch_database(postgres18)
    database.execute(f"revoke pg_monitor from {database.login}")
    server = watched(database)
    with database.connect():
        said = words(client.get(f"/servers/{server.slug}/sessions/"))
    assert "not visible to this login: GRANT pg_monitor" in said
    assert re.search(r"(1 session or process is|\d+ sessions and processes are) not visible to this login", said)
    assert "No client session is visible to this login" in said


def test_a_server_that_is_down_is_one_sentence_with_what_was_seen_last(client):
    client.force_login(world.user())
    server = add_server_from_dsn("postgresql://pgloupe@127.0.0.1:1/shop?sslmode=disable")
    now = timezone.now()
    rows = [world.backend(now, 1), world.backend(now, 2, wait_event_type="Lock"), world.backend(now, 3)]
    keep_activity(server, [(now, rows)])
    said = words(client.get(f"/servers/{server.slug}/sessions/"))
    assert "Cannot connect to 127.0.0.1:1" in said
    assert "2 active, 1 waiting for a lock" in said


def test_many_viewers_ask_the_server_once(client, database, monkeypatch):
    client.force_login(world.user())
    server = watched(database)
    read = []
    monkeypatch.setattr(question, "_read", lambda of, real=question._read: (read.append(of.pk), real(of))[1])
    for _ in range(3):
        assert client.get(f"/servers/{server.slug}/sessions/").status_code == 200
    assert read == [server.pk]


@pytest.mark.browser
def test_the_page_follows_and_stops_when_nobody_looks(browser, live_server, postgres18, scratch_database):
    database = scratch_database(postgres18)
    server = watched(database)
    context = browser.new_context()
    person = Watched(context, live_server.url)
    person.log_in()
    page = person.page
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/sessions/") else None)
    page.clock.install()
    page.goto(f"{person.base}/servers/{server.slug}/sessions/")
    with database.connect(application_name="newcomer", autocommit=False) as newcomer:
        newcomer.execute("select 1")
        wait_for(lambda: page.clock.run_for(5_000) or page.get_by_text("newcomer").count())
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    before = len(asked)
    page.clock.run_for(60_000)
    assert len(asked) == before
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false})")
    wait_for(lambda: page.clock.run_for(5_000) or len(asked) > before)
    person.is_clean()
    context.close()
