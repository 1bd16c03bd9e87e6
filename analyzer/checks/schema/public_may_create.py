"""Everybody may create objects in a schema.

Whoever can log in may make tables and functions there, and others that have the schema in their search_path may run
into them: a function of the same name with arguments that fit better is called in the place of the real one
(CVE-2018-1058). Until 14 that was so for the schema public of each new database, and it stays so through upgrades. To
verify, \\dn+ shows =UC behind the schema.

REVOKE CREATE from PUBLIC, and GRANT it to the roles that make migrations. Leave it alone in a database of one role.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import listed, some_of, to_copy
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import quote_identifier

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
            hint="Take the right from PUBLIC and give it to the roles that need it.",
            evidence={"schemas": listed(names)},
            fixes=(
                to_copy(
                    "Take it from PUBLIC (no table is locked)",
                    *(f"REVOKE CREATE ON SCHEMA {quote_identifier(name)} FROM PUBLIC;" for name in names),
                ),
            ),
        )
