"""Nothing ends a statement, or a forgotten transaction, of the application's roles.

Without ``statement_timeout`` a statement that went wrong runs for hours and keeps its locks; without
``idle_in_transaction_session_timeout`` a forgotten transaction keeps VACUUM from removing rows until somebody looks.
Set them for the roles of the application, not for the server: backups and migrations need longer. A role counts here
where neither the server, nor the database, nor the role itself has a value. The application may set one of its own
when it connects, which the server does not show: then leave it alone.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix
from analyzer.checks.settings import settings_of
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts, RoleFacts
from analyzer.schema.hosts import host_of
from analyzer.schema.quoting import quote_identifier
from analyzer.words.lists import and_list

check = Check(
    __name__,
    code="SV034",
    title="Roles without a timeout",
    severity=Severity.INFO,
)

WANTED = {  # setting -> a value to begin with (judgement), what happens without
    "statement_timeout": ("60s", "a statement that went wrong runs on and keeps its locks"),
    "idle_in_transaction_session_timeout": ("60s", "a transaction that was forgotten stays open and holds back VACUUM"),
}
MOST_NAMED = 5
# how managed services' own roles begin, which are theirs to set
SERVICE = ("rds", "cloudsql", "alloydb", "azure", "supabase_", "pgbouncer", "authenticator", "replication", "neon_")


@check.on(ClusterFacts)
def no_timeouts(facts: ClusterFacts) -> Iterator[Finding]:
    for name, (value, without) in WANTED.items():
        setting = settings_of(facts).settings.get(name)
        if setting is None or setting.value != "0":
            continue
        service = SERVICE if host_of(facts) is not None else ()
        roles = [
            role
            for role in facts.roles or ()
            if _is_of_an_application(role) and not role.settings.get(name) and not role.name.startswith(service)
        ]
        if not roles:
            continue
        names = [role.name for role in roles[:MOST_NAMED]]
        more = f" and {len(roles) - MOST_NAMED} more" if len(roles) > MOST_NAMED else ""
        yield check.finding(
            subject=name,
            message=(
                f"{name} is not set for {', '.join(names) + more if more else and_list(names)}: {without}."
                " A value that the application sets on connecting would not be seen here."
            ),
            hint="Set it for each role of the application, longer than its longest statement or pause.",
            evidence={"setting": name, "roles": len(roles)},
            members=tuple(role.name for role in roles),
            fixes=(
                Fix(
                    "For new sessions of these roles",
                    "sql",
                    "\n".join(f"ALTER ROLE {quote_identifier(role)} SET {name} = '{value}';" for role in names),
                ),
            ),
        )


def _is_of_an_application(role: RoleFacts) -> bool:
    """One that logs in to do an application's work, as far as rights tell; monitoring reads only."""
    return (
        role.can_log_in
        and not (role.is_superuser or role.replicates or role.creates_roles or role.creates_databases)
        and "pg_monitor" not in role.member_of
        and role.settings.get("default_transaction_read_only") != "on"
    )
