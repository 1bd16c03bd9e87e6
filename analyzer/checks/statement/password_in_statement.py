"""A password was sent in clear, and pg_stat_statements keeps it.

CREATE or ALTER ROLE ... PASSWORD 'secret', CREATE USER MAPPING and CREATE SUBSCRIPTION are kept as they were sent:
who may read pg_stat_statements with pg_read_all_stats (monitoring, for one) reads the password; the server's log may
have it, too. psql's \\password and libpq's PQencryptPasswordConn send the SCRAM hash instead, which is no finding
here.

Change the password in a way that hashes it first, then remove the entry: pg_stat_statements_reset(userid, dbid,
queryid). pgLoupe keeps texts without their literals and never had the password.
"""

from collections.abc import Iterator

from pglast import ast

from analyzer.checks import Check, Fix
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.statements.secrets import HIDDEN_STRING
from analyzer.statements.tree import Node, walk

check = Check(
    __name__,
    code="ST027",
    title="Password kept in clear",
    severity=Severity.CRITICAL,
)
KINDS = {
    ast.CreateRoleStmt: "CREATE ROLE",
    ast.AlterRoleStmt: "ALTER ROLE",
    ast.CreateUserMappingStmt: "CREATE USER MAPPING",
    ast.AlterUserMappingStmt: "ALTER USER MAPPING",
}
HIDDEN = HIDDEN_STRING.strip("'")


@check.on(StatementFacts)
def password_in_statement(statement: StatementFacts) -> Iterator[Finding]:
    if statement.kind != "utility" or "password" not in statement.normalized_sql.lower():
        return
    command = KINDS.get(type(statement.tree))
    if command is None or not any(_is_in_clear(option) for option in walk(statement.tree)):
        return
    yield check.finding(
        subject=command,
        message=(
            f"A password was sent in clear in {command}; pg_stat_statements keeps the text with it, for everybody who"
            " has pg_read_all_stats."
        ),
        hint="Change the password with psql's \\password, which sends a hash, then remove the entry.",
        evidence={"command": command},
        fixes=(
            Fix("In psql: asks for the new password and sends its hash", "text", "\\password role_name"),
            Fix(
                "Then remove what is kept",
                "sql",
                "SELECT pg_stat_statements_reset(userid, dbid, queryid) FROM pg_stat_statements\n"
                r"WHERE query ~* '^\s*(create|alter)\s+(role|user|group)\M.*password';",
            ),
        ),
    )


def _is_in_clear(node: Node) -> bool:
    if not isinstance(node, ast.DefElem) or node.defname.lower() != "password":
        return False
    return isinstance(node.arg, ast.String) and node.arg.sval == HIDDEN
