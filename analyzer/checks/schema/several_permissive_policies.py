"""Several permissive policies for one command and role.

Permissive policies are joined by OR: a row passes if any of them admits it, and each of them is tested until one does.
Who adds one to restrict access widens it. To verify, psql's \\d lists the policies; those AS RESTRICTIVE are joined by
AND.

Join them in one policy with OR, or make those that restrict AS RESTRICTIVE. Leave it alone where each is a case of its
own and the OR is meant.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import listed
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.words.lists import and_list

check = Check(
    __name__, code="SC038", title="Several permissive policies", severity=Severity.INFO, together=Severity.CRITICAL
)
COMMANDS = ("SELECT", "INSERT", "UPDATE", "DELETE")


@check.on(TableFacts)
def several_permissive_policies(table: TableFacts) -> Iterator[Finding]:
    if not table.has_row_security or table.kind not in "rp":
        return
    if table.policies is None:
        raise NotRun("needs the row security policies")
    applying: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for policy in table.policies:
        for role in policy.roles if policy.is_permissive else ():
            for command in COMMANDS if policy.command == "ALL" else (policy.command,):
                applying[command, role].append(policy.name)
    several = {key: names for key, names in applying.items() if len(names) > 1}
    if not several:
        return
    (command, role), names = next(iter(several.items()))
    yield check.finding(
        subject=table.name,
        message=(
            f"{len(names)} permissive policies of {table.qualified_name} are joined by OR for {command} by {role}:"
            f" {and_list(names)}."
        ),
        hint="Join them in one, or make those that restrict AS RESTRICTIVE.",
        evidence={"policies": listed(names), "commands": listed([f"{c} by {r}" for c, r in several]),
                  "table_rows": table.rows},
        table=table.qualified_name,
    )  # fmt: skip
