"""What checks of columns ask of one: its type below any domain, the words its name is made of."""

import re

from analyzer.schema.facts import ColumnFacts

WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
TEXTS = ("text", "character varying", "character", "bpchar", "citext")


def type_of(column: ColumnFacts) -> str:
    """Below any domain, without a length: "character varying", "timestamp without time zone"."""
    return re.sub(r"\(.*?\)", "", column.declared_type or column.type_name).strip()


def is_text(column: ColumnFacts) -> bool:
    return type_of(column) in TEXTS


def words_of(name: str) -> list[str]:
    """ "unitPrice" and "unit_price" are "unit" and "price"."""
    return [word.lower() for word in WORD.findall(name)]
