"""A password was sent in clear, and pg_stat_statements keeps it.

CREATE or ALTER ROLE ... PASSWORD 'secret', a user mapping's or a foreign server's OPTIONS (password ...), and the
connection string with a password of CREATE SUBSCRIPTION or of dblink in a view are kept as they were sent: who may
read pg_stat_statements with pg_read_all_stats (monitoring, for one) reads the password; the server's log may have it,
too. psql's \\password and libpq's PQencryptPasswordConn send the SCRAM hash instead, which is no finding here.

Change the password: of a role in a way that hashes it; of another server there, and give the new one to this server
with pg_stat_statements.track_utility off for that session (a superuser may), or by a password file. Then remove the
entry: pg_stat_statements_reset(userid, dbid, queryid). pgLoupe keeps texts without their literals and never had the
password.
"""

from collections.abc import Iterator

from pglast import ast

from analyzer.checks import Check, Fix
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.statements.secrets import HIDDEN_CONNECTION, HIDDEN_STRING, PLANNED, SECRET_NAME, may_hold_secret
from analyzer.statements.tree import Node, walk

check = Check(
    __name__,
    code="ST027",
    title="Password kept in clear",
    severity=Severity.CRITICAL,
)
OF_ROLES = {ast.CreateRoleStmt: "CREATE ROLE", ast.AlterRoleStmt: "ALTER ROLE"}
OF_OTHERS = {
    ast.CreateUserMappingStmt: "CREATE USER MAPPING",
    ast.AlterUserMappingStmt: "ALTER USER MAPPING",
    ast.CreateForeignServerStmt: "CREATE SERVER",
    ast.AlterForeignServerStmt: "ALTER SERVER",
    ast.CreateForeignTableStmt: "CREATE FOREIGN TABLE",
    ast.CreateSubscriptionStmt: "CREATE SUBSCRIPTION",
    ast.AlterSubscriptionStmt: "ALTER SUBSCRIPTION",
    ast.AlterSystemStmt: "ALTER SYSTEM",
}
WITH_OPTIONS = tuple(kind for kind in (*OF_ROLES, *OF_OTHERS) if kind is not ast.AlterSystemStmt)
OTHERS = "a utility statement"
HIDDEN, CONNECTION = HIDDEN_STRING.strip("'"), HIDDEN_CONNECTION.strip("'")
ROLE_FIX = Fix("In psql: asks for the new password and sends its hash", "text", "\\password role_name")
OTHER_FIX = Fix(
    "The new password, in a session that pg_stat_statements does not look at (as a superuser)",
    "sql",
    "SET pg_stat_statements.track_utility = off;\n-- then the command with the new password, in the same session",
)


@check.on(StatementFacts)
def password_in_statement(statement: StatementFacts) -> Iterator[Finding]:
    if not may_hold_secret(statement.normalized_sql) or isinstance(statement.tree, PLANNED):
        return
    kind = type(statement.tree)
    if not any(_is_connection(node) or (kind in WITH_OPTIONS and _is_in_clear(node)) for node in walk(statement.tree)):
        return
    command = OF_ROLES.get(kind) or OF_OTHERS.get(kind) or OTHERS
    is_role = kind in OF_ROLES
    yield check.finding(
        subject=command,
        message=(
            f"A password was sent in clear in {command}; pg_stat_statements keeps the text with it, for everybody who"
            " has pg_read_all_stats."
        ),
        hint=(
            "Change the password with psql's \\password, which sends a hash, then remove the entry."
            if is_role
            else "Change the password at the other server, give the new one unseen, then remove the entry."
        ),
        evidence={"command": command},
        fixes=(ROLE_FIX if is_role else OTHER_FIX, Fix("Then remove what is kept", "sql", _reset(kind, command))),
    )


def _reset(kind: type, command: str) -> str:
    if kind in OF_ROLES:
        where = r"query ~* '^\s*(create|alter)\s+(role|user|group)\M.*password'"
    elif kind in OF_OTHERS:
        words = r"\s+".join(command.lower().split())
        where = rf"query ~* '^\s*{words}\M.*(passw|secret|://)'"
    else:
        where = r"query ~* '(password|://)' AND query !~* '^\s*(with|select|insert|update|delete|merge)\M'"
    return f"SELECT pg_stat_statements_reset(userid, dbid, queryid) FROM pg_stat_statements\nWHERE {where};"


def _is_in_clear(node: Node) -> bool:
    if not isinstance(node, ast.DefElem) or not SECRET_NAME.search(node.defname):
        return False
    return isinstance(node.arg, ast.String) and node.arg.sval == HIDDEN


def _is_connection(node: Node) -> bool:
    if isinstance(node, (ast.CreateSubscriptionStmt, ast.AlterSubscriptionStmt)):
        return bool(node.conninfo == CONNECTION)
    return isinstance(node, ast.String) and node.sval == CONNECTION
