"""Looks at what pgLoupe needs on a server and at what its login should not have.

Each item says in one sentence what is, and gives the SQL that mends it. ``missing``: something does not work without
it; ``warning``: it works, but worse or with more risk than needed.
"""

from collections.abc import Callable, Iterator

from analyzer.errors import ConnectionLost, MissingRight, MonitoredServerError
from analyzer.monitored.access.observed_server import ObservedServer
from analyzer.monitored.access.preflight_connection import encryption, planner_twin, pooler, scale_to_zero
from analyzer.monitored.access.preflight_counting import RELOAD, RESTART, counting_items
from analyzer.monitored.access.preflight_gate import namesakes, owners
from analyzer.monitored.access.role_sql import MOST_NAMED, create_login_sql
from analyzer.monitored.catalog.settings import read_settings
from analyzer.monitored.connection import OLDEST_STATEMENTS, MonitoredConnection
from analyzer.monitored.explain.gate_login import DANGEROUS_ROLES, login_objection
from analyzer.monitored.failures import quoted
from analyzer.monitored.loader import version_tuple
from analyzer.monitored.readings import PreflightItem
from analyzer.monitored.sample.statements import read_server_state
from analyzer.words.lists import counted

NEWEST_TESTED = 18


def run_preflight(conn: MonitoredConnection) -> list[PreflightItem]:
    """All items, in the order to mend them."""
    observed = _observe(conn)
    return [item for look in ITEMS for item in look(observed)]


def _observe(conn: MonitoredConnection) -> ObservedServer:
    with conn.transaction_read_only():
        login = conn.run(
            "preflight_login",
            {"dangerous_roles": list(DANGEROUS_ROLES)},
            action="reading the login's rights",
        )[0]
        tables = conn.run("preflight_tables", {"most_named": MOST_NAMED + 1}, action="reading the rights on tables")[0]
        available = conn.run("preflight_extension", action="looking for pg_stat_statements")
    settings = read_settings(conn)
    state, problem, entries = None, None, None
    try:
        state = read_server_state(conn)
        schema, version = conn.need_statements_extension()
        with conn.transaction_read_only():
            entries = conn.run(
                "preflight_entries",
                action="counting the statements' entries",
                identifiers={"schema": schema},
                extension_version=version,
            )[0]
    except ConnectionLost:
        raise
    except MonitoredServerError as error:
        problem = error
    extension = available[0] if available else None
    objection = login_objection(conn)
    return ObservedServer(conn, login, tables, settings, extension, state, problem, entries, objection)


def _server_version(seen: ObservedServer) -> Iterator[PreflightItem]:
    major, minor = divmod(seen.version_num, 10_000)
    if major > NEWEST_TESTED:
        detail = f"PostgreSQL {major} is newer than this pgLoupe was tested with (13 to {NEWEST_TESTED})."
        yield PreflightItem("PostgreSQL version", "warning", detail)
    else:
        yield PreflightItem("PostgreSQL version", "ok", f"PostgreSQL {major}.{minor} is supported.")


def _extension(seen: ObservedServer) -> Iterator[PreflightItem]:
    name = "pg_stat_statements"
    installed = seen.conn.statements_extension
    if seen.extension is None and installed is None:
        detail = "The extension is not on the server; install PostgreSQL's contrib package there first."
        yield PreflightItem(name, "missing", detail)
        return
    # its settings exist only where the library was loaded at the server's start
    if "pg_stat_statements.max" not in seen.settings:
        libraries = seen.settings.get("shared_preload_libraries", "")
        loaded = [part.strip().strip('"') for part in libraries.split(",") if part.strip()]
        names = ", ".join("'" + part.replace("'", "''") + "'" for part in [*loaded, name])
        sql = f"ALTER SYSTEM SET shared_preload_libraries = {names};\n{RESTART}"
        if "shared_preload_libraries" not in seen.settings:
            sql = f"-- keep the libraries that are listed now\n{sql}"
        detail = "The library is not loaded; no statement is counted until the server restarts with it."
        yield PreflightItem(name, "missing", detail, sql)
        return
    if installed is None:
        detail = f"The extension is loaded but not created in database {seen.conn.dbname!r}."
        yield PreflightItem(name, "missing", detail, "CREATE EXTENSION pg_stat_statements;")
        return
    schema, version = installed
    newest = seen.extension.default_version if seen.extension else version
    update = "ALTER EXTENSION pg_stat_statements UPDATE;"
    if version_tuple(version) < OLDEST_STATEMENTS:
        detail = f"Version {version} is too old; pgLoupe needs 1.8, and {newest} is there."
        yield PreflightItem(name, "missing", detail, update)
    elif seen.problem is not None:
        remedy = seen.problem.remedy_sql if isinstance(seen.problem, MissingRight) else ""
        yield PreflightItem(name, "missing", f"It cannot be read. {seen.problem}", remedy)
    elif version_tuple(version) < version_tuple(newest):
        detail = f"Version {version} works; {newest} is there and counts more."
        yield PreflightItem(name, "warning", detail, update)
    else:
        yield PreflightItem(name, "ok", f"Version {version} is there, in schema {schema}.")


def _statistics_rights(seen: ObservedServer) -> Iterator[PreflightItem]:
    name = "Right to statistics"
    if seen.login.reads_all_statistics and seen.login.reads_all_settings:
        yield PreflightItem(name, "ok", "The login sees the statements and sessions of all roles.")
        return
    hidden = f" (entries hidden: {seen.entries.hidden:,})" if seen.entries and seen.entries.hidden else ""
    detail = f"The login sees its own statements and sessions only{hidden}."
    if seen.login.reads_all_statistics:
        detail = "The login sees all statements and sessions, but not all settings."
    status = "warning" if seen.login.reads_all_statistics else "missing"
    yield PreflightItem(name, status, detail, f"GRANT pg_monitor TO {seen.role};")


def _table_rights(seen: ObservedServer) -> Iterator[PreflightItem]:
    name, tables = "Right to read tables", seen.tables
    if tables.readable == tables.tables:
        detail = (
            "The login may read the one table there is."
            if tables.tables == 1
            else f"The login may read all {tables.tables:,} tables."
        )
        if tables.with_row_security and not seen.login.bypasses_row_security and not seen.login.is_superuser:
            detail += (
                f" Row security is on for {tables.with_row_security:,} of them: their statistics may be hidden,"
                " and statements on them are not executed."
            )
        yield PreflightItem(name, "ok", detail)
        return
    detail = (
        f"The login may read {tables.readable:,} of {counted(tables.tables, 'table')}; of the others there is no"
        " EXPLAIN and there are no column statistics. With the right to read them, its password opens their data."
    )
    yield PreflightItem(name, "warning", detail, seen.grants_sql)


def _login(seen: ObservedServer) -> Iterator[PreflightItem]:
    name, login = "Login", seen.login
    no_explain = " Until then EXPLAIN is not sent: plans are the planner twin's." if seen.login_objection else ""
    fresh = create_login_sql(
        "pgloupe" if login.login != "pgloupe" else "pgloupe_reader",
        seen.conn.dbname,
        seen.version_num,
        seen.tables.schemas or ["public"],
    )
    if login.is_superuser:
        detail = f"{login.login!r} is a superuser; give pgLoupe a login of its own that may only read.{no_explain}"
        yield PreflightItem(name, "warning", detail, fresh)
    elif login.dangerous_roles:
        roles = ", ".join(login.dangerous_roles)
        detail = f"{login.login!r} is a member of {roles}, with which it can do more than read.{no_explain}"
        revoke = "\n".join(f"REVOKE {quoted(role)} FROM {seen.role};" for role in login.dangerous_roles)
        yield PreflightItem(name, "warning", detail, f"{revoke}\n-- or a login of its own:\n{fresh}")
    elif seen.tables.writable:
        writable = counted(seen.tables.writable, "table")
        detail = f"{login.login!r} may write {writable}; it needs to read only.{no_explain}"
        yield PreflightItem(name, "warning", detail, fresh)
    elif login.bypasses_row_security or login.has_admin_attribute:
        detail = f"{login.login!r} has BYPASSRLS, CREATEROLE, CREATEDB or REPLICATION, which it does not need."
        sql = f"ALTER ROLE {seen.role} NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION;"
        yield PreflightItem(name, "warning", detail, sql)
    else:
        yield PreflightItem(name, "ok", f"{login.login!r} may read and not write.")


def _io_timing(seen: ObservedServer) -> Iterator[PreflightItem]:
    name = "track_io_timing"
    if seen.settings.get(name) == "on":
        yield PreflightItem(name, "ok", "Reading and writing times are measured.")
        return
    detail = (
        "Times of reading and writing blocks are not measured; see first that pg_test_timing shows a fast clock"
        " (under 100 ns)."
    )
    yield PreflightItem(name, "warning", detail, f"ALTER SYSTEM SET track_io_timing = on;\n{RELOAD}")


def _counting(seen: ObservedServer) -> Iterator[PreflightItem]:
    yield from counting_items(seen.settings, seen.entries.entries if seen.entries else None, seen.state)


def _planning(seen: ObservedServer) -> Iterator[PreflightItem]:
    value = seen.settings.get("pg_stat_statements.track_planning")
    if value == "on":
        detail = "Planning times are counted; with very many short statements at once that costs some throughput."
        yield PreflightItem("pg_stat_statements.track_planning", "ok", detail)
    elif value is not None:
        detail = "Planning times are not counted; this is PostgreSQL's default and fine."
        yield PreflightItem("pg_stat_statements.track_planning", "ok", detail)


def _replica(seen: ObservedServer) -> Iterator[PreflightItem]:
    if seen.login.is_in_recovery:
        detail = (
            "The server is a replica: statements are its own, but tables' statistics and indexes come from the"
            " primary, where changes are made."
        )
        yield PreflightItem("Primary or replica", "ok", detail)
    else:
        yield PreflightItem("Primary or replica", "ok", "The server is a primary.")


ITEMS: tuple[Callable[[ObservedServer], Iterator[PreflightItem]], ...] = (
    _server_version, _extension, _statistics_rights, _table_rights, _login, namesakes, owners, _io_timing, _counting,
    _planning, pooler, scale_to_zero, planner_twin, _replica, encryption,
)  # fmt: skip
