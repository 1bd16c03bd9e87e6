"""Everything in one terminal: store, queue, migrations, workers, beat and web, until Ctrl-C.

``run`` is what ``manage.py up`` and ``manage.py demo`` call. Without DATABASE_URL it runs PostgreSQL in
``var/postgres``, without REDIS_URL a Redis in ``var/redis``; each on its own. Children log to ``var/log``.
"""

import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.utils.module_loading import import_string
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from analyzer.runtime import static_files
from analyzer.runtime.instance import AlreadyRunning, InstanceLock, Running
from analyzer.runtime.parts import ChildProcess, ClusterPart, RedisPart
from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import RuntimeFailure, last_lines
from analyzer.runtime.redis import RedisServer
from analyzer.runtime.watch import PartsWatch

STORE_DATABASE = "pgloupe"
STORE_SETTINGS: dict[str, str | int] = {
    "shared_buffers": "128MB",
    "max_connections": 100,
    "synchronous_commit": "off",  # a crash may lose the last 0.6 s of samples, never consistency
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
}
PORTS_TRIED = 20
WEB_READY_S = 60.0


@dataclass(frozen=True)
class RunOptions:
    """What a command wants run.

    ``add_servers`` runs as soon as the store is there, also where pgLoupe runs already. ``clusters`` are
    further PostgreSQL clusters by name, started after the store and stopped before it. ``prepare`` runs in
    this process after the address was announced: the store is migrated, the clusters run, the pages are
    served. The children it returns (see ``child``) are started last and watched like the rest. The demo, for
    example:

        shop = PostgresCluster(supervisor.var_dir() / "demo-postgres", settings={...}, tcp=True)

        def prepare():
            load_data(shop.dsn("postgres"))
            add_server_from_dsn(shop.dsn("shop", "pgloupe", password=..., tcp=True), sample_interval_s=5)
            return [supervisor.child("workload", "-m", "dashboard", "demo_workload", SHOP_DSN=shop.dsn("shop"))]

        supervisor.run(Options(clusters={"demo shop": shop}, prepare=prepare), say=..., announce=...)
    """

    host: str = "127.0.0.1"
    port: int = 8000
    clusters: dict[str, PostgresCluster] = field(default_factory=dict)
    add_servers: Callable[[], None] | None = None
    prepare: Callable[[], Sequence[ChildProcess]] | None = None


def run(options: RunOptions, *, say: Callable[[str], None], announce: Callable[[str], None]) -> int:
    """Run until a stop signal (0); 1 when a part could not be kept running. Raises RuntimeFailure at start.

    ``say`` takes progress lines, ``announce`` the one line with the address. When another one runs with the
    same ``var/`` already, the DSNs are added to that one, its address is announced, and the result is 0.
    """
    lock = InstanceLock(var_dir())
    try:
        lock.acquire()
        log_dir().mkdir(mode=0o700, exist_ok=True)
    except AlreadyRunning as already:
        return _join(already.running, options, announce)
    try:
        watch = PartsWatch(say)
        exit_code = 0
        with watch.signals():
            listener, base_url = _listen(options, say)
            is_set = bool(os.environ.get("PGLOUPE_BASE_URL", "").strip())
            address = (settings.PGLOUPE_BASE_URL if is_set else base_url) + (settings.FORCE_SCRIPT_NAME or "")
            os.environ["PGLOUPE_BASE_URL"] = address  # where links in mails lead
            os.environ["PGLOUPE_LISTENS_ON"] = options.host  # on loopback only, servers may be there too
            with listener:
                _start_everything(watch, options, listener, say)
                running = Running(os.getpid(), address, os.environ["DATABASE_URL"], os.environ["REDIS_URL"])
                lock.publish(running)
                announce(f"pgLoupe: {address}/  Log in once with {_login_link(address)}")
                say(f"Another link, any time: {settings.LOGIN_COMMAND}")
                if is_set and base_url != settings.PGLOUPE_BASE_URL:
                    say(f"It listens on {base_url}; PGLOUPE_BASE_URL says where people open it.")
                say(f"Logs are in {log_dir()}. Ctrl-C stops everything.")
                for extra in options.prepare() if options.prepare else ():
                    watch.start(extra)
                connection.close()
                exit_code = watch.run()
                say("Stopping.")
        return exit_code
    finally:
        lock.release()


def var_dir() -> Path:
    return Path(settings.VAR_DIR)


def log_dir() -> Path:
    return var_dir() / "log"


def child(name: str, *arguments: str, death_signal: signal.Signals = signal.SIGTERM, **env: str) -> ChildProcess:
    """A child that runs this Python, e.g. ``child("sessions", "-m", "dashboard", "watch_sessions")``.

    It runs in the project's directory with DATABASE_URL, REDIS_URL and PGLOUPE_VAR_DIR set.
    """
    env = {"PYTHONUNBUFFERED": "1", "PGLOUPE_VAR_DIR": str(var_dir()), **env}
    command = [sys.executable, *arguments]
    return ChildProcess(name, command, log_dir=log_dir(), env=env, cwd=settings.BASE_DIR, death_signal=death_signal)


# -- the start, step by step ----------------------------------------------------------------------------


def _start_everything(
    watch: PartsWatch, options: RunOptions, listener: socket.socket, say: Callable[[str], None]
) -> None:
    if os.environ.get("DATABASE_URL"):
        say("The store is DATABASE_URL's PostgreSQL.")
    else:
        _start_store(watch, say)
    if os.environ.get("REDIS_URL"):
        say("The queue is REDIS_URL's Redis.")
    else:
        _start_queue(watch)
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        raise RuntimeFailure(f"The store cannot be used: {error}".strip()) from error
    for name, cluster in options.clusters.items():
        say(f"Starting {name}: PostgreSQL {cluster.version} in {cluster.data_dir}.")
        watch.start(ClusterPart(name, cluster))
    static_files.collect()
    if options.add_servers:
        options.add_servers()  # first of all what may be refused
    web = _web(listener, options.host)
    watch.start(web)
    watch.start(_worker("worker-tick", "tick", "--pool", "solo", "--concurrency", "1"))
    watch.start(_worker("worker-sample", "sample", "--concurrency", "4"))
    watch.start(_worker("worker-explain", "explain,maintenance,texts", "--concurrency", "2"))
    watch.start(child("sessions", "-m", "dashboard", "watch_sessions"))
    watch.start(
        child("beat", "-m", "celery", "-A", "dashboard.celery:app", "beat", "--loglevel", "WARNING",
              "--schedule", str(var_dir() / "beat-schedule"), "--pidfile", "")
    )  # fmt: skip
    _wait_for_web(web, listener)


def _start_store(watch: PartsWatch, say: Callable[[str], None]) -> None:
    cluster = PostgresCluster(var_dir() / "postgres", settings=STORE_SETTINGS, log_file=log_dir() / "postgres.log")
    first = not (cluster.data_dir / "PG_VERSION").exists()
    doing = "Creating" if first else "Starting"
    say(f"{doing} the store: PostgreSQL {cluster.version} in {cluster.data_dir}.")
    watch.start(ClusterPart("PostgreSQL", cluster))
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        known = admin.execute("select 1 from pg_database where datname = %s", [STORE_DATABASE]).fetchone()
        if known is None:
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(STORE_DATABASE)))
    _use_store(cluster.dsn(STORE_DATABASE))


def _use_store(database_url: str) -> None:
    """Children read the environment; this process has read its settings before there was a store."""
    os.environ["DATABASE_URL"] = database_url
    parameters = conninfo_to_dict(database_url)
    connection.close()
    connection.settings_dict.update(
        NAME=parameters.get("dbname", ""),
        USER=parameters.get("user", ""),
        PASSWORD=parameters.get("password", ""),
        HOST=parameters.get("host", ""),
        PORT=parameters.get("port", ""),
    )


def _start_queue(watch: PartsWatch) -> None:
    server = RedisServer(var_dir() / "redis", log_file=log_dir() / "redis.log")
    watch.start(RedisPart(server))
    os.environ["REDIS_URL"] = server.url


def _worker(name: str, queues: str, *pool: str) -> ChildProcess:
    # When we are killed, Redis and the store go too, and a worker that shuts down warmly waits for them for ever. Its
    # pool follows it (dashboard/health/worker_signals.py); what it was doing is started anew by the next tick.
    return child(
        name, "-m", "celery", "-A", "dashboard.celery:app", "worker", "--queues", queues,
        *pool, "--hostname", f"{name}-{os.getpid()}@%h",
        "--loglevel", os.environ.get("PGLOUPE_LOG_LEVEL", "WARNING"),  # INFO is three lines a second
        "--without-gossip", "--without-mingle", death_signal=signal.SIGKILL,
    )  # fmt: skip


def _login_link(base_url: str) -> str:
    make: Callable[[str], str] = import_string(settings.ONE_TIME_LOGIN_LINK)
    return make(base_url)


def _web(listener: socket.socket, host: str) -> ChildProcess:
    """gunicorn on a socket that we hold: the port is ours for good, also while gunicorn restarts."""
    memory = ["--worker-tmp-dir", "/dev/shm"] if os.access("/dev/shm", os.W_OK) else []
    return ChildProcess(
        "web",
        [
            sys.executable, "-m", "gunicorn", "dashboard.wsgi:application",
            "--bind", f"fd://{listener.fileno()}", "--workers", "2", "--threads", "4",
            "--graceful-timeout", "5", "--no-control-socket", *memory,
        ],
        log_dir=log_dir(),
        env={
            "PYTHONUNBUFFERED": "1",
            "PGLOUPE_VAR_DIR": str(var_dir()),
            "PGLOUPE_ALLOWED_HOSTS": ",".join([*settings.ALLOWED_HOSTS, *_names_of(host)]),
            **static_files.ENVIRONMENT,
        },
        cwd=settings.BASE_DIR,
        pass_fds=[listener.fileno()],
    )  # fmt: skip


def _names_of(host: str) -> list[str]:
    """What people may type to reach ``host``: itself, or all of this machine's addresses for a wildcard."""
    if host not in {"0.0.0.0", "::"}:
        return [f"[{host}]" if ":" in host else host]
    addresses = [
        a.address for interfaces in psutil.net_if_addrs().values() for a in interfaces if a.family == socket.AF_INET
    ]
    return [socket.gethostname(), socket.getfqdn(), *addresses]


def _listen(options: RunOptions, say: Callable[[str], None]) -> tuple[socket.socket, str]:
    """The wanted port, else the next free one."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    candidates = [*range(options.port, min(options.port + PORTS_TRIED, 65_536)), 0]
    for port in candidates:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((options.host, port))
            listener.listen(512)
        except PermissionError:
            listener.close()
            raise RuntimeFailure(f"Port {port} needs root; choose one from 1024 up with --port") from None
        except OSError as error:
            listener.close()
            if port == 0:
                raise RuntimeFailure(f"Cannot listen on {options.host}: {error.strerror}") from None
            continue
        used = int(listener.getsockname()[1])
        if used != options.port:
            say(f"Port {options.port} is taken; using {used}.")
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(options.host, options.host)
        return listener, f"http://{name}:{used}"
    raise AssertionError("unreachable: port 0 either works or raises")


def _wait_for_web(web: ChildProcess, listener: socket.socket) -> None:
    """Until a page is answered, whatever the status below 500."""
    host, port = listener.getsockname()[:2]
    deadline = time.monotonic() + WEB_READY_S
    status: int | None = None
    while time.monotonic() < deadline:
        if not web.is_running:
            raise RuntimeFailure(f"The web server did not start; {web.log_file} ends:\n{last_lines(web.log_file)}")
        client = http.client.HTTPConnection({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, timeout=5)
        try:
            client.request("GET", "/")
            status = client.getresponse().status
            if status < 500:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            client.close()
        time.sleep(0.1)
    said = f"answers with status {status}" if status else "does not answer"
    raise RuntimeFailure(f"The web server {said}; {web.log_file} ends:\n{last_lines(web.log_file)}")


def _join(running: Running | None, options: RunOptions, announce: Callable[[str], None]) -> int:
    if running is None:
        announce(f"pgLoupe is starting already with the data in {var_dir()}; its terminal shows the address.")
        return 0
    _use_store(running.database_url)
    os.environ["REDIS_URL"] = running.redis_url
    if options.add_servers:
        options.add_servers()
    announce(
        f"pgLoupe runs already (process {running.pid}): {running.url}/  Log in once with {_login_link(running.url)}"
    )
    return 0
