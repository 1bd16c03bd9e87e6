"""Two foreign keys that say the same.

Each write to the table checks each of them, and each delete in the other table looks the children up as often. They
come from a migration run twice, or from an ORM and a script under different names. To verify, look at psql's \\d of
the table.

Drop one. Where they differ in ON DELETE both act, and which comes first goes by their names: keep the one that is
meant.
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.grouping import listed, to_copy
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ForeignKeyFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.words.lists import and_list

check = Check(__name__, code="SC010", title="Duplicate foreign keys", severity=Severity.INFO)


@check.on(TableFacts)
def duplicate_foreign_key(table: TableFacts) -> Iterator[Finding]:
    same: dict[tuple[int, frozenset[tuple[str, str]]], list[ForeignKeyFacts]] = {}
    for key in table.foreign_keys:
        if not key.is_inherited and key.is_enforced:
            pairs = frozenset(zip(key.columns, key.referenced_columns, strict=True))
            same.setdefault((key.referenced_oid, pairs), []).append(key)
    for keys in same.values():
        if len(keys) > 1:
            yield _finding(table, keys)


def _finding(table: TableFacts, keys: list[ForeignKeyFacts]) -> Finding:
    keys = sorted(keys, key=lambda key: (not key.is_validated, key.name))
    names, first = [key.name for key in keys], keys[0]
    actions = {(key.on_delete, key.on_update) for key in keys}
    on = qualified(table.schema, table.name)
    columns = ", ".join(first.columns)
    differ = " They differ in what they do: ON DELETE " + and_list(sorted({k.on_delete for k in keys})) + "."
    return check.finding(
        subject=first.name,
        message=(
            f"{and_list(names)} of {table.qualified_name} {'both' if len(names) == 2 else 'all'} reference"
            f" {first.referenced_schema}.{first.referenced_table} by ({columns})."
            + (differ if len({key.on_delete for key in keys}) > 1 else "")
        ),
        hint="Drop all but one." if len(actions) == 1 else "Keep the one whose actions are meant.",
        evidence={"constraints": listed(names), "columns": columns, "table_rows": table.rows},
        table=table.qualified_name,
        fixes=(
            to_copy(
                "Drop the others (ACCESS EXCLUSIVE on both tables, for a moment)",
                *(f"ALTER TABLE {on} DROP CONSTRAINT {quote_identifier(name)};" for name in names[1:]),
            ),
        )
        if len(actions) == 1
        else (),
    )
