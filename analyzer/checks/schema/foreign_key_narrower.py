"""Foreign key whose column is narrower than the key it references.

The referenced key can take values that the column cannot: from 2,147,483,648 on (integer) or 32,768 on (smallint),
inserting a child fails with "integer out of range". It comes from changing the parent to bigint and not its children.
To verify, compare the columns' types in psql's \\d.

Change the column to the parent's type; that rewrites the table and its indexes under an ACCESS EXCLUSIVE lock. On a
large table add a new column, fill it in batches, and swap them. Leave it alone where the parent never comes near that
many rows.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, Threshold
from analyzer.checks.altered_columns import is_inherited
from analyzer.checks.grouping import to_copy
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ColumnFacts, ForeignKeyOf, SchemaFacts, TableFacts
from analyzer.schema.key_space import MOST_OF_TYPE, integer_type
from analyzer.schema.quoting import qualified, quote_identifier

check = Check(
    __name__,
    code="SC011",
    title="Foreign key narrower than what it references",
    severity=Severity.WARNING,
    critical_ratio=Threshold(0.5, "last value / most", "judgement: half of a key's values went; changing takes time"),
    note_ratio=Threshold(0.1, "last value / most", "judgement: below it nothing is near, and may never be"),
)


@check.on(ForeignKeyOf)
def foreign_key_narrower(of: ForeignKeyOf, context: Context) -> Iterator[Finding]:
    table, key, facts = of.table, of.key, context.facts
    parent = facts.table(key.referenced_oid) if facts is not None else None
    if facts is None or parent is None or key.is_inherited:
        return
    for name, referenced in zip(key.columns, key.referenced_columns, strict=True):
        child, above = table.column(name), parent.column(referenced)
        if child is None or above is None:
            continue
        mine, theirs = integer_type(child), integer_type(above)
        if mine is not None and theirs is not None and MOST_OF_TYPE[mine] < MOST_OF_TYPE[theirs]:
            yield _finding(of, child, above, parent, facts)


def _last_value(facts: SchemaFacts, parent: TableFacts, column: str) -> int | None:
    sequences = [s for s in facts.sequences_of(parent) if s.column == column]
    return sequences[0].last_value if sequences else None


def _finding(
    of: ForeignKeyOf, child: ColumnFacts, above: ColumnFacts, parent: TableFacts, facts: SchemaFacts
) -> Finding:
    last = _last_value(facts, parent, above.name)
    table, most = of.table, MOST_OF_TYPE[integer_type(child) or ""]
    near = last is not None and last >= most * check["critical_ratio"]
    is_far = last is not None and last < most * check["note_ratio"]
    said = f" The parent's sequence is at {last:,}." if last is not None else ""
    column, type_name = quote_identifier(child.name), integer_type(above)
    return check.finding(
        subject=of.key.name,
        message=(
            f"{table.qualified_name}.{child.name} is {child.type_name} and references"
            f" {parent.qualified_name}.{above.name}, which is {above.type_name}: children of keys above {most:,}"
            f" cannot be inserted.{said}"
        ),
        hint="Give the column its parent's type before the parent gets there.",
        severity=Severity.CRITICAL if near else Severity.INFO if is_far else Severity.WARNING,
        evidence={"column_type": child.type_name, "referenced_type": above.type_name, "most": most,
                  "last_value": last, "table_rows": table.rows},
        table=table.qualified_name,
        fixes=() if is_inherited(child.name, table, facts) else (
            to_copy(
                "Change the type (ACCESS EXCLUSIVE; rewrites the table and its indexes: for small tables)",
                f"ALTER TABLE {qualified(table.schema, table.name)} ALTER COLUMN {column} TYPE {type_name};",
            ),
        ),
    )  # fmt: skip
