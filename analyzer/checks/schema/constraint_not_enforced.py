"""Constraints NOT ENFORCED: declared and not checked.

From 18 on a CHECK or a foreign key may be declared NOT ENFORCED. Rows that break it come in, and who reads the schema
takes them for impossible. To verify, psql's \\d of the table says NOT ENFORCED.

Enforce a foreign key with ALTER CONSTRAINT ... ENFORCED, which reads the table; drop a CHECK and add it again, NOT
VALID, then validate it. Leave it alone where it is documentation on purpose.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import listed
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.words.lists import some_of

check = Check(
    __name__, code="SC034", title="Constraint not enforced", severity=Severity.INFO, together=Severity.CRITICAL
)


@check.on(TableFacts)
def constraint_not_enforced(table: TableFacts) -> Iterator[Finding]:
    if table.kind not in "rp":
        return
    if table.constraints is None:
        raise NotRun("needs the tables' constraints")
    names = [key.name for key in table.foreign_keys if not key.is_enforced and not key.is_inherited]
    names += [c.name for c in table.constraints if not c.is_enforced and not c.is_inherited]
    if names:
        yield check.finding(
            subject=table.name,
            message=f"{some_of(names)} of {table.qualified_name} {'is' if len(names) == 1 else 'are'} NOT ENFORCED.",
            hint="Enforce what is meant to hold.",
            evidence={"constraints": listed(names), "table_rows": table.rows},
            table=table.qualified_name,
        )
