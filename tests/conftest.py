"""Fixtures around real servers; tests/servers.py says how to use them."""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.python import get_direct_param_fixture_func
from django.test import override_settings

from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import RuntimeFailure
from analyzer.runtime.redis import RedisServer
from tests import environment, servers
from tests.server_binaries import Missing

# Whoever asks for one of these, however indirectly, waits for a server, or for pages with a store full of figures.
SLOW = {"postgres", "private_postgres", "redis_server", "private_redis", "pgbouncer", "chromium", "client"}
MOST_OF_A_NAME = 100
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def pytest_report_header(config: pytest.Config) -> list[str]:
    return servers.describe()


def pytest_unconfigure(config: pytest.Config) -> None:
    servers.stop_all()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Say what is slow; for ``--dist loadgroup``: what a module shares is made once, and what waits begins first."""
    for item in items:
        if _is_slow(item):
            item.add_marker(pytest.mark.slow)
            if _is_of_an_earlier_version(item) or item.get_closest_marker("fault"):
                item.add_marker(pytest.mark.long)
        if shared := _shared(item):
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{shared}"))
    yield
    items.sort(key=_turn)


def pytest_make_parametrize_id(val: object) -> str | None:
    """A long text would be thousands of characters of a test's name, in every report."""
    if isinstance(val, str) and len(val) > MOST_OF_A_NAME:
        return f"{val[:MOST_OF_A_NAME]}...".encode("unicode_escape").decode()
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    servers.only_the_store = item.get_closest_marker("slow") is None


def _is_slow(item: pytest.Item) -> bool:
    """Whether a test starts more than the store, which all that keep something share, or looks at pages."""
    if SLOW.intersection(item.fixturenames):  # type: ignore[attr-defined]
        return True
    if item.get_closest_marker("fault") or item.get_closest_marker("browser"):
        return True
    return item.get_closest_marker("postgres") is not None and _database_use(item) == "none"


def _is_of_an_earlier_version(item: pytest.Item) -> bool:
    """Whether it is the same test with an earlier PostgreSQL than the newest."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return any(type(value) is int and 13 <= value < max(servers.VERSIONS) for value in parameters.values())


def _turn(item: pytest.Item) -> int:
    """First what lasts long, at the end thousands of tests of a millisecond, so that all workers end together.

    Those that kill and restart processes wait more than they compute: the others fill the time. Whoever uses the test
    database keeps its place: pytest-django lets those that empty it come last.
    """
    if _database_use(item) != "none":
        return 1
    if item.get_closest_marker("fault"):
        return 0
    if not item.get_closest_marker("slow"):
        return 4
    return 2 if item.get_closest_marker("xdist_group") else 3


def _shared(item: pytest.Item) -> str:
    """What a module's wider fixtures depend on: the version asked for, and pytest-django's order of tests."""
    definitions = item._fixtureinfo.name2fixturedefs.items()  # type: ignore[attr-defined]
    fixtures = [(name, found[-1]) for name, found in definitions if found[-1].func is not get_direct_param_fixture_func]
    wide = [name for name, fixture in fixtures if fixture.scope in ("class", "module")]
    if not wide:
        return ""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return "-".join([_database_use(item), *(str(parameters[name]) for name in wide if name in parameters)])


def _database_use(item: pytest.Item) -> str:
    """As pytest-django sorts by it."""
    fixtures, marker = set(item.fixturenames), item.get_closest_marker("django_db")  # type: ignore[attr-defined]
    if fixtures & {"transactional_db", "live_server"} or (marker and marker.kwargs.get("transaction")):
        return "transactions"
    return "rolled-back" if marker or "db" in fixtures else "none"


def need(get: Callable[[], Any]) -> Any:
    """What ``get`` returns; where it is missing the test skips, in CI it fails."""
    try:
        return get()
    except (Missing, RuntimeFailure) as reason:
        if IN_CI or isinstance(reason, RuntimeFailure):
            pytest.fail(f"needed in CI: {reason}" if IN_CI else str(reason), pytrace=False)
        pytest.skip(str(reason))


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """They cost a second each by design; here only that they are checked matters."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def twins_from_one_template() -> Iterator[None]:
    """A directory's first twin makes an empty cluster to copy: here that of the first test serves all directories."""
    from analyzer.twin import cluster

    make = cluster._template

    @functools.wraps(make)
    def made_once(directory: Path) -> PostgresCluster:
        return make(environment.SESSION_DIR / "twin-template")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "_template", made_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def texts_come_along() -> None:
    """Tests share servers, so a sample finds thousands of other tests' statements: here it takes all texts along."""
    from analyzer.steps import texts as naming

    naming.OF_A_SAMPLE, naming.OF_A_SAMPLE_BYTES = 1_000_000, 64_000_000


@pytest.fixture(scope="session")
def postgres() -> Callable[[int], servers.Server]:
    return lambda version: need(lambda: servers.server(version))


@pytest.fixture
def postgres13(postgres: Callable[[int], servers.Server]) -> servers.Server:
    return postgres(13)


@pytest.fixture
def postgres15(postgres: Callable[[int], servers.Server]) -> servers.Server:
    return postgres(15)


@pytest.fixture
def postgres18(postgres: Callable[[int], servers.Server]) -> servers.Server:
    return postgres(18)


@pytest.fixture(params=servers.VERSIONS, ids=lambda version: f"pg{version}")
def any_postgres(request: pytest.FixtureRequest, postgres: Callable[[int], servers.Server]) -> servers.Server:
    return postgres(request.param)


@pytest.fixture
def scratch_database() -> Iterator[Callable[[servers.Server], servers.ScratchDatabase]]:
    made: list[servers.ScratchDatabase] = []

    def make(server: servers.Server) -> servers.ScratchDatabase:
        made.append(servers.ScratchDatabase(server))
        return made[-1]

    yield make
    for database in made:
        database.drop()


@pytest.fixture
def private_postgres() -> Iterator[Callable[..., servers.Server]]:
    made: list[servers.Server] = []

    def make(version: int, settings: dict[str, str | int] | None = None) -> servers.Server:
        made.append(need(lambda: servers.start_private(version, settings)))
        return made[-1]

    yield make
    for server in made:
        server.cluster.remove()


@pytest.fixture
def own_dir() -> Path:
    """As ``tmp_path``, but the servers' system user can enter it."""
    return environment.reachable_dir("own")


@pytest.fixture
def redis_server() -> RedisServer:
    return need(servers.redis_server)


@pytest.fixture
def private_redis(tmp_path: Path) -> Iterator[Callable[[], RedisServer]]:
    made: list[RedisServer] = []

    def make() -> RedisServer:
        server = RedisServer(tmp_path / f"redis-{len(made)}")
        need(server.start)
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def pgbouncer() -> Iterator[Callable[..., servers.PgBouncer]]:
    made: list[servers.PgBouncer] = []

    def make(
        target: servers.Server | servers.ScratchDatabase,
        pool_mode: str = "transaction",
        tls: tuple[str, str] | None = None,
    ) -> servers.PgBouncer:
        database = target if isinstance(target, servers.ScratchDatabase) else None
        server = target.server if isinstance(target, servers.ScratchDatabase) else target
        place = environment.SESSION_DIR / f"pgbouncer-{os.urandom(3).hex()}"
        pooler = servers.PgBouncer(server, database, place, pool_mode, tls)
        made.append(pooler)
        need(pooler.start)
        return pooler

    yield make
    for pooler in made:
        pooler.stop()


@pytest.fixture(scope="session")
def chromium() -> Path:
    return need(servers.chromium_binary)


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Any]:
    """A Playwright ``Browser``; a module's tests share it."""
    from tests.chromium import launched  # half a second that most workers never need

    with launched(chromium) as browser:
        yield browser


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """pytest-django asks for this before it creates the test database: the moment to start its server."""
    cluster = need(lambda: servers.server(environment.STORE_VERSION)).cluster
    if (cluster.port, cluster.socket_dir) != (environment.STORE_PORT, environment.STORE_DATA_DIR):
        # The port was taken since the settings were read.
        from django.conf import settings

        settings.DATABASES["default"].update(PORT=cluster.port, HOST=str(cluster.socket_dir))
        os.environ["DATABASE_URL"] = cluster.dsn("pgloupe")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The store's statements stay out of pg_stat_statements: the tests' samples read it on the same server."""
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"alter database {name} {servers.UNRECORDED}")
        connection.close()
