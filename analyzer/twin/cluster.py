"""The PostgreSQL a twin lives in: private, small, without anything that runs by itself.

One superuser, who never runs what came from elsewhere, and one role without rights, who does. The database belongs to
the superuser: its owner could otherwise give settings to the superuser's sessions.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg import sql

from analyzer.monitored.catalog.planner_facts import PlannerFacts
from analyzer.monitored.login import AS_BYTES, read_leniently
from analyzer.runtime import system_user
from analyzer.runtime.initdb import initialise, run_program
from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import RuntimeFailure
from analyzer.twin import limits
from analyzer.twin.watch import TwinWatch, WatchedConnection

DATABASE, ROLE, SCHEMA = "twin", "pgloupe_twin", "pgloupe_twin"
SETTINGS: dict[str, str | int] = {
    "autovacuum": "off",  # 18 then leaves a table's restored statistics alone when it gets an index
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "max_wal_size": "4MB",  # of segments of 1 MB: kept on disk for each database that is watched
    "min_wal_size": "2MB",
    "shared_buffers": "16MB",
    "max_connections": 8,
    "superuser_reserved_connections": 3,
    "max_worker_processes": 0,
    "io_method": "sync",
    "max_locks_per_transaction": 2048,  # a table with hundreds of candidates, times its partitions
    "restart_after_crash": "off",  # recovery would write over the pages made by hand: the twin is made anew
    "temp_file_limit": "256MB",
    "jit": "off",
    "track_activities": "off",
    # messages would repeat statements and, with them, sample values
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "logging_collector": "off",
}
Opened = TypeVar("Opened", bound="psycopg.Connection[Any]")
# superuser's sessions: nothing found by an unqualified name comes from the restored database
SAFE_OPTIONS = "-c search_path=pg_catalog -c event_triggers=off -c row_security=off -c statement_timeout=0"
# builtin and C sort orders need nothing of the machine; those of libc have to exist there
FALLBACK_LOCALES = ("C.UTF-8", "C")


def open_cluster(directory: Path, template: Path) -> PostgresCluster:
    """A started cluster in ``directory/data``; made from the template's when there is none yet."""
    cluster = PostgresCluster(
        directory / "data",
        settings=SETTINGS,
        log_file=directory / "postgresql.log",
        address_space_bytes=limits.MEMORY_LIMIT_BYTES,
        cpu_s=limits.CPU_LIMIT_S,
    )
    if cluster.is_running:  # of a holder that died: it may have started without these limits
        cluster.stop()
    if not (cluster.data_dir / "PG_VERSION").exists():
        _copy(_template(template), cluster)
    cluster.start()
    return cluster


def _template(directory: Path) -> PostgresCluster:
    """initdb takes a second, a copy a fifth of it. The caller holds a lock on the directory.

    Small, since there is one for each database: a log in short segments, and no template1, which nothing is made from.
    """
    cluster = PostgresCluster(directory / "data", settings=SETTINGS)
    done = cluster.data_dir.with_name("small")
    try:
        if not done.exists():
            raise RuntimeFailure("unfinished, or of an older pgLoupe")
        initialise(cluster.data_dir, cluster.bin_dir, cluster.user)
    except RuntimeFailure:  # also of an older major version
        done.unlink(missing_ok=True)
        shutil.rmtree(cluster.data_dir, ignore_errors=True)
        initialise(cluster.data_dir, cluster.bin_dir, cluster.user, ["--wal-segsize=1"])
        # pages made by hand have no checksums
        run_program(cluster.bin_dir, cluster.user, "pg_checksums", "--disable", "-N", "-D", str(cluster.data_dir))
        cluster.start()
        try:
            with superuser(cluster, "postgres") as connection:
                connection.execute("alter database template1 with is_template false")
                connection.execute("drop database template1")
        finally:
            cluster.stop()
        done.touch()
    return cluster


def _copy(template: PostgresCluster, cluster: PostgresCluster) -> None:
    unfinished = cluster.data_dir.with_name(f"{cluster.data_dir.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    subprocess.run(["cp", "-pR", str(template.data_dir), str(unfinished)], check=True, capture_output=True)
    unfinished.rename(cluster.data_dir)
    cluster.user = system_user.user_for(cluster.data_dir)


@contextlib.contextmanager
def superuser(cluster: PostgresCluster, dbname: str = DATABASE) -> Iterator["psycopg.Connection[Any]"]:
    with connect_superuser(cluster, dbname) as connection:
        yield connection


def connect_superuser(cluster: PostgresCluster, dbname: str = DATABASE) -> "psycopg.Connection[Any]":
    """For statements of ours alone."""
    return _with_encoding(
        psycopg.connect(
            cluster.dsn(dbname, options=SAFE_OPTIONS), autocommit=True, prepare_threshold=None, client_encoding="utf8"
        )
    )


def connect_role(cluster: PostgresCluster, watch: TwinWatch | None = None) -> WatchedConnection:
    """For everything that came from elsewhere; ``watch``: ends what does not end by itself."""
    options = f"-c statement_timeout={limits.TIMEOUT_MS}"
    connection = WatchedConnection.connect(
        cluster.dsn(DATABASE, ROLE, options=options), autocommit=True, prepare_threshold=None, client_encoding="utf8"
    )
    connection.watch = watch
    return _with_encoding(connection)


def _with_encoding(connection: Opened) -> Opened:
    """Of a database without an encoding bytes come as they are, and texts go as UTF-8 (send bytes, not str)."""
    if connection.info.parameter_status("server_encoding") == AS_BYTES:
        connection.execute(f"set client_encoding = '{AS_BYTES}'")
        read_leniently(connection)
    return connection


def create_database(cluster: PostgresCluster, facts: PlannerFacts) -> str | None:
    """An empty database with the server's sort order, or the nearest; a sentence says when it is not the same."""
    with superuser(cluster, "postgres") as connection:
        connection.execute(f"drop database if exists {DATABASE} with (force)")
        connection.execute(
            f"do $$ begin create role {ROLE} login nosuperuser nocreatedb nocreaterole noinherit noreplication"
            " nobypassrls; exception when duplicate_object then null; end $$"
        )
        note = _create_database(connection, facts)
        connection.execute(f"revoke all on database {DATABASE}, postgres from public")
        connection.execute(f"grant connect, create on database {DATABASE} to {ROLE}")
    with superuser(cluster) as connection:
        connection.execute(f"alter schema public owner to {ROLE}")
        connection.execute(f"create schema {SCHEMA}; grant usage on schema {SCHEMA} to {ROLE}")
        connection.execute("create extension pg_buffercache with schema " + SCHEMA)
        connection.execute(SWITCH)
        connection.execute(EXPLAINED)
        connection.execute(
            f"revoke all on all functions in schema {SCHEMA} from public;"
            f" grant execute on function {SCHEMA}.switch(oid[], oid[]), {SCHEMA}.explained(text, int4) to {ROLE}"
        )
    return note


# The one thing that the role may do to a catalog, and for its own tables' indexes only.
SWITCH = f"""
create function {SCHEMA}.switch(shown oid[], hidden oid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update pg_catalog.pg_index as i
    set indisvalid = (i.indexrelid operator(pg_catalog.=) any (shown))
    from pg_catalog.pg_class as c
    where i.indexrelid operator(pg_catalog.=) any (shown operator(pg_catalog.||) hidden)
        and c.oid operator(pg_catalog.=) i.indrelid
        and pg_catalog.pg_get_userbyid(c.relowner) operator(pg_catalog.=) '{ROLE}'::pg_catalog.name;
end $$
"""


# Runs an EXPLAIN with the caller's rights, and keeps back what is too long: libpq would read all of it into our memory.
EXPLAINED = f"""
create function {SCHEMA}.explained(statement text, most_bytes int4, out plan text, out size_bytes int4)
language plpgsql as $$
begin
    execute statement into plan;
    size_bytes := pg_catalog.octet_length(plan);
    if size_bytes operator(pg_catalog.>) most_bytes then
        plan := null;
    end if;
end $$
"""


def _create_database(connection: "psycopg.Connection[Any]", facts: PlannerFacts) -> str | None:
    encoding = facts.encoding if facts.encoding == AS_BYTES else "UTF8"
    attempts: list[dict[str, str]] = []
    if facts.locale_provider == "b" and facts.locale:
        attempts.append({"locale_provider": "builtin", "builtin_locale": facts.locale, "locale": "C"})
    elif facts.locale_provider == "i" and facts.locale:
        attempts.append({"locale_provider": "icu", "icu_locale": facts.locale, "locale": "C"})
    else:
        attempts.append({"locale_provider": "libc", "lc_collate": facts.collation, "lc_ctype": facts.character_type})
    same, reason = len(attempts), None
    if encoding == "UTF8":
        attempts += [{"locale_provider": "libc", "locale": name} for name in FALLBACK_LOCALES]
    else:
        attempts.append({"locale_provider": "libc", "locale": "C"})
    for number, attempt in enumerate(attempts):
        options = [
            sql.SQL("{} {}").format(sql.SQL(name), sql.Literal(value))
            for name, value in {"template": "template0", "encoding": encoding, **attempt}.items()
        ]
        statement = sql.SQL("create database {} with {}").format(sql.Identifier(DATABASE), sql.SQL(" ").join(options))
        try:
            connection.execute(statement)
        except psycopg.Error as error:
            reason = error.diag.message_primary
            if connection.closed or isinstance(error, (pg.DiskFull, pg.IoError)):
                raise
            continue
        if number < same:
            return None
        name = facts.locale or facts.collation
        return (
            f"The database sorts text by {name!r}, which this machine does not have; the twin sorts by"
            f" {attempt['locale']}, so estimates for ranges of text may differ a little"
        )
    raise RuntimeFailure(f"The twin's database could not be created: {reason or 'no reason given'}")
