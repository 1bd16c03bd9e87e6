"""Random UUIDs as the primary key of a large table.

Version 4 UUIDs fall all over the index: each insert touches another page, which has to be in memory and is written
whole to the WAL after each checkpoint, and pages split half full. Rows of one hour lie together in the table and
nowhere in the index. To verify, the column's correlation in pg_stats is near 0.

UUIDs of version 7 begin with the time: from 18 on the server makes them (uuidv7()), before the application can. They
sort beside the old ones, so changing the default is enough. Leave it alone while the index stays in memory, or where
the time in a key must not be seen.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.checks.grouping import to_copy
from analyzer.checks.statistics import NO_COLUMN_STATISTICS
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.words.sizes import size_words

check = Check(
    __name__,
    code="SC015",
    title="Random primary key of a large table",
    severity=Severity.INFO,
    rows=Threshold(10_000_000, "rows", "judgement: a smaller index stays in memory"),
    correlation=Threshold(0.1, "correlation, 0 to 1", "judgement: in order of time it is near 1"),
)
UUIDV7_FROM = 180_000
RANDOM = ("gen_random_uuid()", "uuid_generate_v4()")


@check.on(TableFacts)
def random_key(table: TableFacts, context: Context) -> Iterator[Finding]:
    if table.kind not in "rp" or table.parent_oid is not None or len(table.primary_key) != 1:
        return
    column = table.column(table.primary_key[0])
    if column is None or (column.declared_type or column.type_name) != "uuid" or (table.rows or 0) < check["rows"]:
        return
    if column.correlation is None:
        raise NotRun(NO_COLUMN_STATISTICS)
    if abs(column.correlation) >= check["correlation"] or not table.activity.inserted_rows:
        return
    index = next((i for i in table.indexes if i.is_primary), None)
    size = index.size_bytes if index is not None else None
    is_default = (column.default or "").removeprefix("public.").removeprefix("extensions.") in RANDOM
    version = context.facts.server_version_num if context.facts is not None else 0
    name = f"{table.qualified_name}.{column.name}"
    on = f"ALTER TABLE {qualified(table.schema, table.name)} ALTER COLUMN {quote_identifier(column.name)}"
    fix = to_copy("Make new keys in order of time (ACCESS EXCLUSIVE, for a moment)", f"{on} SET DEFAULT uuidv7();")
    yield check.finding(
        subject=table.name,
        message=(
            f"{name} holds random UUIDs, {table.rows:,.0f} rows"
            + (f", in an index of {size_words(size)}" if size else "")
            + f": a new one falls anywhere in it (correlation {column.correlation:.2f})."
        ),
        hint="Let new keys begin with the time (UUID version 7), made by the server or by the application.",
        evidence={"table_rows": table.rows, "index_bytes": size, "correlation": round(column.correlation, 3),
                  "inserted_rows": table.activity.inserted_rows},
        table=table.qualified_name,
        fixes=(fix,) if is_default and version >= UUIDV7_FROM else (),
    )  # fmt: skip
