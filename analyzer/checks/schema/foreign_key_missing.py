"""Columns that look like foreign keys and are none.

A column named after a table (author_id, with a table author or authors), of the type of that table's primary key,
holds its keys in all likelihood. Without a foreign key nothing keeps rows from pointing nowhere, the planner guesses
at joins, and an ORM's or a reporting tool's generator knows of no relation. To verify, count rows whose key has no
parent.

Add the key NOT VALID, which is done at once, then VALIDATE it, which reads the table and lets writes go on; index the
column first. A partitioned table takes NOT VALID from 18 on; before, the key is checked under the lock, and no
statements are given. Leave it alone where rows outlive their parents on purpose, or where another system keeps them.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.checks.grouping import listed, to_copy
from analyzer.checks.statistics import NO_COLUMN_STATISTICS
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import ColumnFacts, SchemaFacts, TableFacts
from analyzer.schema.quoting import cut_name, qualified, quote_identifier
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC014",
    title="Column that looks like a foreign key",
    severity=Severity.INFO,
    together=Severity.CRITICAL,
    rows=Threshold(1_000, "rows", "judgement: smaller tables are settings and lists"),
)
ID = "_id"
NOT_VALID_WHEN_PARTITIONED_FROM = 180_000
ABOUT = 1.01  # estimates of both differ by so much when they are the same


@check.on(TableFacts)
def foreign_key_missing(table: TableFacts, context: Context) -> Iterator[Finding]:
    if context.facts is None or table.kind not in "rp" or table.parent_oid is not None:
        return
    if table.rows is not None and table.rows < check["rows"]:
        return
    referencing = {name for key in table.foreign_keys for name in key.columns}
    names = {column.name for column in table.columns}
    pairs = []
    for column in table.columns:
        base = column.name.removesuffix(ID)
        if base == column.name or column.name in referencing or table.primary_key == (column.name,):
            continue
        if f"{base}_type" in names or f"{base}_class" in names:  # of any of several tables
            continue
        parent = _parent(context.facts, table, base, column)
        if parent is not None:
            pairs.append((column, parent))
    if pairs:
        can_wait = table.kind != "p" or context.facts.server_version_num >= NOT_VALID_WHEN_PARTITIONED_FROM
        yield _finding(table, pairs, (_declare(table, pairs),) if can_wait else ())


def _parent(facts: SchemaFacts, table: TableFacts, base: str, column: ColumnFacts) -> TableFacts | None:
    """The one table of its schema that the name can mean, with a primary key of that very type, if its rows suffice."""
    prefix = table.name.partition("_")[0]
    plurals = (base, f"{base}s", f"{base}es", f"{base[:-1]}ies" if base.endswith("y") else "")
    candidates = {
        found.oid: found
        for name in (*plurals, f"{prefix}_{base}")
        if name and (found := facts.find_table(name, table.schema)) is not None and found.kind in "rp"
    }
    if len(candidates) != 1:
        return None
    (parent,) = candidates.values()
    if parent.parent_oid is not None or len(parent.primary_key) != 1 or parent.oid == table.oid:
        return None
    if facts.heirs(parent):  # a key does not see the rows of tables that inherit from it
        return None
    key = parent.column(parent.primary_key[0])
    if key is None or key.name not in ("id", column.name) or key.type_oid != column.type_oid:
        return None
    if column.null_frac == 1:
        return None
    if column.distinct_values is None:
        raise NotRun(NO_COLUMN_STATISTICS)
    return parent if parent.rows is not None and column.distinct_values <= parent.rows * ABOUT else None


def _declare(table: TableFacts, pairs: list[tuple[ColumnFacts, TableFacts]]) -> Fix:
    on = qualified(table.schema, table.name)
    statements = []
    for column, parent in pairs:
        name = quote_identifier(cut_name(f"{table.name}_{column.name}", "_fkey"))
        to = f"{qualified(parent.schema, parent.name)} ({quote_identifier(parent.primary_key[0])})"
        statements += [
            f"ALTER TABLE {on} ADD CONSTRAINT {name} FOREIGN KEY ({quote_identifier(column.name)}) REFERENCES {to}"
            " NOT VALID;",
            f"ALTER TABLE {on} VALIDATE CONSTRAINT {name};",
        ]
    return to_copy(
        "Each statement by itself, not in one transaction: declare it (SHARE ROW EXCLUSIVE on both for a moment), then"
        " validate (reads and writes go on)",
        *statements,
    )


def _finding(table: TableFacts, pairs: list[tuple[ColumnFacts, TableFacts]], fixes: tuple[Fix, ...]) -> Finding:
    said = [f"{column.name} (of {parent.qualified_name})" for column, parent in pairs]
    return check.finding(
        subject=table.name,
        message=(
            f"By name and type, {some_of(said)} in {table.qualified_name}"
            f" {'looks like a foreign key' if len(pairs) == 1 else 'look like foreign keys'}; none is declared."
        ),
        hint="Where it is one, declare it; index the column first.",
        evidence={
            "columns": listed([column.name for column, _ in pairs]),
            "references": listed([parent.qualified_name for _, parent in pairs]),
            "table_rows": table.rows,
        },
        table=table.qualified_name,
        fixes=fixes,
    )
