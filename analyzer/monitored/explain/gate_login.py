"""The gate's look at our own login: with which rights code would run if a statement reached some all the same."""

from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.failures import quoted

# roles that can change data, files or other sessions, here and on managed services
DANGEROUS_ROLES = (
    "pg_write_all_data", "pg_execute_server_program", "pg_write_server_files", "pg_read_server_files",
    "pg_maintain", "pg_signal_backend", "pg_create_subscription",
    "rds_superuser", "azure_pg_admin", "cloudsqlsuperuser", "neon_superuser", "supabase_admin",
    "alloydbsuperuser", "aiven_extras", "doadmin",
)  # fmt: skip


def login_objection(connection: MonitoredConnection) -> str | None:
    """Why this login must not ask for plans, with what to do; None for one that can only read."""
    with connection.transaction_read_only():
        (row,) = connection.run(
            "gate_login", {"dangerous_roles": list(DANGEROUS_ROLES)}, action="reading the login's rights"
        )
    what = ""
    if row.is_superuser:
        what = "which is a superuser"
    elif row.dangerous_role:
        what = f"which is a member of {row.dangerous_role}"
    elif row.writable_table:
        what = f"which may change {row.writable_table}"
    if not what:
        return None
    return (
        f"EXPLAIN is not sent as {quoted(row.login)}, {what}: whatever a statement reaches would run with that right."
        f" Watch this server with a login that only reads: {reading_login_sql(connection)}"
    )


def reading_login_sql(connection: MonitoredConnection) -> str:
    """On one line; ``role_sql.create_login_sql`` has all that is recommended."""
    if connection.server_version_num >= 140_000:
        return "CREATE ROLE pgloupe LOGIN; GRANT pg_monitor, pg_read_all_data TO pgloupe;"
    return (
        "CREATE ROLE pgloupe LOGIN; GRANT pg_monitor TO pgloupe;"
        " GRANT SELECT ON ALL TABLES IN SCHEMA public TO pgloupe;"
    )
