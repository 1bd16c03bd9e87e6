"""Two foreign keys that say the same.

Each write to the table checks each of them, and each delete in the other table looks the children up as often. They
come from a migration run twice, or from an ORM and a script under different names. To verify, look at psql's \\d of
the table.

Drop one. Where they differ in ON DELETE or ON UPDATE both act, and which comes first goes by their names; where one is
DEFERRABLE and another is not, the other still checks at once: keep the one that is meant.
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
        if not key.is_inherited and key.is_enforced and key.is_checked and not key.is_disabled:
            pairs = frozenset(zip(key.columns, key.referenced_columns, strict=True))
            same.setdefault((key.referenced_oid, pairs), []).append(key)
    for keys in same.values():
        if len(keys) > 1:
            yield _finding(table, keys)


def _finding(table: TableFacts, keys: list[ForeignKeyFacts]) -> Finding:
    keys = sorted(keys, key=lambda key: (not key.is_validated, key.name))
    names, first = [key.name for key in keys], keys[0]
    actions = {(key.on_delete, key.on_update) for key in keys}
    # when a deferrable one is checked (INITIALLY DEFERRED or not) is not known
    is_same = len(actions) == 1 and not any(key.is_deferrable for key in keys)
    on = qualified(table.schema, table.name)
    columns = ", ".join(first.columns)
    return check.finding(
        subject=first.name,
        message=(
            f"{and_list(names)} of {table.qualified_name} {'both' if len(names) == 2 else 'all'} reference"
            f" {first.referenced_schema}.{first.referenced_table} by ({columns})." + "".join(_differences(keys))
        ),
        hint="Drop all but one." if is_same else "Keep the one that does what is meant.",
        evidence={"constraints": listed(names), "columns": columns, "table_rows": table.rows},
        table=table.qualified_name,
        fixes=(
            to_copy(
                "Drop the others (ACCESS EXCLUSIVE on both tables, for a moment)",
                *(f"ALTER TABLE {on} DROP CONSTRAINT {quote_identifier(name)};" for name in names[1:]),
            ),
        )
        if is_same
        else (),
    )


def _differences(keys: list[ForeignKeyFacts]) -> Iterator[str]:
    """A sentence each."""
    for clause, actions in (("DELETE", {k.on_delete for k in keys}), ("UPDATE", {k.on_update for k in keys})):
        if len(actions) > 1:
            yield f" They differ in what they do: ON {clause} {and_list(sorted(actions))}."
    deferrable = [key.name for key in keys if key.is_deferrable]
    if deferrable and len(deferrable) < len(keys):
        yield f" {and_list(deferrable)} can be checked at the end of a transaction (DEFERRABLE), the other cannot."
