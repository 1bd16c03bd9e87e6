"""What checks of columns ask of one: its type below any domain, the words its name is made of."""

import re
from collections.abc import Iterable

from analyzer.checks.altered_columns import is_inherited
from analyzer.checks.grouping import left_out, to_copy
from analyzer.findings import Fix
from analyzer.schema.facts import ColumnFacts, SchemaFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier

WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
# analyzer/review/estimate.py has where the figure is from
REWRITES = "Reads and writes of a table wait while it is rewritten, at about 80 MB a second; test with what reads it"
MOMENT_OR_UUID = re.compile(
    r"\(?((?:now|gen_random_uuid|uuidv4|uuidv7|public\.uuid_generate_v[14]|uuid_generate_v[14]|clock_timestamp"
    r"|statement_timestamp|transaction_timestamp)\(\)|CURRENT_TIMESTAMP)\)?(?:::[a-z ]+(?:\(\d+\))?)?$"
)
CONSTANT = re.compile(r"'(?:[^']|'')*'::[a-z ]+(?:\(\d+\))?$|-?\d+(?:\.\d+)?$")
MOST_TABLES = 20  # judgement: in one piece to copy
TEXTS = ("text", "character varying", "character", "bpchar", "citext")


def type_of(column: ColumnFacts) -> str:
    """Below any domain, without a length: "character varying", "timestamp without time zone"."""
    return re.sub(r"\(.*?\)", "", column.declared_type or column.type_name).strip()


def is_text(column: ColumnFacts) -> bool:
    return type_of(column) in TEXTS


def is_of_domain(column: ColumnFacts) -> bool:
    """Whether another type would take a domain's conditions from it."""
    return column.declared_type not in (None, column.type_name)


def words_of(name: str) -> list[str]:
    """ "unitPrice" and "unit_price" are "unit" and "price"."""
    return [word.lower() for word in WORD.findall(name)]


def retyped(table: TableFacts, new_types: Iterable[tuple[str, str, str]], facts: SchemaFacts | None) -> str:
    """ALTER TABLE that gives columns (name, new type, the value from the quoted name as ``{}``) other types in one
    rewrite; "" of none.

    Left out are columns of domains, inherited ones, those of foreign keys and of what partitions a table, and those
    whose default is neither a constant nor the time or a UUID of the moment: it would be cast by other rules than the
    values are.
    """
    changes = []
    for name, new_type, value in new_types:
        known = table.column(name)
        if known is None or is_of_domain(known) or is_inherited(name, table, facts):
            continue
        if _others_hang_on(name, table, facts):
            continue
        column, default = quote_identifier(name), known.default
        if default is not None:
            call = MOMENT_OR_UUID.match(default)
            if call is None and CONSTANT.match(default) is None:
                continue
            changes.append(f"ALTER COLUMN {column} DROP DEFAULT")
            changes.append(f"ALTER COLUMN {column} SET DEFAULT {call[1] if call else f'({default})::{new_type}'}")
        changes.append(f"ALTER COLUMN {column} TYPE {new_type} USING {value.replace('{}', column)}")
    head = f"ALTER TABLE {qualified(table.schema, table.name)}\n    "
    return head + ",\n    ".join(changes) + ";" if changes else ""


def _others_hang_on(name: str, table: TableFacts, facts: SchemaFacts | None) -> bool:
    """A foreign key cannot be between two types, nor a partition's bound of another type than its column."""
    if table.partition_key is not None and re.search(rf"\b{re.escape(name)}\b", table.partition_key):
        return True
    if any(name in key.columns for key in table.foreign_keys):
        return True
    if facts is None:
        return any(name in key for key in (table.primary_key, *table.unique_keys))
    return any(
        key.referenced_oid == table.oid and name in key.referenced_columns
        for other in facts
        for key in other.foreign_keys
    )


def to_retype(statements: Iterable[str], title: str = REWRITES) -> tuple[Fix, ...]:
    """The statements to copy; () of none."""
    given = list(filter(None, statements))
    shown = given[:MOST_TABLES]
    return (to_copy(title, *shown, *left_out(len(shown), len(given))),) if given else ()
