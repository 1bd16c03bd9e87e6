"""The page about pgLoupe itself, and what load balancers ask."""

import json
import os
import re
import signal
import time
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis import Connection

from analyzer.checks import Outcome, note
from analyzer.errors import fault_reason
from analyzer.models import Database, ExplainAudit, NoSuggestion, Server, Snapshot, Statement
from analyzer.runtime import workers
from analyzer.steps.explain_on_twin import NOT_BY_TWIN
from analyzer.store.store_size import store_size
from dashboard.health import healthz
from dashboard.health.views import troubles
from dashboard.servers.state import SamplingState, ShownState
from tests.dashboard import world

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]


@pytest.fixture
def person(client: Client, settings) -> Client:
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # WhiteNoise warns about a missing one
    client.force_login(world.user())
    return client


@pytest.fixture
def redis(redis_server, settings):
    """The tests' Redis, empty before and after."""
    settings.CELERY_BROKER_URL = redis_server.url
    client = workers._client()
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@pytest.fixture
def no_redis(settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"  # nobody listens there


def everything_works(redis) -> None:
    for name, queues in (("sample@a", ["tick", "sample"]), ("rest@b", ["explain", "maintenance", "texts"])):
        workers.Heartbeat(name, queues, 2).beat()
    workers.Heartbeat("sessions@a", [workers.SESSIONS], 100).beat("2 servers at this moment, 1 looked at closely")
    for task in workers.WATCHED:
        workers.keep_last_run(task, "SUCCESS", "")


def shown(client: Client) -> str:
    page = client.get("/health/")
    assert page.status_code == 200
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", page.content.decode()).replace("\u202f", " ").split()))


def test_needs_a_login(client):
    assert client.get("/health/").headers["Location"] == "/login/?next=/health/"


def test_all_at_work(person, redis):
    of = world.server()
    world.step(of)
    world.figures(of, hours=3, every_s=60)
    Snapshot.objects.update(own_exec_time_ms=12.0, total_exec_time_ms=600.0)
    ExplainAudit.objects.create(
        server=of, database_name="shop", text_hash="x", decision="executed", reason="", duration_ms=1500.0
    )
    everything_works(redis)
    redis.rpush("explain", "a", "b")
    text = shown(person)
    assert "All parts are at work." in text
    assert "Tasks waiting 2" in text
    assert "Workers 3" in text
    assert "sessions, 2 servers at this moment, 1 looked at closely" in text
    # 12 ms of 60 s is 0.02 %; of all statements' 600 ms it is 2 %
    assert re.search(r"shop Sampling \d+ s ago 30 ms 2 % < 0.1 % 2.16 s in 180 samples 1.5 s of 60 s, 1 run ", text)
    assert "1.5 s of 60 s, 1 run" in text
    assert "ANALYZER_KEEP_HOURS_DAYS 35 days" in text


def test_without_redis_the_pages_work_and_say_that_sampling_waits(person, no_redis, monkeypatch):
    of = world.server()
    world.step(of, ago_s=1000)
    tries, connect = [], Connection.connect
    monkeypatch.setattr(Connection, "connect", lambda self: (tries.append(self), connect(self))[1])
    text = shown(person)
    assert len(tries) <= 2  # and no waiting for further ones
    assert "Redis does not answer, so sampling waits." in text
    assert "Tasks waiting unknown" in text
    for page in ("/", "/servers/", "/servers/shop/", "/servers/shop/statements/", "/findings/"):
        assert person.get(page).status_code == 200, page
    assert "No sample since" in person.get("/servers/shop/").content.decode()


def test_a_redis_that_hangs_holds_the_page_up_no_longer_than_a_moment(person, settings, redis_server, monkeypatch):
    settings.CELERY_BROKER_URL = redis_server.url
    asked, read = [], Connection.read_response
    monkeypatch.setattr(Connection, "read_response", lambda self, *a, **k: (asked.append(self), read(self, *a, **k))[1])
    pid = redis_server.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert "Redis does not answer" in shown(person)
        assert {one.socket_timeout for one in asked} == {workers.PATIENCE_S}
        assert len(asked) == 1  # and no waiting for further answers
    finally:
        os.kill(pid, signal.SIGCONT)


def test_failing_step_and_hostile_texts(person, redis):
    of = world.server("<b>evil</b>\u202e", slug="evil")
    world.step(of, error="connection refused: <script>alert(1)</script>", failing_s=600)
    workers.Heartbeat("<i>node</i>", ["sample"], 1).beat()
    page = person.get("/health/").content.decode()
    assert "<script>alert(1)" not in page
    assert "<i>node" not in page
    assert "<b>evil" not in page
    assert "Steps failing 1" in shown(person)
    assert "All parts are at work" not in shown(person)


def test_a_step_that_fails_is_said_first_and_its_server_is_no_longer_fine(person, redis):
    everything_works(redis)
    of, paused = world.server("shop"), world.server("old", slug="old", is_active=False)
    world.step(of)
    world.step(of, "explain", error="no right", failing_s=600)
    world.step(of, "schema", error="odd byte", failing_s=60)
    world.step(paused, "schema", error="long ago", failing_s=9000)
    text = shown(person)
    assert "1 thing to see to. 2 steps fail: explain, schema on shop. What they said stands below." in text
    assert "Steps failing 2" in text
    assert "shop Failing" in text
    assert "long ago" not in text
    for page in ("/", "/servers/", "/servers/shop/"):
        html = unescape(person.get(page).content.decode())
        assert "2 steps fail (explain, schema); explain says: no right" in html, page


def test_faults_of_ours_are_counted_by_server_and_lead_to_the_statements(person, redis):
    everything_works(redis)
    shop, paused = world.server("shop"), world.server("old", slug="old", is_active=False)
    seen = {"normalized_sql": "select 1", "kind": "select", "first_seen": timezone.now(), "last_seen": timezone.now()}
    statement = Statement.objects.create(server=shop, fingerprint="ab12", **seen)
    crm = world.server("crm", slug="crm")
    of_crm = Statement.objects.create(server=crm, fingerprint="cd34", **seen)
    outcome = Outcome(
        failed={"PL004": {"a": "TypeError", "b": "TypeError"}},
        not_run={"PL009": {"x; Checks failed: SC001 (KeyError) on 9": "no"}},
    )
    for of in (shop, paused):
        world.step(of, "check")
        of.steps.filter(step="check").update(note=note([outcome], ["others"]))
    world.step(crm, "check")
    crm.steps.update(note="x; Checks failed: SC001 (KeyError) on 9")  # a name that a server chose
    reason = fault_reason(TypeError("secret"))
    audit = {"server": shop, "database_name": "shop", "decision": "failed", "reason": reason, "text_hash": ""}
    for layer in ("pgloupe", "pgloupe", "server"):
        ExplainAudit.objects.create(statement=statement, layer=layer, **audit)
    by_twin = f"It changes data. {NOT_BY_TWIN}{reason}"
    for said in (by_twin, f"{by_twin} of a table"):
        ExplainAudit.objects.create(statement=statement, layer="ast", **{**audit, "reason": said})
    old = ExplainAudit.objects.create(statement=None, layer="pgloupe", **audit)
    ExplainAudit.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(hours=25))
    for words in (
        f"Not planned: {reason}",
        "It reads few rows, and a table named pgLoupe could not work on this statement (",
    ):
        database = Database.objects.create(server=crm, oid=len(words), name=words[:20])
        NoSuggestion.objects.create(statement=of_crm, database=database, reason=words, decided_at=timezone.now())
    text, page = shown(person), person.get("/health/").content.decode()
    assert "pgLoupe itself failed at 2 statements: 1 on crm, 1 on shop. They go without" in text
    assert "pgLoupe itself failed at 1 check: 1 on shop. What they would have found is not known" in text
    table = text.partition("checks in their last run Server ")[2].partition(" Queues and workers")[0]
    assert table.partition(" Times ")[2] == (
        "shop Check PL004 TypeError 2"
        f" crm Index advice cd34 Not planned: {reason} 1"
        f" shop EXPLAIN ab12 {reason} 2"
        f" shop EXPLAIN ab12 It changes data. {NOT_BY_TWIN}{reason} 1"
    )
    assert 'href="/servers/shop/statements/ab12/"' in page
    assert "secret" not in page


def test_number_of_queries_does_not_grow_with_the_servers(person, redis):
    world.step(world.server("one"))
    everything_works(redis)
    person.get("/health/")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert person.get("/health/").status_code == 200
        return len(captured)

    alone = queries()
    for number in range(12):
        world.step(world.server(f"more {number}", slug=f"more-{number}"), error="down" if number % 2 else "")
    assert queries() == alone
    assert alone <= 20, alone  # session, user and role; 4 for sizes, 2 for mails, 2 for faults of ours


class TestTroubles:
    """What is said, the cause before its effects."""

    def now(self):
        return timezone.now()

    def test_no_worker_for_a_queue(self, redis):
        workers.Heartbeat("sample@a", ["sample"], 4).beat()
        said = [what for what, _ in troubles([], {}, workers.queue_state(self.now()), self.now())]
        assert said == [
            f"No worker takes from the queue {name}." for name in ("tick", "explain", "maintenance", "texts")
        ]

    def test_beat_is_gone(self, redis):
        everything_works(redis)
        old = json.dumps({"at": time.time() - 60, "state": "SUCCESS", "error": ""})
        redis.hset(workers.RAN, "analyzer.tasks.tick", old)
        server = Server(name="a", is_active=True)
        states = {server.pk: world_state()}
        said = [what for what, _ in troubles([server], states, workers.queue_state(self.now()), self.now())]
        assert said == ["Nothing hands out work: beat does not run."]

    def test_queue_grows(self, redis):
        everything_works(redis)
        redis.rpush("sample", *("x" * 8))
        server = Server(name="a", is_active=True)
        at = self.now()
        said = [what for what, _ in troubles([server], {server.pk: world_state()}, workers.queue_state(at), at)]
        assert said == ["8 tasks wait in the queue sample: its workers cannot keep up."]
        redis.lpop("sample")
        assert troubles([server], {server.pk: world_state()}, workers.queue_state(at), at) == []

    def test_a_killed_worker_is_silent_and_its_queue_unserved(self, redis):
        everything_works(redis)
        later = self.now() + timedelta(seconds=workers.SILENT_AFTER_S + 5)
        state = workers.queue_state(later)
        assert state is not None
        assert [worker.is_silent for worker in state.workers] == [True, True, True]
        assert state.queues_without_worker() == ["tick", "sample", "explain", "maintenance", "texts"]

    def test_nobody_looks_at_sessions(self, redis, monkeypatch):
        everything_works(redis)
        redis.hdel(workers.WORKERS, f"sessions@a {os.getpid()}")
        server = Server(name="a", is_active=True)
        at = self.now()
        said = [what for what, _ in troubles([server], {server.pk: world_state()}, workers.queue_state(at), at)]
        assert said == ["No process looks at the servers’ sessions."]
        monkeypatch.setenv("PGLOUPE_PROGRAM", "pgloupe")
        [(_, todo)] = troubles([server], {server.pk: world_state()}, workers.queue_state(at), at)
        assert todo.endswith("wait until one does: pgloupe watch_sessions")
        assert troubles([Server(name="a", is_active=False)], {None: world_state()}, workers.queue_state(at), at) == []

    def test_tidying_up_failed(self, redis):
        everything_works(redis)
        workers.keep_last_run("analyzer.tasks.tidy_store", "FAILURE", "OperationalError")
        said = [what for what, _ in troubles([], {}, workers.queue_state(self.now()), self.now())]
        assert said == ["Tidying up the store failed (OperationalError)."]


def world_state() -> ShownState:
    return ShownState(SamplingState.SAMPLING, "")


def test_a_worker_that_stops_leaves_the_list(redis):
    heartbeat = workers.Heartbeat("sample@a", ["sample"], 4)
    heartbeat.beat()
    assert len(workers.queue_state(timezone.now()).workers) == 1
    heartbeat.leave()
    assert workers.queue_state(timezone.now()).workers == []


@pytest.mark.slow
def test_sizes_are_those_of_postgresql_and_name_every_series():
    of = world.server()
    world.figures(of, hours=30, every_s=600)
    before = timezone.now().date()
    found = store_size(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(
            "select sum(pg_total_relation_size(oid)) from pg_class"
            " where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
        (all_bytes,) = cursor.fetchone()
    *ours, catalogs = found.groups
    assert sum(group.size_bytes for group in ours) == all_bytes
    assert catalogs.size_bytes == found.database_bytes - all_bytes > 0
    load = next(group for group in found.groups if group.name == "Server load")
    assert load.keep_days == 35
    assert load.bytes_per_day is not None
    assert load.full_bytes == load.bytes_per_day * 35
    assert found.full_bytes is None  # no day is packed yet
    assert before <= found.by_day[-1][0] <= timezone.now().date()
    assert all(size > 0 for _, size in found.by_day)


class TestHealthz:
    def test_ok_without_login_and_whatever_the_host_header(self, client):
        answer = client.get("/healthz", headers={"host": "10.1.2.3:8000"})
        assert (answer.status_code, answer.content) == (200, b"ok\n")
        assert answer.headers["Cache-Control"] == "no-store"
        assert client.get("/login/", headers={"host": "10.1.2.3:8000"}).status_code == 400

    def test_unavailable_without_static_files(self, client, settings, tmp_path):
        settings.STATIC_ROOT, settings.WHITENOISE_USE_FINDERS = tmp_path, False
        answer = client.get("/healthz")
        assert (answer.status_code, answer.content) == (503, b"unavailable\n")

    def test_unavailable_while_a_migration_is_missing(self, client):
        app, name = healthz._leaves()[0]
        with connection.cursor() as cursor:
            cursor.execute("delete from django_migrations where (app, name) = (%s, %s)", [app, name])
        assert client.get("/healthz").status_code == 503
