"""The gate's look at our own login: with which rights code would run if a statement reached some all the same."""

from analyzer.monitored.access.role_sql import create_login_line
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
    recipe = create_login_line("pgloupe", connection.dbname, connection.server_version_num)
    return (
        f"EXPLAIN is not sent as {quoted(row.login)}, {what}: whatever a statement reaches would run with that right."
        f" Watch this server with a login that only reads: {recipe}"
    )
