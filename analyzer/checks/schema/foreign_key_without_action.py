"""Rows are deleted from a table whose foreign keys do not say what becomes of the children.

ON DELETE NO ACTION is what a foreign key does when nobody chose: the delete fails while there are children, so the
application has to delete them first, with statements and round trips of its own. To verify, see how the application
deletes: one statement for each child table, or errors of foreign keys in the log.

Decide for each key: CASCADE where children mean nothing without their parent, SET NULL where they do, RESTRICT to say
that it is meant. Leave it alone where the ORM does it by design; a database with Django's migrations is not judged.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.grouping import listed
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.foreign_keys import foreign_key_owner
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC012",
    title="Parents are deleted and no ON DELETE was chosen",
    severity=Severity.INFO,
    deleted_rows=Threshold(10_000, "rows", "judgement: fewer since the statistics began are somebody's tidying"),
    child_rows=Threshold(1_000, "rows", "judgement: of fewer children it does not matter who deletes them"),
)
DELETES_ITSELF = "django_migrations"


@check.on(SchemaFacts)
def foreign_key_without_action(facts: SchemaFacts) -> Iterator[Finding]:
    if facts.tables_named(DELETES_ITSELF):
        return
    undecided: defaultdict[int, list[str]] = defaultdict(list)
    for table in facts:
        for key in table.foreign_keys:
            is_open = key.on_delete == "NO ACTION" and key.is_enforced and not key.is_inherited
            if is_open and key.referenced_oid != table.oid and (table.rows or 0) >= check["child_rows"]:
                undecided[key.referenced_oid].append(foreign_key_owner(table, key))
    for oid, keys in undecided.items():
        parent = facts.table(oid)
        if parent is None or parent.activity.deleted_rows < check["deleted_rows"]:
            continue
        count, deleted = len(keys), parent.activity.deleted_rows
        yield check.finding(
            about=parent.qualified_name,
            subject=parent.name,
            message=(
                f"{deleted:,} rows of {parent.qualified_name} were deleted since its statistics began;"
                f" {count} foreign key{'s' if count > 1 else ''} that reference{'' if count > 1 else 's'} it"
                f" {'have' if count > 1 else 'has'} no ON DELETE: {some_of(keys)}."
            ),
            hint="Choose CASCADE, SET NULL or RESTRICT for each.",
            evidence={"deleted_rows": deleted, "foreign_keys": count, "names": listed(keys)},
            members=tuple(keys),
            table=parent.qualified_name,
        )
