"""`manage.py demo` as a person runs it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from analyzer.demo import service
from analyzer.runtime.processes import free_port, wait_until_gone
from tests.environment import SESSION_DIR

pytestmark = [pytest.mark.postgres, pytest.mark.fault]
REPOSITORY = Path(__file__).resolve().parents[2]


class Demo:
    def __init__(self, var_dir: Path, *arguments: str) -> None:
        self.var_dir = var_dir
        inherited = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL", "CI"}}
        var_dir.mkdir(parents=True, exist_ok=True)
        self._output = var_dir.with_name(f"{var_dir.name}.{os.urandom(3).hex()}.out")
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", "--port", str(free_port()), *arguments],
                cwd=REPOSITORY,
                env={**inherited, "PGLOUPE_VAR_DIR": str(var_dir)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, condition: Callable[[], Any], timeout_s: float = 90) -> Any:
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.2)
        return found

    def store(self, statement: str) -> list[tuple[Any, ...]]:
        url = json.loads((self.var_dir / "up.json").read_text())["database_url"]
        with psycopg.connect(url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def stop(self) -> int:
        family = [p.pid for p in psutil.Process(self.process.pid).children(recursive=True)]
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        assert wait_until_gone(family, 10)
        return code


@pytest.fixture
def demo() -> Iterator[Callable[..., Demo]]:
    var_dir = SESSION_DIR / f"demo-{os.urandom(3).hex()}"
    made: list[Demo] = []

    def start(*arguments: str) -> Demo:
        made.append(Demo(var_dir, *arguments))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.stop()
    shutil.rmtree(var_dir, ignore_errors=True)


def at_work(demo: Demo) -> bool:
    return "The demo shop is at work" in demo.output


def test_demo_monitors_a_shop_at_work_and_keeps_its_data(demo: Callable[..., Demo]) -> None:
    first = demo("--rate", "150")
    first.wait_for(lambda: at_work(first))
    assert "Making the demo shop" in first.output
    assert re.search(r"^pgLoupe: http://\S+  Log in once with http://\S+$", first.output, re.MULTILINE)
    servers = 'select name, slug, host, port, "user", dbname, sample_interval_s from analyzer_server'
    [(name, slug, host, port, user, dbname, interval_s)] = first.store(servers)
    assert (name, slug, host, user, dbname, interval_s) == (
        service.SERVER_NAME, service.SERVER_SLUG, "127.0.0.1", "pgloupe", "shop", 5,
    )  # fmt: skip
    commands = [" ".join(p.cmdline()) for p in psutil.Process(first.process.pid).children()]
    assert any("analyzer.demo.workload" in command for command in commands)
    assert not any("password" in command for command in commands)

    # Two snapshots without a gap between them: statements of the shop have figures.
    seen = "select count(*) from analyzer_statement where normalized_sql like '%shop_orderline%'"
    first.wait_for(lambda: first.store(seen)[0][0] > 0, 60)
    assert first.stop() == 0
    assert " 0 errors" in (first.var_dir / "log" / "demo-workload.log").read_text()

    with socket.socket() as squatter:  # the shop's port is taken: it is the same server all the same
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", service.PORT_WANTED if port == service.PORT_WANTED else 0))
        squatter.listen()
        second = demo("--rate", "50")
        second.wait_for(lambda: at_work(second))
        assert "Making the demo shop" not in second.output
        [(*_, second_port, _, _, _)] = second.store(servers)
        if port == service.PORT_WANTED:
            assert second_port != port
        failing = "select step, last_error from analyzer_stepstatus where last_error <> ''"
        time.sleep(12)  # two rounds with the new password
        snapshots = [row for row in second.store(failing) if row[0] == "snapshot"]
        assert snapshots == []
        assert second.stop() == 0
