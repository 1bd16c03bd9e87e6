"""Row security and its policies do not go together.

With row security on and no policy, everybody but the owner (him too under FORCE), superusers and roles with BYPASSRLS
sees no row and no error; that is a way to lock a table, and more often a policy that was forgotten. With policies and
row security off, the policies do nothing: every role that may SELECT sees all rows. To verify, psql's \\d shows
"Policies (row security disabled)".

ENABLE ROW LEVEL SECURITY, or drop the policies; write a policy, or mute this where nobody shall see rows.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import listed, to_copy
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified
from analyzer.words.lists import some_of

check = Check(__name__, code="SC037", title="Row security without policies", severity=Severity.INFO)


@check.on(TableFacts)
def row_security_without_policy(table: TableFacts) -> Iterator[Finding]:
    if table.kind not in "rp":
        return
    if table.policies is None:
        raise NotRun("needs the row security policies")
    if table.has_row_security and not table.policies:
        yield check.finding(
            subject=table.name,
            message=f"{table.qualified_name} has row security and no policy: only {_seeing(table)} see rows.",
            hint="Write a policy, or leave it as a lock.",
            evidence={"policies": "", "table_rows": table.rows},
            table=table.qualified_name,
        )
    elif table.policies and not table.has_row_security:
        names = [policy.name for policy in table.policies]
        yield check.finding(
            subject=table.name,
            title="Policies without row security",
            message=f"{some_of(names)} of {table.qualified_name} {'does' if len(names) == 1 else 'do'} nothing:"
            " row security is off for the table.",
            hint="Turn it on, or drop the policies.",
            severity=Severity.WARNING,
            evidence={"policies": listed(names), "table_rows": table.rows},
            table=table.qualified_name,
            fixes=(
                to_copy(
                    "Turn it on (ACCESS EXCLUSIVE, for a moment; rows that no policy admits are gone from sight)",
                    f"ALTER TABLE {qualified(table.schema, table.name)} ENABLE ROW LEVEL SECURITY;",
                ),
            ),
        )


def _seeing(table: TableFacts) -> str:
    owner = "" if table.forces_row_security else "its owner, "
    return f"{owner}superusers and roles with BYPASSRLS"
