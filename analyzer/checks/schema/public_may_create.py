"""Everybody may create objects in a schema.

Whoever can log in may make tables and functions there, and others that have the schema in their search_path may run
into them: a function of the same name with arguments that fit better is called in the place of the real one
(CVE-2018-1058). Until 14 that was so for the schema public of each new database, and it stays so through upgrades. To
verify, \\dn+ shows =UC behind the schema.

GRANT CREATE to the roles that make migrations, then REVOKE it from PUBLIC. Leave it alone in a database of one role.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import listed, to_copy
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import comment, quote_identifier
from analyzer.words.lists import some_of

check = Check(__name__, code="SC040", title="Everybody may create objects in a schema", severity=Severity.WARNING)


@check.on(SchemaFacts)
def public_may_create(facts: SchemaFacts) -> Iterator[Finding]:
    if facts.schemas is None:
        raise NotRun("needs the schemas' rights")
    names = [schema.name for schema in facts.schemas if schema.public_may_create]
    if names:
        yield check.finding(
            about=facts.database,
            subject="CREATE for PUBLIC",
            message=f"PUBLIC may create objects in {some_of(names)}.",
            hint="Give the right to the roles that make migrations, then take it from PUBLIC; else migrations fail.",
            evidence={"schemas": listed(names)},
            members=tuple(names),
            fixes=(
                to_copy(
                    "Take it from PUBLIC, after giving it to the role that migrates (no table is locked)",
                    *(line for name in names for line in _statements(quote_identifier(name))),
                ),
            ),
        )


def _statements(schema: str) -> tuple[str, str]:
    first = comment(f"first: GRANT CREATE ON SCHEMA {schema} TO <the role that migrates>;").rstrip("\n")
    return first, f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;"
