"""SQL that a database's owner copies: a login for pgLoupe with the least rights. Tried on 13, 15 and 18."""

from collections.abc import Sequence

from analyzer.monitored.failures import quoted
from analyzer.schema.quoting import comment


def create_login_sql(login: str, database: str, server_version_num: int, schemas: Sequence[str] = ("public",)) -> str:
    """A login that reads statistics and tables and writes nothing. ``schemas`` matter before 14 only."""
    role = quoted(login)
    lines = [
        f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 5;",
        _comment(f"then set its password: in psql, \\password {role}"),
        f"GRANT pg_monitor TO {role};",
        *grant_reading_sql(login, server_version_num, schemas),
        f"ALTER ROLE {role} SET default_transaction_read_only = on;",
        f"ALTER ROLE {role} SET statement_timeout = '15s';",
        f"ALTER ROLE {role} SET lock_timeout = '100ms';",
        f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '20s';",
        f"ALTER ROLE {role} SET temp_file_limit = '1GB';  -- a superuser only",
        f"ALTER ROLE {role} SET search_path = pg_catalog;",
    ]
    if server_version_num >= 170_000:
        lines.append(f"ALTER ROLE {role} SET transaction_timeout = '120s';")
    lines += [
        "-- recommended, but they concern every role: check first that nobody relies on these rights",
        _comment(f"REVOKE TEMPORARY ON DATABASE {quoted(database)} FROM PUBLIC;"),
    ]
    if server_version_num < 150_000:
        lines.append("-- REVOKE CREATE ON SCHEMA public FROM PUBLIC;")
    return "\n".join(lines)


def grant_reading_sql(login: str, server_version_num: int, schemas: Sequence[str]) -> list[str]:
    """Reading all tables: one role from 14 on, before that schema by schema."""
    role = quoted(login)
    if server_version_num >= 140_000:
        return [f"GRANT pg_read_all_data TO {role};"]
    lines = []
    for schema in schemas:
        lines += [
            f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {role};",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {quoted(schema)} TO {role};",
            _comment(
                "as the role that creates the tables:"
                f" ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted(schema)} GRANT SELECT ON TABLES TO {role};"
            ),
        ]
    return lines


def _comment(text: str) -> str:
    return comment(text).rstrip("\n")
