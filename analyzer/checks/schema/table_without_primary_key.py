"""Table without a primary key.

Nothing names one of its rows: duplicates can come in unseen, an ORM cannot address a row, and logical replication
refuses UPDATE and DELETE unless the table has a replica identity. Leave alone what only ever takes rows, such as a
log that nobody corrects: such tables are told as a note, as are those whose rows a unique key of columns never null, or
the replica identity's index, names. Partitions are judged with their table.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, Threshold
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.quoting import cut_name, qualified, quote_identifier

check = Check(
    __name__,
    code="SC009",
    title="Table without a primary key",
    severity=Severity.WARNING,
    rows=Threshold(1, "rows", "judgement: an empty table, or one never analysed, may be in the making"),
)

OF_INDEX = "i"  # pg_class.relreplident


@check.on(TableFacts)
def table_without_primary_key(table: TableFacts) -> Iterator[Finding]:
    if table.kind not in "rp" or table.primary_key or table.parent_oid is not None:
        return
    if table.rows is None or table.rows < check["rows"]:
        return
    changed = table.activity.updated_rows + table.activity.deleted_rows
    candidate = _candidate(table)
    name = table.qualified_name
    if candidate is not None:
        hint = (
            f"Index {candidate.name} is unique and its columns are never null: it can become the primary key at once,"
            " without reading the table."
        )
    else:
        hint = (
            "Add an identity column as its key, or declare the columns that name a row. A new column with identity"
            " rewrites the table under an ACCESS EXCLUSIVE lock: on a large table add it nullable, fill it in batches,"
            " build a unique index CONCURRENTLY and make the key from it."
        )
    yield check.finding(
        subject=table.name,
        message=(
            f"{name} has no primary key; {changed:,} of its rows were updated or deleted since its statistics began."
            if changed
            else f"{name} has no primary key; since its statistics began, rows only came in."
        ),
        hint=hint,
        severity=Severity.WARNING if changed and not _names_rows(table) else Severity.INFO,
        evidence={
            "table_rows": table.rows,
            "size_bytes": table.size_bytes,
            "updated_rows": table.activity.updated_rows,
            "deleted_rows": table.activity.deleted_rows,
        },
        table=name,
        fixes=_fixes(table, candidate),
    )


def _names_rows(table: TableFacts) -> bool:
    not_null = {column.name for column in table.columns if column.not_null}
    return table.replica_identity == OF_INDEX or any(not_null.issuperset(key) for key in table.unique_keys if key)


def _candidate(table: TableFacts) -> IndexFacts | None:
    """A unique index that PostgreSQL takes for a primary key: whole, on columns never null, in their own order.

    Source: transformIndexConstraint() in parse_utilcmd.c, index_check_primary_key() in index.c.
    """
    not_null = {column.name for column in table.columns if column.not_null}
    for index in sorted(table.indexes, key=lambda i: len(i.columns)):
        if (
            index.is_unique
            and index.is_usable
            and index.predicate is None
            and index.method == "btree"
            and not index.backs_constraint
            and not any(index.options)
            and all(index.is_default_opclass)
            and not any(words in index.definition for words in (" COLLATE ", " NULLS NOT DISTINCT"))
            and all(column is not None and column in not_null for column in index.columns)
        ):
            return index
    return None


def _fixes(table: TableFacts, candidate: IndexFacts | None) -> tuple[Fix, ...]:
    if candidate is None or table.kind == "p":  # USING INDEX does not exist for partitioned tables
        return ()
    on, name = qualified(table.schema, table.name), quote_identifier(cut_name(f"{table.name}_pkey"))
    return (
        Fix(
            "Make the unique index the primary key (renames it; a short ACCESS EXCLUSIVE lock)",
            "sql",
            f"SET lock_timeout = '5s';\nALTER TABLE {on} ADD CONSTRAINT {name}"
            f" PRIMARY KEY USING INDEX {quote_identifier(candidate.name)};",
        ),
    )
