"""Types and functions that each of several schemas has of its own, as tenants do: in another schema an expression names
that schema's. What only one schema has, as an extension's in public, is named the same everywhere.
"""

from collections.abc import Collection

from pglast import parser

from analyzer.schema.quoting import quote_identifier
from analyzer.statements.tokens import scan


def in_schema(text: str, old: str, new: str, names: Collection[str]) -> str:
    """An expression or a type's name with ``new`` where the schema ``old`` stands before one of the names."""
    if not names or old not in text.replace('""', '"'):
        return text
    try:
        tokens = scan(text)
    except (parser.ParseError, UnicodeEncodeError):
        return text
    words = [text[token.start : token.end + 1] for token in tokens]
    pieces, end = [], 0
    for at in range(len(tokens) - 2):
        is_first = at == 0 or words[at - 1] != "."
        if is_first and words[at + 1] == "." and _name(words[at]) == old and _name(words[at + 2]) in names:
            pieces += [text[end : tokens[at].start], quote_identifier(new)]
            end = tokens[at].end + 1
    return "".join([*pieces, text[end:]])


def without_schema(text: str, schema: str, names: Collection[str]) -> str:
    """To compare it with the same of another schema."""
    return in_schema(text, schema, "*", names)


def _name(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word
