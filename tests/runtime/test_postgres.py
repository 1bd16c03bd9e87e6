"""Real clusters from real binaries: start, stop, kill, restart, and where they may not go."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from analyzer.runtime import system_user
from analyzer.runtime.postgres import PostgresCluster, embedded_bin_dir
from analyzer.runtime.processes import RuntimeFailure, free_port, is_alive, wait_until_gone
from tests import servers
from tests.environment import IN_VAIN_S, SESSION_DIR

pytestmark = pytest.mark.postgres
REPOSITORY = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another user")


@pytest.fixture
def place():
    directory = SESSION_DIR / f"cluster-{os.urandom(3).hex()}"
    directory.mkdir()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def cluster(place):
    made = PostgresCluster(place / "data", settings={"fsync": "off"}, tcp=True)
    made.start()
    yield made
    made.stop()


def one(dsn, query):
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        return connection.execute(query).fetchone()[0]


def test_speaks_utf8_over_socket_and_tcp(cluster):
    for dsn in (cluster.dsn(), cluster.dsn(tcp=True)):
        assert one(dsn, "select current_setting('server_encoding') || upper('é')") == "UTF8É"


def test_tcp_wants_the_password_and_listens_on_loopback_alone(cluster):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.dsn(tcp=True, password="wrong"))
    assert one(cluster.dsn(), "show listen_addresses") == "127.0.0.1"


def test_only_its_user_can_enter_the_data_and_the_socket_and_read_the_password(cluster):
    modes = {
        path: stat.S_IMODE(path.stat().st_mode)
        for path in (cluster.data_dir, cluster.socket_dir, cluster.data_dir / "pgloupe-superuser-password")
    }
    assert modes == {
        cluster.data_dir: 0o700,
        cluster.socket_dir: 0o700,
        cluster.data_dir / "pgloupe-superuser-password": 0o600,
    }


def test_without_tcp_it_listens_on_no_port(place):
    with PostgresCluster(place / "data") as quiet:
        assert one(quiet.dsn(), "show listen_addresses") == ""
        with pytest.raises(RuntimeFailure, match="does not listen on TCP"):
            quiet.dsn(tcp=True)


def test_stop_keeps_the_data_and_restart_keeps_the_port(cluster):
    port = cluster.port
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("create table kept as select 7 as a")
    cluster.stop()
    assert not cluster.is_running
    cluster.restart()
    assert (cluster.port, one(cluster.dsn(), "select a from kept")) == (port, 7)


def test_kill_ends_every_process_at_once_and_it_recovers(cluster):
    backend = psycopg.connect(cluster.dsn(), autocommit=True)
    pids = [cluster.pid, backend.info.backend_pid]
    cluster.kill()
    assert wait_until_gone(pids, IN_VAIN_S)
    with pytest.raises(psycopg.OperationalError):
        backend.execute("select 1")
    cluster.start()
    assert one(cluster.dsn(), "select 1") == 1


def test_changed_settings_take_effect_at_restart(cluster):
    cluster.settings["shared_preload_libraries"] = "pg_stat_statements"
    cluster.settings["cluster_name"] = "it's ours"
    cluster.restart()
    assert one(cluster.dsn(), "show cluster_name") == "it's ours"
    assert one(cluster.dsn(), "show shared_preload_libraries") == "pg_stat_statements"


def test_a_running_one_is_taken_over(cluster):
    second = PostgresCluster(cluster.data_dir)
    second.start()
    assert (second.pid, second.port, second.dsn(tcp=True)) == (
        cluster.pid,
        cluster.port,
        cluster.dsn(tcp=True),
    )
    second.stop()
    assert not cluster.is_running


def test_a_stale_pid_file_with_a_foreign_process_does_not_hinder_the_start(cluster):
    cluster.stop()
    pid_file = cluster.data_dir / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{cluster.data_dir}\n1\n1\n\n\n\nready\n")
    cluster.start()
    assert one(cluster.dsn(), "select 1") == 1


def test_a_taken_port_is_replaced(place):
    with (
        PostgresCluster(place / "first", tcp=True, port=free_port()) as first,
        PostgresCluster(place / "second", tcp=True, port=first.port) as second,
    ):
        assert second.port != first.port
        assert one(second.dsn(tcp=True), "select 1") == 1


def test_a_long_path_moves_only_the_socket(place):
    deep = place / ("d" * 60) / ("e" * 60) / "data"
    with PostgresCluster(deep) as cluster:
        short = cluster.socket_dir
        assert short != cluster.data_dir
        assert stat.S_IMODE(short.stat().st_mode) == 0o700
        assert one(cluster.dsn(), "show data_directory") == str(deep)
    assert not short.exists()
    with PostgresCluster(deep) as again:
        assert one(again.dsn(), "select 1") == 1


def test_an_interrupted_first_start_is_begun_anew(place):
    (place / "data.new" / "base").mkdir(parents=True)
    with PostgresCluster(place / "data") as cluster:
        assert one(cluster.dsn(), "select 1") == 1
    assert not (place / "data.new").exists()


def test_a_wrong_setting_shows_the_servers_own_words(place):
    broken = PostgresCluster(place / "data", settings={"shared_buffers": "lots"})
    with pytest.raises(RuntimeFailure, match='invalid value for parameter "shared_buffers": "lots"'):
        broken.start()
    assert not broken.is_running


def test_data_of_another_version_is_refused(place):
    try:
        older = servers.server_bin_dir(15)
    except servers.Missing as reason:
        pytest.skip(str(reason))
    PostgresCluster(place / "data", bin_dir=older).__enter__().stop()
    with pytest.raises(RuntimeFailure, match=r"was made by PostgreSQL 15, but .* is 18"):
        PostgresCluster(place / "data").start()


def test_passwords_in_the_environment_of_libpq_do_not_reach_it(place, monkeypatch):
    monkeypatch.setenv("PGDATA", "/nonexistent")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere")
    with PostgresCluster(place / "data") as cluster:
        monkeypatch.delenv("PGOPTIONS")
        assert one(cluster.dsn(), "show search_path") == '"$user", public'


@as_root
def test_data_that_the_system_user_cannot_reach_goes_to_var_tmp(place, caplog):
    closed = place / "home"
    closed.mkdir(mode=0o700)
    cluster = PostgresCluster(closed / "var" / "data")
    try:
        assert cluster.data_dir.parent.parent == Path("/var/tmp")
        assert "cannot reach" in caplog.text
        cluster.start()
        assert one(cluster.dsn(), "select 1") == 1
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert PostgresCluster(closed / "var" / "data").data_dir == cluster.data_dir
    finally:
        cluster.stop()
        shutil.rmtree(cluster.data_dir.parent)


@as_root
def test_binaries_that_the_system_user_cannot_reach_are_copied(place):
    closed = place / "home"
    closed.mkdir(mode=0o700)
    package = embedded_bin_dir().parents[1]
    hidden = closed / package.name / "pginstall"
    shutil.copytree(package / "pginstall", hidden, copy_function=os.link)
    libraries = f"{package.name}.libs"
    shutil.copytree(package.with_name(libraries), closed / libraries, copy_function=os.link)
    cluster = PostgresCluster(place / "data", bin_dir=hidden / "bin")
    try:
        assert cluster.bin_dir.is_relative_to("/var/tmp")
        with cluster:
            assert one(cluster.dsn(), "select 1") == 1
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(system_user.fallback_for(hidden))


@as_root
def test_a_fallback_directory_made_by_somebody_else_is_refused(place):
    path = place / "some" / "data"
    trap = system_user.fallback_for(path)
    os.chown(trap, 65534, 65534)
    try:
        with pytest.raises(RuntimeFailure, match="was not made by us"):
            system_user.fallback_for(path)
    finally:
        trap.rmdir()


@pytest.mark.fault
def test_it_shuts_down_when_the_process_that_started_it_is_killed(place):
    code = (
        "import sys, time; from pathlib import Path; from analyzer.runtime.postgres import PostgresCluster\n"
        "c = PostgresCluster(Path(sys.argv[1])); c.start(); print(c.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(place / "data")], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    postmaster = int(starter.stdout.readline())
    assert is_alive(postmaster)
    starter.kill()
    starter.wait()
    starter.stdout.close()
    assert wait_until_gone([postmaster], IN_VAIN_S)
    assert "database system is shut down" in (place / "data.log").read_text()


@pytest.mark.fault
def test_ctrl_c_in_the_terminal_does_not_reach_it(cluster):
    """The terminal signals the foreground process group; the server must not be in ours."""
    assert os.getpgid(cluster.pid) != os.getpgid(0)
    assert os.getsid(cluster.pid) != os.getsid(0)
