"""Constraint that was added NOT VALID and never validated.

It holds for what is written since, and says nothing of the rows before: some may break it, and the planner does not
use it. A dump restores it NOT VALID. To verify, psql's \\d of the table says NOT VALID.

VALIDATE CONSTRAINT reads the table once and lets reads and writes go on. It fails where rows break the constraint:
mend those first. Leave it alone where old rows are known to break it and are kept so.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import listed, to_copy
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.words.lists import some_of

check = Check(__name__, code="SC013", title="Constraint not validated", severity=Severity.INFO)


@check.on(TableFacts)
def constraint_not_valid(table: TableFacts) -> Iterator[Finding]:
    if table.kind not in "rp":
        return
    if table.constraints is None:
        raise NotRun("needs the tables' constraints")
    names = [k.name for k in table.foreign_keys if not k.is_validated and k.is_enforced and not k.is_inherited]
    names += [c.name for c in table.constraints if not c.is_validated and c.is_enforced and not c.is_inherited]
    if not names:
        return
    on = qualified(table.schema, table.name)
    yield check.finding(
        subject=table.name,
        message=f"{some_of(names)} of {table.qualified_name} {'is' if len(names) == 1 else 'are'} NOT VALID.",
        hint="Validate it; rows that break it have to be mended first.",
        evidence={"constraints": listed(names), "table_rows": table.rows},
        table=table.qualified_name,
        fixes=(
            to_copy(
                "Validate (SHARE UPDATE EXCLUSIVE while it reads the table: reads and writes go on)",
                *(f"ALTER TABLE {on} VALIDATE CONSTRAINT {quote_identifier(name)};" for name in names),
            ),
        ),
    )
