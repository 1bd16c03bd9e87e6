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
from pathlib import Path

import psutil
import psycopg
import pytest

from analyzer.runtime import system_user
from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import SystemUser, free_port, wait_until_gone
from tests.environment import IN_VAIN_S, SESSION_DIR
from tests.running import Running, new_var_dir, status

pytestmark = [pytest.mark.postgres, pytest.mark.fault]


@pytest.fixture
def var_dir():
    return new_var_dir("up")


@pytest.fixture
def up(var_dir):
    """`up` with the same directory each time."""
    made = []

    def start(*arguments, **kwargs):
        made.append(Running("up", *arguments, var_dir=var_dir, **kwargs))
        return made[-1]

    yield start
    for one in reversed(made):  # the one that runs, then those before it in the same directory
        one.remove()


def ready(running):
    """It, once its link is printed."""
    assert running.login_link
    return running


def commands(running):
    return [" ".join(p.cmdline()) for p in running.processes("")]


def test_one_directory_started_killed_and_interrupted(up, var_dir):
    first = first_start(up)
    keys = (var_dir / "keys.json").read_text()
    family = first.family()
    first.process.kill()  # without mercy: no process is left behind
    assert wait_until_gone(family, IN_VAIN_S)

    second = start_with_its_port_taken(up, first.port)
    assert (var_dir / "keys.json").read_text() == keys
    with psycopg.connect(json.loads((var_dir / "up.json").read_text())["database_url"]) as store:
        assert store.execute("select count(*) from auth_user").fetchone() == (1,)
    family = second.family()
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(IN_VAIN_S) == 0
    assert wait_until_gone(family, IN_VAIN_S)
    assert "database system is shut down" in (var_dir / "log" / "postgres.log").read_text()
    assert "Traceback" not in second.stderr


def first_start(up):
    """It says one line, runs its parts, and is found by a second one."""
    first = ready(up())
    assert re.fullmatch(
        rf"pgLoupe: http://127\.0\.0\.1:{first.port}/  Log in once with"
        rf" http://127\.0\.0\.1:{first.port}/login/once/[\w-]+/\n",
        first.stdout,
    )
    assert status(first.url) == 200
    running = commands(first)
    for part in (
        "bin/postgres -D",
        "redis-server",
        "--queues tick",
        "--queues sample",
        "explain,maintenance,texts",
        "watch_sessions",
        " beat ",
        "gunicorn",
    ):
        assert any(part in command for command in running), part

    again = up()
    assert again.process.wait(IN_VAIN_S) == 0
    assert again.stdout.startswith(f"pgLoupe runs already (process {first.process.pid}): {first.url}/  Log in once")
    assert first.login_link not in again.stdout
    return first


def start_with_its_port_taken(up, port):
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        running = ready(up(port=port))
        assert f"Port {port} is taken; using {running.url.rsplit(':')[-1]}." in running.stderr
        assert not running.url.endswith(f":{port}")
        assert status(running.url) == 200
    assert "Starting the store" in running.stderr
    return running


def test_a_dsn_with_own_store_and_redis_embeds_nothing_and_its_password_is_nowhere_to_read(
    up, var_dir, redis_server, postgres18, postgres15, scratch_database
):
    database = scratch_database(postgres15)
    with postgres18.connect() as admin:
        admin.execute("create database own_store")
    try:
        running = ready(up(database.dsn, DATABASE_URL=postgres18.dsn("own_store"), REDIS_URL=redis_server.url))
        assert not any("bin/postgres" in c or "redis-server" in c for c in commands(running))
        assert sorted(p.name for p in var_dir.iterdir() if p.name in {"postgres", "redis"}) == []
        assert status(running.url) == 200
        with postgres18.connect("own_store") as store:
            servers = store.execute("select host, port, dbname from analyzer_server").fetchall()
        assert servers == [("127.0.0.1", postgres15.cluster.port, database.name)]
        assert running.stop(signal.SIGTERM) == 0
        logs = "".join(path.read_text() for path in (var_dir / "log").iterdir())
        assert database.password not in logs + running.stdout + running.stderr
    finally:
        with postgres18.connect() as admin:
            admin.execute("drop database own_store with (force)")


def test_a_store_that_does_not_answer_is_said_in_a_sentence(up):
    failing = up(DATABASE_URL=f"postgresql://me:canary@127.0.0.1:{free_port()}/nothing")
    assert failing.process.wait(IN_VAIN_S) == 2
    assert "The store cannot be used: connection" in failing.stderr
    assert "Traceback" not in failing.stderr
    assert "canary" not in failing.stderr


def test_a_dsn_that_cannot_be_used_is_said_and_everything_stopped(up, var_dir):
    failing = up("postgresql://me:canary@db.example.com/shop?passfile=/etc/passwd")
    assert failing.process.wait(IN_VAIN_S) == 2
    assert "passfile" in failing.stderr
    assert "Traceback" not in failing.stderr
    assert "canary" not in failing.stderr + failing.stdout
    assert not PostgresCluster(var_dir / "postgres").is_running
    assert not (var_dir / "up.json").exists()


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
        running = ready(up(user=user, python=python, HOME=str(var_dir), **environment))
        assert status(running.url) == 200
        users = set()
        for process in psutil.Process(running.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # PostgreSQL's come and go
                users.add(process.username())
        assert users == {name}
        assert running.stop() == 0
    finally:
        subprocess.run(["userdel", name], check=False, capture_output=True)
