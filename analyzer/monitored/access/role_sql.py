"""SQL that a database's owner copies: a login for pgLoupe with the least rights, and rights that one lacks.

Tried on 13, 15 and 18. README.md quotes the login of a server whose version is not known.
"""

from collections.abc import Sequence

from analyzer.schema.quoting import comment, qualified, quote_identifier

MOST_NAMED = 20  # judgement: more tables are granted by schema or all at once
TRANSACTION_TIMEOUT = "SET transaction_timeout = '120s';"
OWNERS_PUBLIC = "REVOKE CREATE ON SCHEMA public FROM PUBLIC;"


def create_login_sql(
    login: str, database: str, server_version_num: int | None = None, schemas: Sequence[str] = ("public",)
) -> str:
    """A login that reads statistics and tables and writes nothing. ``schemas`` matter before 14 only.

    ``server_version_num`` None: for any server, with comments where versions differ.
    """
    role = quote_identifier(login)
    lines = [
        *_login_lines(login, database, server_version_num, schemas),
        f"ALTER ROLE {role} SET temp_file_limit = '1GB';  -- a superuser only",
        "-- it counts nothing before pg_stat_statements is in shared_preload_libraries, which needs a restart",
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;",
        "-- recommended, but they concern every role: check first that nobody relies on these rights",
        _comment(f"REVOKE TEMPORARY ON DATABASE {quote_identifier(database)} FROM PUBLIC;"),
    ]
    if server_version_num is None:
        lines.append(_comment(f"before 15: {OWNERS_PUBLIC}"))
    elif server_version_num < 150_000:
        lines.append(_comment(OWNERS_PUBLIC))
    return "\n".join(lines)


def create_login_line(login: str, database: str, server_version_num: int) -> str:
    """The statements of ``create_login_sql`` that need no superuser, on one line, for a sentence."""
    lines = _login_lines(login, database, server_version_num, ("public",))
    return " ".join(line for line in lines if not line.startswith("--"))


def _login_lines(login: str, database: str, server_version_num: int | None, schemas: Sequence[str]) -> list[str]:
    """Each a statement or a comment."""
    role = quote_identifier(login)
    lines = [
        f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 5;",
        _comment(f"then set its password: in psql, \\password {role}"),
        f"GRANT CONNECT ON DATABASE {quote_identifier(database)} TO {role};",
        f"GRANT pg_monitor TO {role};",
        *grant_reading_sql(login, server_version_num, schemas),
        f"ALTER ROLE {role} SET default_transaction_read_only = on;",
        f"ALTER ROLE {role} SET statement_timeout = '15s';",
        f"ALTER ROLE {role} SET lock_timeout = '100ms';",
        f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '20s';",
        f"ALTER ROLE {role} SET search_path = pg_catalog;",
    ]
    if server_version_num is None:
        lines.append(_comment(f"from 17 on: ALTER ROLE {role} {TRANSACTION_TIMEOUT}"))
    elif server_version_num >= 170_000:
        lines.append(f"ALTER ROLE {role} {TRANSACTION_TIMEOUT}")
    return lines


def grant_reading_sql(login: str, server_version_num: int | None, schemas: Sequence[str]) -> list[str]:
    """Reading all tables: one role from 14 on, before that schema by schema."""
    role = quote_identifier(login)
    if server_version_num is None:
        grants = [line for line in _grant_in(schemas, role) if not line.startswith("--")]
        comments = [line for line in _grant_in(schemas, role) if line.startswith("--")]
        return [
            f"GRANT pg_read_all_data TO {role};",
            _comment(f"on 13 instead, in each schema: {' '.join(grants)}"),
            *(_comment(f"on 13, {line.removeprefix('-- ')}") for line in comments),
        ]
    if server_version_num >= 140_000:
        return [f"GRANT pg_read_all_data TO {role};"]
    return _grant_in(schemas, role)


def grant_unreadable_sql(
    login: str,
    server_version_num: int,
    tables: Sequence[tuple[str, str]],
    schemas: Sequence[str],
    *,
    closed: Sequence[str] = (),
    are_all: bool = False,
) -> list[str]:
    """Reading what the login cannot yet, and no more: ``tables`` where they are few, else ``schemas``.

    ``closed``: schemas that it may not look into. ``are_all``: it can read no table so far, and the login's own recipe
    opens them.
    """
    role = quote_identifier(login)
    if are_all or max(len(schemas), len(closed)) > MOST_NAMED:
        return grant_reading_sql(login, server_version_num, schemas)
    if len(tables) > MOST_NAMED:
        lines = _grant_in(schemas, role)
    else:
        lines = [f"GRANT USAGE ON SCHEMA {quote_identifier(schema)} TO {role};" for schema in closed]
        lines += [f"GRANT SELECT ON TABLE {qualified(*table)} TO {role};" for table in tables]
    if server_version_num >= 140_000:
        lines.append(_comment(f"or all data, tables to come included: GRANT pg_read_all_data TO {role};"))
    return lines


def _grant_in(schemas: Sequence[str], role: str) -> list[str]:
    lines = []
    for schema in map(quote_identifier, schemas):
        lines += [
            f"GRANT USAGE ON SCHEMA {schema} TO {role};",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};",
            _comment(
                "as the role that creates the tables:"
                f" ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role};"
            ),
        ]
    return lines


def _comment(text: str) -> str:
    return comment(text).rstrip("\n")
