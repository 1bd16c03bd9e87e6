"""Names that have to be quoted in every statement.

An upper-case letter, a blank, a dash or a reserved word (order, user) makes PostgreSQL take the name only between
double quotes: unquoted it is folded to lower case, or no name at all. Who forgets them gets "does not exist". To
verify, type the name into psql without quotes.

Rename them with a view of the old name for as long as both are used, or leave it alone: an ORM quotes every name, and
then only people who write SQL by hand are troubled.
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.grouping import listed
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import needs_quotes, quote_identifier
from analyzer.words.lists import and_list, counted, some_of

check = Check(__name__, code="SC029", title="Names that need quotes", severity=Severity.INFO)


@check.on(SchemaFacts)
def name_needs_quotes(facts: SchemaFacts) -> Iterator[Finding]:
    tables = [t for t in facts if t.parent_oid is None]
    of_tables = [quote_identifier(t.name) for t in tables if needs_quotes(t.name)]
    of_columns = [
        f"{quote_identifier(t.name)}.{quote_identifier(c.name)}"
        for t in tables
        for c in t.columns
        if needs_quotes(c.name)
    ]
    names = [*of_tables, *of_columns]
    if names:
        distinct = list(dict.fromkeys(names))  # tenants have the same ones
        counts = [counted(len(some), what) for some, what in ((of_tables, "table"), (of_columns, "column")) if some]
        yield check.finding(
            about=facts.database,
            subject="names",
            message=(
                f"{and_list(counts)} {'needs' if len(names) == 1 else 'need'} quotes in SQL: {some_of(distinct)}."
            ),
            hint="Give new ones lower-case names that are no keywords.",
            evidence={"table_count": len(of_tables), "column_count": len(of_columns), "names": listed(distinct)},
            members=tuple(distinct),
        )
