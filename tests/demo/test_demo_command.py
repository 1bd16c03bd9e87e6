"""`manage.py demo` as a person runs it."""

import re
import socket
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from analyzer.demo import service
from tests.running import Running, new_var_dir

pytestmark = [pytest.mark.postgres, pytest.mark.fault]


@pytest.fixture
def demo() -> Iterator[Callable[..., Running]]:
    var_dir = new_var_dir("demo")
    made: list[Running] = []

    def start(*arguments: str) -> Running:
        made.append(Running("demo", *arguments, var_dir=var_dir))
        return made[-1]

    yield start
    for one in reversed(made):  # the one that runs, then those before it in the same directory
        one.remove()


def at_work(demo: Running) -> bool:
    return "The demo shop is at work" in demo.output


def test_demo_monitors_a_shop_at_work_and_keeps_its_data(demo: Callable[..., Running]) -> None:
    first = demo("--rate", "150")
    first.wait_for(lambda: at_work(first), "the shop")
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
    first.wait_for(lambda: first.store(seen)[0][0] > 0, "figures of the shop's statements", 60)
    assert first.stop() == 0
    assert " 0 errors" in (first.var_dir / "log" / "demo-workload.log").read_text()

    with socket.socket() as squatter:  # the shop's port is taken: it is the same server all the same
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", service.PORT_WANTED if port == service.PORT_WANTED else 0))
        squatter.listen()
        second = demo("--rate", "50")
        second.wait_for(lambda: at_work(second), "the shop")
        assert "Making the demo shop" not in second.output
        [(*_, second_port, _, _, _)] = second.store(servers)
        if port == service.PORT_WANTED:
            assert second_port != port
        failing = "select step, last_error from analyzer_stepstatus where last_error <> ''"
        time.sleep(12)  # two rounds with the new password
        snapshots = [row for row in second.store(failing) if row[0] == "snapshot"]
        assert snapshots == []
        assert second.stop() == 0
