"""`manage.py up` as a person runs it: a process in a terminal, killed and interrupted in every way."""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import psycopg
import pytest

from analyzer.runtime import system_user
from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import SystemUser, free_port, wait_until_gone
from tests.environment import SESSION_DIR

pytestmark = [pytest.mark.postgres, pytest.mark.fault]
REPOSITORY = Path(__file__).resolve().parents[2]
READY_S = 90


class Up:
    """One `manage.py up` and what it printed."""

    def __init__(self, var_dir, *arguments, user=None, port=None, python=sys.executable, **env):
        self.var_dir = var_dir
        self.port = port or free_port()
        inherited = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL", "CI"}}
        self.stdout_path, self.stderr_path = (SESSION_DIR / f"up-{os.urandom(4).hex()}" for _ in range(2))
        with self.stdout_path.open("w") as stdout, self.stderr_path.open("w") as stderr:
            self.process = subprocess.Popen(
                [python, "manage.py", "up", "--port", str(self.port), *arguments],
                cwd=REPOSITORY,
                env={**inherited, "PGLOUPE_VAR_DIR": str(var_dir), "PYTHONDONTWRITEBYTECODE": "1", **env},
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                user=user.uid if user else None,
                group=user.gid if user else None,
                extra_groups=[] if user else None,
            )

    @property
    def stdout(self):
        return self.stdout_path.read_text()

    @property
    def stderr(self):
        return self.stderr_path.read_text()

    def wait_ready(self):
        wait_for(lambda: self.stdout.endswith("\n") or self.process.poll() is not None, READY_S)
        assert self.process.poll() is None, self.stderr
        return self

    @property
    def url(self):
        return re.search(r"http://127\.0\.0\.1:\d+", self.stdout).group()

    @property
    def link(self):
        return re.search(r"Log in once with (\S+)", self.stdout).group(1)

    def family(self, recursive=True):
        """Process ids of all its descendants, or of its children alone, with their commands."""
        found = {}
        for process in psutil.Process(self.process.pid).children(recursive=recursive):
            with contextlib.suppress(psutil.NoSuchProcess):  # ended meanwhile, or a zombie
                found[process.pid] = " ".join(process.cmdline())
        return found

    def pid_of(self, words):
        return next((pid for pid, command in self.family(recursive=False).items() if words in command), None)

    def end(self, number=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)


def wait_for(condition, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def status(url):
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as response:
        return response.status
    return None


@pytest.fixture
def var_dir():
    place = SESSION_DIR / f"up-var-{os.urandom(3).hex()}"
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def up(var_dir):
    made = []

    def start(*arguments, **kwargs):
        made.append(Up(kwargs.pop("var_dir", var_dir), *arguments, **kwargs))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            children = list(one.family())
            one.end()
            assert wait_until_gone(children, 10)


def test_first_start_prints_one_line_and_ctrl_c_leaves_no_process(up, var_dir):
    first = up().wait_ready()
    assert re.fullmatch(
        rf"pgLoupe: http://127\.0\.0\.1:{first.port}/  Log in once with"
        rf" http://127\.0\.0\.1:{first.port}/login/once/[\w-]+/\n",
        first.stdout,
    )
    assert status(first.url) == 200
    family = first.family()
    for part in (
        "bin/postgres -D",
        "redis-server",
        "--queues sample",
        "explain,maintenance",
        " beat ",
        "gunicorn",
    ):
        assert any(part in command for command in family.values()), part

    again = up()
    assert again.process.wait(60) == 0
    assert again.stdout.startswith(
        f"pgLoupe runs already (process {first.process.pid}): {first.url}/  Log in once"
    )
    assert first.link not in again.stdout

    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(60) == 0
    assert wait_until_gone(list(family), 5)
    assert "database system is shut down" in (var_dir / "log" / "postgres.log").read_text()
    assert "Traceback" not in first.stderr


def test_data_is_kept_and_a_taken_port_is_replaced(up, var_dir):
    first = up().wait_ready()
    keys = (var_dir / "keys.json").read_text()
    first.end(signal.SIGTERM)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", first.port))
        squatter.listen()
        second = up(port=first.port).wait_ready()
        assert f"Port {first.port} is taken; using {second.url.rsplit(':')[-1]}." in second.stderr
        assert second.url != first.url
        assert status(second.url) == 200
    assert (var_dir / "keys.json").read_text() == keys
    assert "Starting the store" in second.stderr
    with psycopg.connect(json.loads((var_dir / "up.json").read_text())["database_url"]) as store:
        assert store.execute("select count(*) from auth_user").fetchone() == (1,)


def test_whatever_is_killed_comes_back_and_work_resumes(up, var_dir):
    def tasks_done():
        log = var_dir / "log" / "worker-sample.log"
        return len(re.findall(r"Task analyzer\.tasks\.tick\S+ succeeded", log.read_text() if log.exists() else ""))

    running = up(PGLOUPE_LOG_LEVEL="INFO").wait_ready()
    parts = {
        "web": "gunicorn",
        "Redis": "redis-server",
        "PostgreSQL": "bin/postgres",
        "worker-sample": "--queues sample",
        "beat": " beat ",
    }
    for name, words in parts.items():
        wait_for(lambda: tasks_done() > 0)
        victim = running.pid_of(words)
        assert victim, (words, running.family(), running.stderr)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda w=words, v=victim: running.pid_of(w) not in {None, v})
        done = tasks_done()
        wait_for(lambda d=done: tasks_done() >= d + 2, 60)
        wait_for(lambda: status(running.url + "/login/") == 200)
        assert re.search(rf"^{name} (was ended by SIGKILL|ended); the end of ", running.stderr, re.MULTILINE)
        assert f"{name} runs again." in running.stderr
    assert running.process.poll() is None
    family = list(running.family())
    assert running.end() == 0
    assert wait_until_gone(family, 5)


def test_killed_without_mercy_it_leaves_no_process_and_starts_again(up):
    first = up().wait_ready()
    family = list(first.family())
    first.process.kill()
    assert wait_until_gone(family, 30)
    second = up().wait_ready()
    assert status(second.url) == 200


def test_with_own_database_and_redis_nothing_is_embedded(up, var_dir, redis_server, postgres18):
    with postgres18.connect() as admin:
        admin.execute("create database own_store")
    try:
        running = up(DATABASE_URL=postgres18.dsn("own_store"), REDIS_URL=redis_server.url).wait_ready()
        assert not any("bin/postgres" in c or "redis-server" in c for c in running.family().values())
        assert sorted(p.name for p in var_dir.iterdir() if p.name in {"postgres", "redis"}) == []
        assert status(running.url) == 200
        running.end()
    finally:
        with postgres18.connect() as admin:
            admin.execute("drop database own_store with (force)")


def test_a_store_that_does_not_answer_is_said_in_a_sentence(up):
    failing = up(DATABASE_URL=f"postgresql://me:canary@127.0.0.1:{free_port()}/nothing")
    assert failing.process.wait(60) == 2
    assert "The store cannot be used: connection" in failing.stderr
    assert "Traceback" not in failing.stderr
    assert "canary" not in failing.stderr


def test_a_dsn_that_cannot_be_used_is_said_and_everything_stopped(up, var_dir):
    failing = up("postgresql://me:canary@db.example.com/shop?passfile=/etc/passwd")
    assert failing.process.wait(60) == 2
    assert "passfile" in failing.stderr
    assert "Traceback" not in failing.stderr
    assert "canary" not in failing.stderr + failing.stdout
    assert not PostgresCluster(var_dir / "postgres").is_running
    assert not (var_dir / "up.json").exists()


def test_a_dsn_given_is_monitored_and_its_password_is_nowhere_to_read(
    up, var_dir, postgres15, scratch_database
):
    database = scratch_database(postgres15)
    running = up(database.dsn).wait_ready()
    with psycopg.connect(json.loads((var_dir / "up.json").read_text())["database_url"]) as store:
        servers = store.execute("select host, port, dbname from analyzer_server").fetchall()
    assert servers == [("127.0.0.1", postgres15.cluster.port, database.name)]
    logs = "".join(path.read_text() for path in (var_dir / "log").iterdir())
    assert database.password not in logs + running.stdout + running.stderr


def python_for(user):
    """This Python and what it needs in the environment; a copy when it lies in root's home (pyenv, uv)."""
    packages = str(Path(psycopg.__file__).parents[1])
    if system_user.can_reach(Path(sys.executable).resolve(), user):
        return sys.executable, {"PYTHONPATH": packages}
    copy = SESSION_DIR / "python"
    skipped = shutil.ignore_patterns("site-packages", "test", "__pycache__", "share", "include")
    shutil.copytree(sys.base_prefix, copy, symlinks=True, ignore=skipped)
    python = copy / "bin" / Path(sys.executable).resolve().name
    return str(python), {"PYTHONPATH": packages, "LD_LIBRARY_PATH": str(copy / "lib")}


def test_it_runs_for_a_user_without_any_rights(up, var_dir):
    """Nobody's home, nobody's rights: as on a machine where the user is not root."""
    if os.geteuid() != 0:
        assert PostgresCluster(var_dir / "postgres").user is None  # all tests ran so already
        return
    name = f"pglt{os.urandom(3).hex()}"
    subprocess.run(["useradd", "--system", "--no-create-home", name], check=True, capture_output=True)
    try:
        entry = pwd.getpwnam(name)
        user = SystemUser(entry.pw_uid, entry.pw_gid, name)
        python, environment = python_for(user)
        system_user.make_private_dir(var_dir, user)
        running = up(user=user, python=python, HOME=str(var_dir), **environment).wait_ready()
        assert status(running.url) == 200
        assert {p.username() for p in psutil.Process(running.process.pid).children(recursive=True)} == {name}
        family = list(running.family())
        assert running.end() == 0
        assert wait_until_gone(family, 5)
    finally:
        subprocess.run(["userdel", name], check=False, capture_output=True)
