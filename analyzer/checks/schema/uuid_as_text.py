"""UUIDs kept as text.

A UUID takes 16 bytes as uuid and 37 as text, in the table and in each index, and comparing text goes by collation. As
text, upper and lower case are different keys, and anything else comes in too. To verify, look at a few values.

ALTER COLUMN ... TYPE uuid USING col::uuid rewrites the table under an ACCESS EXCLUSIVE lock. Where foreign keys hang on
the column, drop them first, change both sides, and add them again (NOT VALID, then VALIDATE). Leave it alone where
other texts may stand there, such as identifiers of another system.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, Threshold
from analyzer.checks.columns import is_text, retyped, to_retype, words_of
from analyzer.checks.grouping import listed
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC022",
    title="UUIDs kept as text",
    severity=Severity.INFO,
    together=Severity.CRITICAL,
    rows=Threshold(10_000, "rows", "judgement: of fewer rows the space is nothing"),
)
MADE = ("gen_random_uuid()", "uuid_generate_v4()", "uuid_generate_v1()", "uuidv7()", "uuidv4()")
WIDTHS = (36, 37)  # with the length before it, one byte
NAMES = {"uuid", "guid"}


@check.on(TableFacts)
def uuid_as_text(table: TableFacts, context: Context) -> Iterator[Finding]:
    if table.kind not in "rp" or table.parent_oid is not None or (table.rows or 0) < check["rows"]:
        return
    names = [column.name for column in table.columns if is_text(column) and _holds_uuids(column)]
    if names:
        yield check.finding(
            subject=table.name,
            message=f"{some_of(names)} of {table.qualified_name} hold{'s' if len(names) == 1 else ''} UUIDs as text.",
            hint="Use the type uuid.",
            evidence={"columns": listed(names), "table_rows": table.rows},
            table=table.qualified_name,
            fixes=to_retype([retyped(table, ((name, "uuid", "{}::uuid") for name in names), context.facts)]),
        )


def _holds_uuids(column: ColumnFacts) -> bool:
    """By its default; else by its name and the width of its values together."""
    if any(function in (column.default or "") for function in MADE):
        return True
    return bool(NAMES & set(words_of(column.name))) and column.avg_width_bytes in WIDTHS
