"""What checks of columns ask of one: its type below any domain, the words its name is made of."""

import re
from collections.abc import Iterable

from analyzer.checks.grouping import to_copy
from analyzer.findings import Fix
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier

WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
# analyzer/review/estimate.py has where the figure is from
REWRITES = "Reads and writes of a table wait while it is rewritten, at about 80 MB a second; test with what reads it"
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


def retyped(table: TableFacts, new_types: Iterable[tuple[str, str, str]]) -> str:
    """ALTER TABLE that gives columns (name, new type, the value from the quoted name as ``{}``) other types in one
    rewrite; "" of none. Those of domains are left out."""
    changes = []
    for name, new_type, value in new_types:
        known = table.column(name)
        if known is None or is_of_domain(known):
            continue
        column = quote_identifier(name)
        changes.append(f"ALTER COLUMN {column} TYPE {new_type} USING {value.replace('{}', column)}")
    head = f"ALTER TABLE {qualified(table.schema, table.name)}\n    "
    return head + ",\n    ".join(changes) + ";" if changes else ""


def to_retype(statements: Iterable[str], title: str = REWRITES) -> tuple[Fix, ...]:
    """The statements to copy; () of none."""
    given = [statement for statement in statements if statement]
    return (to_copy(title, *given),) if given else ()
