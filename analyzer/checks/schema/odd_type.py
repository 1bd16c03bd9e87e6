"""Columns of types that behave in ways nobody wants.

char(n) fills up with blanks, which clients get back and patterns (LIKE, ~) must match, and saves nothing. money has the
currency and the fraction of the server's lc_monetary setting, which another server may not have. timetz is an hour with
an offset, which without a date means no moment and no daylight saving time. json keeps the text: it is parsed with each
look inside, has no equality, and no GIN index serves its operators; jsonb does all that.

Use text (or varchar) with a CHECK, numeric, time or timestamptz, jsonb. Changing the type rewrites the table under an
ACCESS EXCLUSIVE lock; char(n) to varchar(n) or text rewrites too. To verify, see what reads them. Leave json alone
where the text is only stored and given back, and char(n) where every value has n characters.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.columns import retyped, to_retype, type_of
from analyzer.checks.grouping import listed
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ColumnFacts, SchemaFacts, TableFacts
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC017",
    title="Columns of char(n), money, json or timetz",
    severity=Severity.INFO,
    characters=Threshold(5, "characters", "judgement: shorter ones are codes of one length"),
)
INSTEAD = {
    "character": ("char(n)", "text, or varchar with a length"),
    "money": ("money", "numeric"),
    "json": ("json", "jsonb where something looks inside"),
    "time with time zone": ("timetz", "time, or timestamptz for a moment"),
}
NEW_TYPES = {"character": "text", "money": "numeric", "json": "jsonb", "time with time zone": "time"}
LENGTHS_OF_HASHES = {26, 27, 32, 36, 40, 56, 64, 96, 128}  # ULID, KSUID, MD5, UUID, SHA-1 to SHA-512


@check.on(SchemaFacts)
def odd_type(facts: SchemaFacts) -> Iterator[Finding]:
    columns_of: defaultdict[str, list[tuple[TableFacts, str]]] = defaultdict(list)
    for table in facts:
        if table.kind in "rp" and table.parent_oid is None:
            for column in table.columns:
                kind = type_of(column)
                if kind in INSTEAD and not (kind == "character" and _is_of_one_length(column)):
                    columns_of[kind].append((table, column.name))
    for kind, columns in columns_of.items():
        name, instead = INSTEAD[kind]
        names = [f"{table.qualified_name}.{column}" for table, column in columns]
        yield check.finding(
            about=facts.database,
            subject=name,
            title=f"Columns of type {name}",
            message=f"{len(names)} column{'s are' if len(names) > 1 else ' is'} {name}: {some_of(names)}.",
            hint=f"Use {instead}.",
            evidence={"column_count": len(names), "columns": listed(names)},
            members=tuple(names),
            fixes=to_retype(_changes(columns, NEW_TYPES[kind], facts)),
        )


def _changes(columns: list[tuple[TableFacts, str]], new_type: str, facts: SchemaFacts) -> Iterator[str]:
    by_table: defaultdict[int, list[str]] = defaultdict(list)
    tables = {table.oid: table for table, _ in columns}
    for table, column in columns:
        by_table[table.oid].append(column)
    for oid in by_table:
        yield retyped(tables[oid], ((column, new_type, f"{{}}::{new_type}") for column in by_table[oid]), facts)


def _is_of_one_length(column: ColumnFacts) -> bool:
    most = column.most_characters
    return most is None or most < check["characters"] or most in LENGTHS_OF_HASHES
