"""Nothing ends a statement, or a forgotten transaction, of the application's roles.

Without ``statement_timeout`` a statement that went wrong runs for hours and keeps its locks; without
``idle_in_transaction_session_timeout`` a forgotten transaction keeps VACUUM from removing rows until somebody looks.
Set them for the roles of the application, not for the server: backups and migrations need longer. A
``lock_timeout`` ends what only waits for a lock sooner, and those that queue behind it. From 17 on
``transaction_timeout`` ends both kinds. A role counts here in each database with load where neither the server, nor the
database, nor the role itself has a value. The server's own value is not known where pgLoupe's login, or the database
it is connected to, has one of its own, as the recipe for the login gives it: then nothing is said of that setting, and
SHOW in a session of another role tells whether there is one. The application may set one of its own when it connects,
which the server does not show: then leave it alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.checks import Check, Fix, NotRun
from analyzer.checks.settings import settings_of
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts, RoleFacts
from analyzer.schema.hosts import host_of
from analyzer.schema.quoting import quote_identifier
from analyzer.schema.role_settings import is_chosen, server_value
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
ENDS_ALL, OF_LOCKS, LOCK_VALUE = "transaction_timeout", "lock_timeout", "5s"
MOST_NAMED = 5
# how managed services' own roles begin, which are theirs to set
SERVICE = ("rds", "cloudsql", "alloydb", "azure", "supabase_", "pgbouncer", "authenticator", "replication", "neon_")


@dataclass(frozen=True, slots=True)
class _Lacking:
    """``databases``: where it lacks it; "" for all that have load."""

    role: str
    databases: tuple[str, ...]

    @property
    def named(self) -> str:
        return f"{self.role} (in {and_list(self.databases)})" if self.databases else self.role

    def commands(self, name: str, value: str) -> Iterator[str]:
        for database in self.databases or ("",):
            where = f" IN DATABASE {quote_identifier(database)}" if database else ""
            yield f"ALTER ROLE {quote_identifier(self.role)}{where} SET {name} = '{value}';"


@check.on(ClusterFacts)
def no_timeouts(facts: ClusterFacts) -> Iterator[Finding]:
    settings_of(facts)
    for part in ("role_settings", "roles"):
        if part in facts.parts_not_read:
            raise NotRun(facts.parts_not_read[part])
    roles = _application_roles(facts)
    unknown = []
    for name, (value, without) in WANTED.items():
        if name not in facts.settings:
            continue
        lacking = [lacks for role in roles if (lacks := _lacking(facts, name, role)) is not None]
        if not lacking:
            continue
        if server_value(facts, name) is None:
            unknown.append(name)
        elif server_value(facts, name) == "0" and _is_hidden(facts, ENDS_ALL):
            unknown.append(ENDS_ALL)
        elif server_value(facts, name) == "0":
            yield _finding(facts, name, value, without, lacking)
    if unknown:
        names = and_list(list(dict.fromkeys(unknown)))
        raise NotRun(
            f"needs the server's own {names}: this login, or its database, has another; SHOW tells it to another role"
        )


def _is_hidden(facts: ClusterFacts, name: str) -> bool:
    return name in facts.settings and server_value(facts, name) is None


def _finding(facts: ClusterFacts, name: str, value: str, without: str, lacking: Sequence[_Lacking]) -> Finding:
    some = lacking[:MOST_NAMED]
    names = [one.named for one in some]
    more = f" and {len(lacking) - MOST_NAMED} more" if len(lacking) > MOST_NAMED else ""
    commands = [command for one in some for command in one.commands(name, value)]
    also = ""
    if name == "statement_timeout" and server_value(facts, OF_LOCKS) == "0":
        waiting = [lacks for one in some if (lacks := _lacking(facts, OF_LOCKS, one.role)) is not None]
        commands += [command for one in waiting for command in one.commands(OF_LOCKS, LOCK_VALUE)]
        if len(waiting) == len(some):
            also = " Nor does lock_timeout end one that waits for a lock."
    return check.finding(
        subject=name,
        message=(
            f"{name} is not set for {', '.join(names) + more if more else and_list(names)}: {without}.{also}"
            " A value that the application sets on connecting would not be seen here."
        ),
        hint="Set it for each role of the application, longer than its longest statement or pause.",
        evidence={"setting": name, "roles": len(lacking)},
        members=tuple(one.role for one in lacking),
        fixes=(Fix("For new sessions of these roles", "sql", "\n".join(commands)),),
    )


def _lacking(facts: ClusterFacts, name: str, role: RoleFacts | str) -> _Lacking | None:
    """Where neither the role nor the database has a value of its own."""
    role_name = role if isinstance(role, str) else role.name
    databases = facts.databases_with_load or (facts.database,)
    without = tuple(
        database
        for database in databases
        if not is_chosen(facts, name, role_name, database) and not _is_ended_otherwise(facts, role_name, database)
    )
    if not without:
        return None
    return _Lacking(role_name, () if len(without) == len(databases) else without)


def _is_ended_otherwise(facts: ClusterFacts, role: str, database: str) -> bool:
    return is_chosen(facts, ENDS_ALL, role, database) or server_value(facts, ENDS_ALL) not in (None, "0")


def _application_roles(facts: ClusterFacts) -> list[RoleFacts]:
    service = SERVICE if host_of(facts) is not None else ()
    return [role for role in facts.roles or () if _is_of_an_application(role) and not role.name.startswith(service)]


def _is_of_an_application(role: RoleFacts) -> bool:
    """One that logs in to do an application's work, as far as rights tell; monitoring reads only."""
    return (
        role.can_log_in
        and not (role.is_superuser or role.replicates or role.creates_roles or role.creates_databases)
        and "pg_monitor" not in role.member_of
        and role.settings.get("default_transaction_read_only") != "on"
    )
