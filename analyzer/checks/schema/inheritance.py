"""Table inheritance.

INHERITS makes a child's rows show in its parent, and little else: primary key, unique constraints and foreign keys
hold in each table alone, indexes too, so a unique value can be in parent and child both. As partitioning it needs
triggers or rules to send rows to a child, and CHECKs to leave children out of a plan. To verify, psql's \\d+ of the
parent lists them.

Use PARTITION BY instead: make the partitioned table beside it, attach the children, and switch names in one
transaction. Leave it alone where an extension of the data model is meant and keys across the tables are not needed.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.grouping import listed
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.words.lists import some_of

check = Check(__name__, code="SC031", title="Table inheritance", severity=Severity.INFO)


@check.on(SchemaFacts)
def inheritance(facts: SchemaFacts) -> Iterator[Finding]:
    children: defaultdict[int, list[str]] = defaultdict(list)
    for table in facts:
        for parent in table.inherits:
            if not table.is_of_timescale:
                children[parent].append(table.qualified_name)
    for oid, names in children.items():
        table_of = facts.table(oid)
        if table_of is not None:
            yield check.finding(
                about=table_of.qualified_name,
                subject=table_of.name,
                message=(
                    f"{len(names):,} table{'s inherit' if len(names) > 1 else ' inherits'} from"
                    f" {table_of.qualified_name}: {some_of(names)}. Its keys do not hold across them."
                ),
                hint="For partitions, use PARTITION BY.",
                evidence={"children": len(names), "names": listed(names)},
                members=tuple(names),
                table=table_of.qualified_name,
            )
