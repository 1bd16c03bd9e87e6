"""The demo's database: a shop with about a million rows, and the two roles that use it.

``shop`` owns the tables and runs the application. ``pgloupe`` is the monitored login, made as
docs/security.md says for the level that may EXPLAIN ANALYZE: it reads everything and changes nothing.
"""

from contextlib import suppress
from importlib import resources

import psycopg
from psycopg import sql

from analyzer.errors import PgLoupeError

DATABASE = "shop"
APP_ROLE = "shop"
MONITOR_ROLE = "pgloupe"

# A server as somebody who cares would set it up; memory is small because the demo shares the machine.
CLUSTER_SETTINGS: dict[str, str | int] = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "top",
    "pg_stat_statements.max": 5000,
    "compute_query_id": "on",
    "track_io_timing": "on",
    "track_activity_query_size": 4096,
    "shared_buffers": "128MB",  # a scan of a table of more than a quarter of it never stays cached
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_connections": 40,
    "max_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    # The commits of a shop nobody relies on need not wait for the disk.
    "synchronous_commit": "off",
    "random_page_cost": "1.1",
    # One planted scan must not take both cores of a small machine.
    "max_parallel_workers_per_gather": 0,
}

MONITOR_LIMITS: tuple[tuple[str, str], ...] = (
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "15s"),
    ("lock_timeout", "100ms"),
    ("idle_in_transaction_session_timeout", "20s"),
    ("temp_file_limit", "1GB"),  # only a superuser may set it
    ("search_path", "pg_catalog"),
)


def is_built(admin_dsn: str) -> bool:
    """Whether the shop is complete. ``admin_dsn``: a superuser's, to the database ``postgres``."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        return _database_exists(connection, DATABASE)


def build(admin_dsn: str) -> None:
    """Make roles, tables, data and keys, about 15 s; does nothing when the shop is there.

    The work is done in a database of another name and renamed at the end, so that an interrupted first
    start leaves nothing that looks complete.
    """
    unfinished = sql.Identifier(f"{DATABASE}_unfinished")
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        # None of this belongs to the application's statistics, and all of it shall survive a crash.
        admin.execute("SET pg_stat_statements.track = 'none'")
        admin.execute("SET synchronous_commit = on")
        if _database_exists(admin, DATABASE):
            return
        _make_roles(admin)
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(unfinished))
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(unfinished, sql.Identifier(APP_ROLE)))
        with psycopg.connect(admin_dsn, dbname=f"{DATABASE}_unfinished", autocommit=True) as owner:
            owner.execute("SET pg_stat_statements.track = 'none'")
            owner.execute("CREATE EXTENSION pg_stat_statements")
            owner.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            owner.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(APP_ROLE)))
            owner.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(APP_ROLE)))
            for name in ("schema.sql", "data.sql", "keys.sql", "leftovers.sql"):
                _run_script(owner, name)
            _leave_invalid_index(owner)
            owner.execute("RESET ROLE")
            owner.execute("VACUUM (ANALYZE)")
        admin.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(unfinished))
        admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(unfinished, sql.Identifier(DATABASE)))


def set_password(admin_dsn: str, role: str, password: str) -> None:
    """Give a role a password; the server gets only its SCRAM verifier, never the text."""
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute("SET pg_stat_statements.track = 'none'")
        verifier = admin.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
        admin.execute(statement.format(sql.Identifier(role), sql.Literal(verifier.decode())))


def _run_script(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Run a file of statements in one transaction (several at once go by the simple protocol)."""
    text = resources.files("analyzer.demo").joinpath(name).read_text()
    try:
        with connection.transaction():
            connection.execute(text.encode())
    except psycopg.Error as error:
        raise PgLoupeError(f"The demo's database could not be made: {name}: {error}") from error


def _leave_invalid_index(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Some customers reviewed a product twice: the build fails, and the index stays behind, invalid."""
    with suppress(psycopg.errors.UniqueViolation):
        connection.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY shop_review_once_idx ON shop_review (product_id, customer_id)"
        )


def _database_exists(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    return row is not None


def _make_roles(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    for role in (APP_ROLE, MONITOR_ROLE):
        if admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    monitor = sql.Identifier(MONITOR_ROLE)
    # Beside the samplers a worker process may explain and watch: a few more than the five usually enough.
    admin.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 10").format(monitor))
    admin.execute(sql.SQL("GRANT pg_monitor, pg_read_all_data TO {}").format(monitor))
    limits = MONITOR_LIMITS
    if admin.info.server_version >= 170000:
        limits = (*limits, ("transaction_timeout", "30s"))
    for name, value in limits:
        statement = sql.SQL("ALTER ROLE {} SET {} = {}")
        admin.execute(statement.format(monitor, sql.Identifier(name), sql.Literal(value)))
