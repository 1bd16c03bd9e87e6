"""Identifiers and literals in SQL to copy: quoted where PostgreSQL needs it, and only there."""

import re

from pglast import keywords

NEEDS_QUOTES = keywords.RESERVED_KEYWORDS | keywords.TYPE_FUNC_NAME_KEYWORDS | keywords.COL_NAME_KEYWORDS
PLAIN = re.compile("[a-z_][a-z0-9_$]*")
MAX_NAME_BYTES = 63  # pg_config_manual.h: NAMEDATALEN 64, with the closing zero byte


def comment(text: str) -> str:
    """One comment line; a line break inside a name must not end it and run what follows."""
    return f"-- {' '.join(''.join(c if c.isprintable() else ' ' for c in text).split())}\n"


def quote_literal(text: str) -> str:
    """As quote_literal(): the same text whatever standard_conforming_strings says."""
    doubled = text.replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in text else f"'{doubled}'"


def quote_identifier(name: str) -> str:
    """As quote_ident(), which quotes every keyword that is not plain everywhere."""
    plain = PLAIN.fullmatch(name) is not None and name not in NEEDS_QUOTES
    return name if plain else '"' + name.replace('"', '""') + '"'


def cut_name(name: str, end: str = "") -> str:
    """As much of a name as PostgreSQL keeps with ``end`` behind it, in whole characters."""
    return name.encode(errors="replace")[: MAX_NAME_BYTES - len(end)].decode(errors="ignore") + end


def needs_quotes(name: str) -> bool:
    """Whether a table or column of that name is only found between quotes; quote_ident() quotes some more."""
    cannot_stand_alone = keywords.RESERVED_KEYWORDS | keywords.TYPE_FUNC_NAME_KEYWORDS
    return quote_identifier(name) != name and (name not in NEEDS_QUOTES or name in cannot_stand_alone)


def qualified(schema: str, name: str) -> str:
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"
